// The host's side of a step: what goes to the device as one run of numbers.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>How large a step is, filled up to one that is likely to come again where the backend likes that.</summary>
internal readonly struct StepShape
{
    private const int BlocksAtOnce = 4, RowsAtOnce = 64;

    /// <summary>The shape of a step.</summary>
    /// <param name="rows">Live hypotheses.</param>
    /// <param name="targetBlocks">Blocks of the longest target.</param>
    /// <param name="sourceBlocks">Blocks of the longest source.</param>
    /// <param name="fillsUp">Whether it is filled up.</param>
    public StepShape(int rows, int targetBlocks, int sourceBlocks, bool fillsUp)
    {
        IsFilledUp = fillsUp;
        Rows = fillsUp ? FillUp(rows) : rows;
        TargetBlocks = fillsUp ? RoundUp(targetBlocks, BlocksAtOnce) : targetBlocks;
        SourceBlocks = fillsUp ? RoundUp(sourceBlocks, BlocksAtOnce) : sourceBlocks;
    }

    /// <summary>Whether it may be larger than what lives.</summary>
    public bool IsFilledUp { get; }

    /// <summary>Rows, those that nobody reads included.</summary>
    public int Rows { get; }

    /// <summary>Columns of the table of target blocks.</summary>
    public int TargetBlocks { get; }

    /// <summary>Columns of the table of source blocks.</summary>
    public int SourceBlocks { get; }

    // Powers of two and the halves between them: at most a third of the rows is for nobody. Then multiples of 64.
    private static int FillUp(int rows)
    {
        if (rows > 2 * RowsAtOnce) return RoundUp(rows, RowsAtOnce);
        for (int power = 1; ; power *= 2)
        {
            if (rows <= power) return power;
            if (power > 1 && rows <= power + (power / 2)) return power + (power / 2);
        }
    }

    private static int RoundUp(int number, int multiple) => (number + multiple - 1) / multiple * multiple;
}

/// <summary>What a step is, found out before anything is taken for it.</summary>
/// <param name="Shape">Its shape.</param>
/// <param name="TargetLongest">Positions of the longest target, the new one included.</param>
/// <param name="SourceLongest">Positions of the longest source.</param>
/// <param name="Candidates">Best tokens of each row that are wanted.</param>
/// <param name="WantsAlignment">Whether a search wants attention.</param>
/// <param name="WantsNamed">Whether a search names tokens.</param>
internal readonly record struct StepPlan(
    StepShape Shape, int TargetLongest, int SourceLongest, int Candidates, bool WantsAlignment, bool WantsNamed);

/// <summary>The numbers of a step. Arrays grow, never shrink.</summary>
internal sealed class StepBuffers
{
    /// <summary>Most blocks that a row needs for steps without the host: one where it stands, and one beyond.</summary>
    public const int SpareOfRow = 2;

    private int[] _input = [];
    private int _inputCount;
    private StepShape _shape;

    /// <summary>Everything that the step is given, part after part.</summary>
    public Span<int> Input => _input.AsSpan(0, _inputCount);

    /// <summary>[rows]: the newest token of each row.</summary>
    public Range Ids { get; private set; }

    /// <summary>[rows]: its place in the target.</summary>
    public Range Positions { get; private set; }

    /// <summary>[rows]: where its keys and values go.</summary>
    public Range Slots { get; private set; }

    /// <summary>[rows]: positions of its target.</summary>
    public Range TargetLengths { get; private set; }

    /// <summary>[rows]: positions of its source.</summary>
    public Range SourceLengths { get; private set; }

    /// <summary>[rows, target blocks].</summary>
    public Range TargetBlocks { get; private set; }

    /// <summary>[rows, source blocks].</summary>
    public Range SourceBlocks { get; private set; }

    /// <summary>[rows, 2]: blocks to copy.</summary>
    public Range Copies { get; private set; }

    /// <summary>Of steps without the host, [rows, ends]: tokens that end a hypothesis.</summary>
    public Range Ends { get; private set; }

    /// <summary>Of steps without the host, [rows, <see cref="SpareOfRow"/>]: blocks for their hypotheses.</summary>
    public Range Spare { get; private set; }

    /// <summary>Of steps without the host, [n, 2]: what is suppressed.</summary>
    public Range Places { get; private set; }

    /// <summary>Of steps without the host, [rows]: bits of the sums.</summary>
    public Range Sums { get; private set; }

    /// <summary>Of steps without the host, [rows, <see cref="BeamSentence.Columns"/>]: the sentences, and room for more.</summary>
    public Range Sentences { get; private set; }

    /// <summary>Of steps without the host, [steps · rows, 2]: what they did.</summary>
    public Range Moves { get; private set; }

    /// <summary>Makes room for a step.</summary>
    public void Resize(in StepShape shape)
    {
        Begin(shape);
        TargetBlocks = Take(shape.Rows * shape.TargetBlocks);
        Room(ref _input, _inputCount);
    }

    /// <summary>
    /// Makes room for steps without the host. What they are given comes first, what they did last, and what is both in between.
    /// </summary>
    /// <param name="shape">Shape of each.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="ends">Tokens of a sentence that end a hypothesis.</param>
    /// <param name="places">Places that are suppressed.</param>
    public void ResizeForRun(in StepShape shape, int steps, int ends, int places)
    {
        Begin(shape);
        Ends = Take(shape.Rows * ends);
        Spare = Take(shape.Rows * SpareOfRow);
        Places = Take(2 * places);
        TargetBlocks = Take(shape.Rows * shape.TargetBlocks);
        Sums = Take(shape.Rows);
        Sentences = Take(shape.Rows * BeamSentence.Columns);
        Moves = Take(shape.Rows * steps * 2 * BeamMove.Columns);
        Room(ref _input, _inputCount);
        Span<int> input = Input;
        input[Ends].Fill(-1);
        input[Spare].Fill(-1);
        input[Sums].Clear();
        input[Sentences].Clear();
    }

    /// <summary>Rows beyond the live ones see the source of the first and a target of nobody, and are written nowhere.</summary>
    /// <param name="rows">Live rows, at least 1.</param>
    /// <param name="copies">Blocks that are copied.</param>
    /// <param name="idleBlock">A block that no row writes to.</param>
    public void FillUp(int rows, int copies, int idleBlock)
    {
        FillIdle(rows, _shape.Rows - rows, idleBlock);
        Span<int> input = Input, sources = input[SourceBlocks];
        input[SourceLengths][rows..].Fill(1);
        sources[(rows * _shape.SourceBlocks)..].Fill(sources[0]);
        input[Copies][(2 * copies)..].Fill(-1);
    }

    /// <summary>Rows without a hypothesis, but for what they see of a source: they are written nowhere.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="idleBlock">A block that no row writes to.</param>
    public void FillIdle(int first, int count, int idleBlock)
    {
        Span<int> input = Input;
        input[Ids].Slice(first, count).Fill(-1);
        input[Positions].Slice(first, count).Clear();
        input[Slots].Slice(first, count).Fill(-1);
        input[TargetLengths].Slice(first, count).Fill(1);
        input[TargetBlocks].Slice(first * _shape.TargetBlocks, count * _shape.TargetBlocks).Fill(idleBlock);
    }

    /// <summary>Numbers on the device, until the frame ends.</summary>
    public static Tensor Upload(IBackend backend, ReadOnlySpan<int> values)
    {
        Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    /// <summary>A part of what was uploaded.</summary>
    public static Tensor Part(in Tensor input, Range part)
    {
        (int start, int count) = part.GetOffsetAndLength(input.Columns);
        return input.ColumnRange(start, count);
    }

    /// <summary>The first numbers of a part as a table.</summary>
    public static Tensor Table(in Tensor input, Range part, int rows, int columns) =>
        Part(input, part) with { Shape = new Shape(rows, columns), Stride = columns };

    public static Span<T> Room<T>(ref T[] array, int count)
    {
        if (array.Length < count) array = new T[Math.Max(count, 2 * array.Length)];
        return array.AsSpan(0, count);
    }

    public static void Keep<T>(ref T[] array, int used, int count)
    {
        if (array.Length >= count) return;
        T[] grown = new T[Math.Max(count, 2 * array.Length)];
        array.AsSpan(0, used).CopyTo(grown);
        array = grown;
    }

    private void Begin(in StepShape shape)
    {
        _shape = shape;
        _inputCount = 0;
        Ids = Take(shape.Rows);
        Positions = Take(shape.Rows);
        Slots = Take(shape.Rows);
        TargetLengths = Take(shape.Rows);
        SourceLengths = Take(shape.Rows);
        SourceBlocks = Take(shape.Rows * shape.SourceBlocks);
        Copies = Take(2 * shape.Rows);
    }

    private Range Take(int count)
    {
        int start = _inputCount;
        _inputCount += count;
        return start.._inputCount;
    }
}
