// A step of beam search by its rules, with lists: what IBackend.AdvanceBeams is.
using System.Runtime.InteropServices;
using Engine.Backends;

namespace Engine.Reference;

/// <summary>The tables of a search, and a step of one sentence.</summary>
public sealed class BeamReference
{
    private const int Block = 16;

    public required float[] Scores { get; init; }

    public required int[] Tokens { get; init; }

    public required int Found { get; init; }

    public required int[] Sentences { get; init; }

    public required int[] Ends { get; init; }

    public required int[] Sums { get; init; }

    public required int[] Ids { get; init; }

    public required int[] Positions { get; init; }

    public required int[] Slots { get; init; }

    public required int[] Lengths { get; init; }

    public required int[] Blocks { get; init; }

    public required int[] Copies { get; init; }

    public required int[] Spare { get; init; }

    public required int[] Moves { get; init; }

    public required int Steps { get; init; }

    private int Rows => Ids.Length;

    /// <summary>A sentence.</summary>
    public ref BeamSentence Sentence(int number) => ref MemoryMarshal.Cast<int, BeamSentence>(Sentences.AsSpan())[number];

    /// <summary>Whether it has hypotheses.</summary>
    public bool IsLive(int number) => Sentence(number).Live != 0;

    /// <summary>Takes its step.</summary>
    public void Advance(int number)
    {
        ref BeamSentence s = ref Sentence(number);
        int first = s.FirstRow, beams = s.Beams;
        int[] ends = [.. Ends.Skip(number * (Ends.Length / (Sentences.Length / BeamSentence.Columns))).Take(Ends.Length / (Sentences.Length / BeamSentence.Columns))];
        List<BeamMove> best = Best(s);
        bool isLast = s.Length + 1 >= s.MaxLength;

        // Who ends leaves its place to the next behind the beams that does not.
        var ended = new BeamMove?[beams];
        var next = new List<BeamMove>();
        var behind = new Queue<BeamMove>(best.Skip(beams).Where(move => !ends.Contains(move.Token)));
        for (int k = 0; k < Math.Min(beams, best.Count); k++)
        {
            if (!isLast && !ends.Contains(best[k].Token)) next.Add(best[k]);
            else
            {
                ended[k] = best[k];
                if (behind.TryDequeue(out BeamMove other)) next.Add(other);
            }
        }

        s.Ended += ended.Count(static move => move is not null);
        if (ended[0] is not null) s.TopEnded = 1;
        bool areEnough = s.NeedsTop == 1 ? s.TopEnded == 1 && s.Ended >= s.Wanted : s.Ended >= s.Wanted;
        if (isLast || areEnough) next.Clear();

        for (int row = 0; row < beams; row++)
        {
            int at = 8 * ((s.Taken * Rows) + first + row);
            Write(at, row < next.Count ? next[row] : BeamMove.None);
            Write(at + 4, ended[row] ?? BeamMove.None);
        }

        s.Taken++;
        s.Length++;
        s.Live = next.Count;
        List<int[]> histories = Histories(s, next);
        for (int row = 0; row < next.Count; row++) Sums[first + row] = BitConverter.SingleToInt32Bits(next[row].Sum);
        if (s.Taken < Steps || next.Count == 0) Prepare(s, next, histories);
    }

    private List<BeamMove> Best(BeamSentence s)
    {
        var all = new List<BeamMove>();
        for (int row = 0; row < s.Live; row++)
        {
            float sum = BitConverter.Int32BitsToSingle(Sums[s.FirstRow + row]);
            for (int i = 0; i < s.Candidates; i++)
            {
                int at = ((s.FirstRow + row) * Found) + i;
                all.Add(new BeamMove(row, Tokens[at], Scores[at], sum + Scores[at]));
            }
        }

        return [.. all.OrderByDescending(static move => move.Sum).Take(2 * s.Beams)];   // stable
    }

    // Blocks of each hypothesis, as far as they hold something; written to the table.
    private List<int[]> Histories(BeamSentence s, List<BeamMove> next)
    {
        int columns = Blocks.Length / Rows, used = Math.Min((s.Length + Block - 1) / Block, columns);
        List<int[]> histories = [.. next.Select(move => Blocks.AsSpan((s.FirstRow + move.Parent) * columns, used).ToArray())];
        for (int row = 0; row < next.Count; row++) histories[row].CopyTo(Blocks, (s.FirstRow + row) * columns);
        return histories;
    }

    private void Prepare(BeamSentence s, List<BeamMove> next, List<int[]> histories)
    {
        int columns = Blocks.Length / Rows, column = s.Length / Block, spares = Spare.Length / Rows;
        var free = new Queue<int>(Spare.Skip(s.FirstRow * spares).Take(s.Beams * spares)
            .Where(block => block >= 0 && !histories.Any(history => history.Contains(block))));
        var seen = new HashSet<int>();
        for (int row = 0; row < s.Beams; row++)
        {
            int place = s.FirstRow + row;
            bool isLive = row < next.Count;
            Ids[place] = isLive ? next[row].Token : -1;
            Positions[place] = isLive ? s.Length : 0;
            Lengths[place] = isLive ? s.Length + 1 : 1;
            Slots[place] = Copies[2 * place] = Copies[(2 * place) + 1] = -1;
            if (!isLive || column >= columns) continue;
            int block;
            if (s.Length % Block > 0 && seen.Add(histories[row][column])) block = histories[row][column];
            else
            {
                if (!free.TryDequeue(out block)) continue;
                if (s.Length % Block > 0) (Copies[2 * place], Copies[(2 * place) + 1]) = (histories[row][column], block);
            }

            Blocks[(place * columns) + column] = block;
            Slots[place] = (block * Block) + (s.Length % Block);
        }
    }

    private void Write(int at, BeamMove move)
    {
        (Moves[at], Moves[at + 1]) = (move.Parent, move.Token);
        Moves[at + 2] = BitConverter.SingleToInt32Bits(move.Score);
        Moves[at + 3] = BitConverter.SingleToInt32Bits(move.Sum);
    }
}
