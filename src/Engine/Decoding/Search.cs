// What the continuous batch knows of a sentence's search: its rows, what it wants to see of their logits, what it does next.
using Engine.Backends;

namespace Engine.Decoding;

/// <summary>What a step found out for the rows of one search.</summary>
internal readonly ref struct StepOutput
{
    /// <summary>Best log-probabilities of each row, best first: [rows, k].</summary>
    public required ReadOnlySpan<float> Scores { get; init; }

    /// <summary>Their tokens.</summary>
    public required ReadOnlySpan<int> Tokens { get; init; }

    /// <summary>Candidates of a row; at least what the search asked for, as far as the vocabulary has so many.</summary>
    public required int Candidates { get; init; }

    /// <summary>If asked for: all log-probabilities, [rows, vocabulary].</summary>
    public required ReadOnlySpan<float> Distribution { get; init; }

    /// <summary>If asked for: log-probability of the token that each row named.</summary>
    public required ReadOnlySpan<float> Named { get; init; }

    /// <summary>If asked for: the tokens that were drawn.</summary>
    public required ReadOnlySpan<int> DrawnTokens { get; init; }

    /// <summary>Their log-probabilities.</summary>
    public required ReadOnlySpan<float> DrawnScores { get; init; }

    /// <summary>If asked for: attention to the source, [rows, alignmentColumns], of which the source's length counts.</summary>
    public required ReadOnlySpan<float> Alignment { get; init; }

    /// <summary>Columns of <see cref="Alignment"/>.</summary>
    public required int AlignmentColumns { get; init; }

    /// <summary>Tokens of the source as the encoder saw it.</summary>
    public required int SourceLength { get; init; }

    /// <summary>The attention of a row, copied; null if it was not asked for.</summary>
    public float[]? AlignmentOf(int row) => Alignment.IsEmpty
        ? null
        : Alignment.Slice(row * AlignmentColumns, SourceLength).ToArray();
}

/// <summary>What the steps of a sentence were that a backend took alone.</summary>
/// <param name="moves">[steps, rows, 2]: who went on as each row of the sentence, and who ended as the candidate of that number.</param>
/// <param name="rowsOfStep">Rows of a step, those of other sentences included.</param>
/// <param name="firstRow">First row of the sentence.</param>
/// <param name="sentence">Where its search stands now.</param>
internal readonly ref struct BeamLog(ReadOnlySpan<BeamMove> moves, int rowsOfStep, int firstRow, in BeamSentence sentence)
{
    private readonly ReadOnlySpan<BeamMove> _moves = moves;

    /// <summary>Steps that were taken.</summary>
    public int Steps { get; } = sentence.Taken;

    /// <summary>Hypotheses that live now.</summary>
    public int Live { get; } = sentence.Live;

    /// <summary>Who goes on as a row after a step.</summary>
    public BeamMove Next(int step, int row) => _moves[2 * ((step * rowsOfStep) + firstRow + row)];

    /// <summary>Who ended in a step as the candidate of a number; without a parent: nobody.</summary>
    public BeamMove Ended(int step, int number) => _moves[(2 * ((step * rowsOfStep) + firstRow + number)) + 1];
}

/// <summary>Rows of the next step: which row of this step each continues, and with which token.</summary>
internal sealed class RowMoves
{
    private (int Parent, int Token)[] _moves = new (int, int)[16];

    /// <summary>Number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>A row of the next step.</summary>
    public (int Parent, int Token) this[int index] => _moves[index];

    /// <summary>Added to the parents that are given from now on.</summary>
    public int FirstRow { get; set; }

    /// <summary>Forgets all rows.</summary>
    public void Clear() => Count = FirstRow = 0;

    /// <summary>Forgets the rows from a count on.</summary>
    public void Truncate(int count) => Count = count;

    /// <summary>Adds a row that continues a row of this search with a token.</summary>
    public void Add(int parent, int token)
    {
        if (Count == _moves.Length) Array.Resize(ref _moves, 2 * _moves.Length);
        _moves[Count++] = (FirstRow + parent, token);
    }
}

/// <summary>The search of one sentence, a step at a time.</summary>
internal abstract class Search
{
    /// <summary>Live hypotheses.</summary>
    public abstract int Rows { get; }

    /// <summary>Best tokens wanted of each row; 0: none.</summary>
    public abstract int Candidates { get; }

    /// <summary>Whether all log-probabilities are wanted.</summary>
    public virtual bool WantsDistribution => false;

    /// <summary>Whether the log-probability of <see cref="NamedToken"/> is wanted.</summary>
    public virtual bool WantsNamed => false;

    /// <summary>
    /// Tokens that are to be drawn from the whole vocabulary: one for each row, or, while there is a single row, any number of it; 0: none.
    /// </summary>
    public virtual int Draws => 0;

    /// <summary>Whether the search has ended.</summary>
    public bool IsFinished { get; protected set; }

    /// <summary>The hypotheses of an ended search, best first.</summary>
    public abstract IReadOnlyList<FinishedTrail> Results { get; }

    /// <summary>The token of a row whose log-probability is wanted.</summary>
    public virtual int NamedToken(int row) => 0;

    /// <summary>Says what each token is drawn by.</summary>
    /// <param name="draws">[draws, 4]: what <see cref="TokenDraw.CopyTo"/> writes.</param>
    public virtual void GatherDraws(Span<int> draws)
    {
    }

    /// <summary>Gathers what may not be generated; nothing once the search has ended, for it has no rows then.</summary>
    /// <param name="edits">Takes it.</param>
    /// <param name="firstRow">Row of the logits where this search begins.</param>
    public abstract void Gather(LogitEdits edits, int firstRow);

    /// <summary>Takes a step: ends hypotheses, and names the rows of the next step.</summary>
    public abstract void Advance(in StepOutput output, RowMoves moves);

    // ---- steps that are taken without this object, by IBackend.AdvanceBeams ----

    /// <summary>How many such steps may follow each other, as far as this search is concerned; 0: each is taken here.</summary>
    public virtual int StepsAlone => 0;

    /// <summary>The most rows that it may have in them.</summary>
    public virtual int MostRows => Rows;

    /// <summary>Steps that are left at most.</summary>
    public virtual int StepsLeft => 0;

    /// <summary>As <see cref="Gather"/>, for <see cref="MostRows"/> rows.</summary>
    public virtual void GatherAlone(LogitEdits edits, int firstRow) => Gather(edits, firstRow);

    /// <summary>Says where the search stands.</summary>
    /// <param name="sums">[most rows]: the sum of each live row.</param>
    public virtual BeamSentence Describe(Span<float> sums) => throw new InvalidOperationException("The search takes each step itself.");

    /// <summary>Learns of the steps that were taken.</summary>
    public virtual void Follow(in BeamLog log) => throw new InvalidOperationException("The search takes each step itself.");
}
