// Beam searches side by side that follow each other for some steps: tables to begin with, candidates of each step, and a cache in which a
// position holds nothing but the token that was put there.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

/// <summary>A batch of searches, the same in every run.</summary>
internal sealed class BeamCase
{
    private const int Block = KeyValueCache.BlockPositions, Vocabulary = 70, RowsThatNobodyReads = 3, EndToken = 0, OtherEnd = 3;

    private readonly int[] _sentences, _ends, _sums, _ids, _positions, _slots, _lengths, _blocks, _copies, _spare, _moves;
    private readonly List<int>[] _histories;
    private readonly int _steps, _seed, _columns, _candidates, _blockCount;

    public BeamCase((int Beams, int Live, int Length, int MaxLength)[] batch, int steps, int seed, int columnsOfSpare = 2)
    {
        Rows = batch.Sum(static s => s.Beams) + RowsThatNobodyReads;
        (_steps, _seed) = (steps, seed);
        _columns = ((batch.Max(static s => s.Length) + steps) / Block) + 2;
        _candidates = 2 * batch.Max(static s => s.Beams);
        _sentences = new int[batch.Length * BeamSentence.Columns];
        _ends = new int[batch.Length * 2];
        _sums = new int[Rows];
        _ids = Filled(Rows, -1);
        _positions = new int[Rows];
        _slots = Filled(Rows, -1);
        _lengths = Filled(Rows, 1);
        _blocks = new int[Rows * _columns];
        _copies = Filled(2 * Rows, -1);
        _spare = Filled(Rows * columnsOfSpare, -1);
        _moves = Filled(steps * Rows * 8, 77);
        _histories = [.. Enumerable.Range(0, Rows).Select(static _ => new List<int>())];
        var random = new Random(seed);
        int row = 0, block = 1;
        for (int s = 0; s < batch.Length; s++)
        {
            (int beams, int live, int length, int maxLength) = batch[s];
            Sentence(s) = new BeamSentence
            {
                FirstRow = row, Beams = beams, Live = live, Length = length, MaxLength = maxLength,
                Candidates = Math.Min(2 * beams, Vocabulary - (s % 2)), Wanted = 1 + (s % Math.Max(beams, 1)), NeedsTop = s % 2,
            };
            (_ends[2 * s], _ends[(2 * s) + 1]) = (EndToken, s % 3 == 0 ? OtherEnd : -1);
            int shared = block;
            block += length / Block;
            for (int r = 0; r < beams; r++, row++)
            {
                for (int c = 0; c < length / Block; c++) _blocks[(row * _columns) + c] = shared + c;
                for (int i = 0; i < columnsOfSpare; i++) _spare[(row * columnsOfSpare) + i] = block++;
                if (r >= live) continue;
                _sums[row] = BitConverter.SingleToInt32Bits(-random.Next(3));
                _blocks[(row * _columns) + (length / Block)] = block;
                (_ids[row], _positions[row], _lengths[row]) = (1, length, length + 1);
                _slots[row] = (block++ * Block) + (length % Block);
                for (int i = 0; i < length; i++) _histories[row].Add(i < length / Block * Block ? 1000 + i : (1000 * row) + i);
            }
        }

        _blockCount = block;
    }

    public int Rows { get; }

    public ref BeamSentence Sentence(int number) => ref MemoryMarshal.Cast<int, BeamSentence>(_sentences.AsSpan())[number];

    public BeamState Put(IBackend b) => new()
    {
        Sentences = Table(b, _sentences.Length / BeamSentence.Columns, BeamSentence.Columns, _sentences),
        Ends = Table(b, _ends.Length / 2, 2, _ends),
        Sums = Vector(b, _sums),
        Ids = Vector(b, _ids),
        Positions = Vector(b, _positions),
        Slots = Vector(b, _slots),
        Lengths = Vector(b, _lengths),
        Blocks = Table(b, Rows, _columns, _blocks),
        Copies = Table(b, Rows, 2, _copies),
        Spare = Table(b, Rows, _spare.Length / Rows, _spare),
        Moves = Table(b, _steps * Rows, 8, _moves),
    };

    /// <summary>Takes all steps in the open frame; gives all tables after each.</summary>
    public List<BeamTables> Run(IBackend b, bool view)
    {
        var random = new Random(_seed);
        var results = new List<BeamTables>();
        BeamState state = Put(b);
        for (int step = 0; step < _steps; step++)
        {
            var scores = new float[Rows * _candidates];
            var tokens = new int[Rows * _candidates];
            for (int row = 0; row < Rows; row++) Draw(random, scores, tokens, row);
            Tensor best = Within(b, Rows, _candidates, DType.Float32, view), named = Within(b, Rows, _candidates, DType.Int32, view);
            b.Write(best, scores);
            b.Write(named, tokens);
            b.AdvanceBeams(best, named, state);
            results.Add(new BeamTables
            {
                Sentences = Integers(b, state.Sentences), Blocks = Integers(b, state.Blocks), Moves = Integers(b, state.Moves),
                Sums = Integers(b, state.Sums), Ids = Integers(b, state.Ids), Positions = Integers(b, state.Positions),
                Slots = Integers(b, state.Slots), Lengths = Integers(b, state.Lengths), Copies = Integers(b, state.Copies),
            });
        }

        return results;
    }

    /// <summary>Does with the cache what a decoder does, and looks whether each hypothesis finds its own history in it.</summary>
    public void CheckHistories(List<BeamTables> results)
    {
        var cache = new int[_blockCount * Block];
        List<int>[] histories = [.. _histories.Select(static history => new List<int>(history))];
        for (int row = 0; row < Rows; row++)
        {
            for (int i = 0; i < histories[row].Count; i++)
                cache[(_blocks[(row * _columns) + (i / Block)] * Block) + (i % Block)] = histories[row][i];
        }

        (int[] copies, int[] slots, int[] ids) = (_copies, _slots, _ids);
        for (int step = 0; step < _steps; step++)
        {
            CopyBlocks(copies, cache);
            if (step > 0) Check(results[step - 1], cache, histories);
            TakePositions(slots, ids, cache, histories);
            BeamTables after = results[step];
            histories = Follow(after.Searches, after.Moves, step, histories);
            (copies, slots, ids) = (after.Copies, after.Slots, after.Ids);
        }

        Check(results[^1], cache, histories);       // the last step is behind no other, so nothing waits to be copied
    }

    // What a step of a decoder does: blocks are copied, then each row writes.
    private static void CopyBlocks(int[] copies, int[] cache)
    {
        int[] from = [.. copies.Where(static (block, i) => i % 2 == 0 && block >= 0)];
        int[] to = [.. copies.Where(static (block, i) => i % 2 == 1 && block >= 0)];
        Assert.True(!from.Intersect(to).Any(), "a block is copied from and to");
        Assert.Equal(to.Length, to.Distinct().Count());
        for (int i = 0; i < from.Length; i++) Array.Copy(cache, from[i] * Block, cache, to[i] * Block, Block);
    }

    private static void TakePositions(int[] slots, int[] ids, int[] cache, List<int>[] histories)
    {
        int[] written = [.. slots.Where(static slot => slot >= 0)];
        Assert.Equal(written.Length, written.Distinct().Count());
        for (int row = 0; row < slots.Length; row++)
        {
            if (slots[row] >= 0) cache[slots[row]] = ids[row];
            if (ids[row] >= 0) histories[row].Add(slots[row] >= 0 ? ids[row] : int.MinValue);   // written nowhere
        }
    }

    // Best first, of few values, so that equal sums are many.
    private void Draw(Random random, float[] scores, int[] tokens, int row)
    {
        int[] order = [.. Enumerable.Range(0, Vocabulary)];
        random.Shuffle(order);
        float score = 0;
        for (int i = 0; i < _candidates; i++)
        {
            score -= random.Next(3) * 0.5f;
            scores[(row * _candidates) + i] = i < Vocabulary ? score : float.MinValue;
            tokens[(row * _candidates) + i] = order[i % Vocabulary];
        }
    }

    private List<int>[] Follow(BeamSentence[] searches, int[] moves, int step, List<int>[] histories)
    {
        List<int>[] next = [.. Enumerable.Range(0, Rows).Select(static _ => new List<int>())];
        foreach (BeamSentence s in searches)
        {
            for (int row = 0; row < s.Live; row++)
                next[s.FirstRow + row] = [.. histories[s.FirstRow + moves[8 * ((step * Rows) + s.FirstRow + row)]]];
        }

        return next;
    }

    private void Check(BeamTables tables, int[] cache, List<int>[] histories)
    {
        foreach (BeamSentence s in tables.Searches)
        {
            for (int row = s.FirstRow; row < s.FirstRow + s.Live; row++)
            {
                Assert.Equal(s.Length, histories[row].Count);
                for (int i = 0; i < s.Length; i++)
                {
                    int found = cache[(tables.Blocks[(row * _columns) + (i / Block)] * Block) + (i % Block)];
                    Assert.True(
                        histories[row][i] == int.MinValue || found == histories[row][i],
                        $"row {row}, position {i}: {found}, expected {histories[row][i]}");
                }
            }
        }
    }

    private static int[] Filled(int count, int value)
    {
        var numbers = new int[count];
        Array.Fill(numbers, value);
        return numbers;
    }

    private static Tensor Vector(IBackend backend, int[] values) => Table(backend, 1, values.Length, values);

    private static Tensor Table(IBackend backend, int rows, int columns, int[] values)
    {
        Tensor table = backend.Rent(new Shape(rows, columns), DType.Int32);
        backend.Write(table, values);
        return table;
    }

    // As a view it lies within a larger table.
    private static Tensor Within(IBackend backend, int rows, int columns, DType type, bool view)
    {
        Tensor whole = backend.Rent(new Shape(rows + 2, columns + (view ? 7 : 0)), type);
        return whole.RowRange(1, rows).ColumnRange(view ? 3 : 0, columns);
    }

    private static int[] Integers(IBackend backend, in Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }
}

/// <summary>All tables that a step changes.</summary>
internal sealed record BeamTables
{
    public required int[] Sentences { get; init; }

    public required int[] Blocks { get; init; }

    public required int[] Moves { get; init; }

    public required int[] Sums { get; init; }

    public required int[] Ids { get; init; }

    public required int[] Positions { get; init; }

    public required int[] Slots { get; init; }

    public required int[] Lengths { get; init; }

    public required int[] Copies { get; init; }

    /// <summary>The sentences.</summary>
    public BeamSentence[] Searches => MemoryMarshal.Cast<int, BeamSentence>(Sentences.AsSpan()).ToArray();

    /// <summary>All numbers.</summary>
    public int[] All => [.. Sentences, .. Blocks, .. Moves, .. Sums, .. Ids, .. Positions, .. Slots, .. Lengths, .. Copies];
}
