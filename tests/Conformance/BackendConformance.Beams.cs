// Steps of a beam search in a backend's memory: by its rules, and so that each hypothesis finds its own history in the cache.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    private const int EndToken = 0, OtherEnd = 3;

    /// <summary>Every table after every step, for searches of all sizes side by side, with ties, ends and last positions.</summary>
    [Fact]
    public void AdvanceBeams_follows_its_rules()
    {
        (int Beams, int Live, int Length, int MaxLength)[][] batches =
        [
            [(1, 1, 0, 40)],
            [(4, 1, 0, 40), (4, 4, 14, 40), (1, 1, 15, 17), (5, 3, 16, 40), (2, 2, 30, 32), (0, 0, 0, 0), (7, 7, 9, 40)],
            [(32, 1, 0, 40), (32, 32, 12, 40)],
            [.. Enumerable.Range(0, 40).Select(static i => ((i % 4) + 1, (i % 4) + 1, i % 20, 20 + (i % 7)))],
        ];
        foreach ((int Beams, int Live, int Length, int MaxLength)[] batch in batches)
        {
            for (int seed = 0; seed < 4; seed++)
            {
                foreach (int steps in new[] { 1, 4, 16 })
                {
                    var search = new BeamCase(batch, steps, seed);
                    List<int[]> expected = search.Run(Reference, view: false, out _), found = search.Run(Backend, view: true, out int live);
                    for (int i = 0; i < expected.Count; i++) Assert.Equal(expected[i], found[i]);
                    if (batch.Length > 1) Assert.NotEqual(0, live);
                    if (Twin is { } twin) Assert.Equal(found, search.Run(twin, view: false, out _));
                }
            }
        }
    }

    /// <summary>Where no blocks are spare, the next keys and values of who needs one go nowhere.</summary>
    [Fact]
    public void AdvanceBeams_gives_no_block_that_there_is_not()
    {
        var search = new BeamCase([(4, 4, 10, 40), (4, 4, 15, 40), (1, 1, 15, 40)], steps: 2, seed: 5, columnsOfSpare: 0);
        Assert.Equal(search.Run(Reference, view: false, out _), search.Run(Backend, view: false, out _));
        Assert.True(search.FirstSlots.Any(static slot => slot < 0), "each row has a block");
    }

    [Fact]
    public void AdvanceBeams_refuses_other_shapes() => InFrame(Backend, b =>
    {
        var search = new BeamCase([(2, 2, 3, 20)], steps: 2, seed: 1);
        Tensor scores = Put(b, search.Rows, 4, new float[search.Rows * 4]), tokens = Put(b, search.Rows, 4, new int[search.Rows * 4]);
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores.ColumnRange(0, 3), tokens, search.Put(b)));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(tokens, scores, search.Put(b)));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores.RowRange(0, 1), tokens.RowRange(0, 1), search.Put(b)));
        BeamState good = search.Put(b);
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores, tokens, With(search.Put(b), spare: Put(b, search.Rows, 3, new int[search.Rows * 3]))));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores, tokens, With(search.Put(b), spare: search.Put(b).Spare.RowRange(0, 1))));
        b.AdvanceBeams(scores, tokens, good);
        return true;
    });

    /// <summary>A sentence that the tables have no room for: refused where it is seen, passed over where it is not.</summary>
    [Fact]
    public void AdvanceBeams_touches_nothing_of_a_sentence_that_is_not_there()
    {
        (int Beams, int Live, int Length, int MaxLength, int First, int Candidates, int Taken)[] wrong =
        [
            (33, 1, 3, 20, 0, 2, 0), (2, 3, 3, 20, 0, 4, 0), (2, 2, 3, 20, -1, 4, 0), (2, 2, 3, 20, 42, 4, 0), (2, 2, 3, 20, 0, 5, 0),
            (2, 2, 3, 20, 0, 0, 0), (2, 2, 20, 20, 0, 4, 0), (2, 2, -1, 20, 0, 4, 0), (2, 2, 3, 20, 0, 4, 2), (2, 2, 3, 20, 0, 4, -1),
            (2, -1, 3, 20, 0, 4, 0), (0, 1, 3, 20, 0, 4, 0), (2, 2, 3, 20, int.MaxValue, 4, 0), (2, 2, 3, 20, 0, 4, int.MaxValue),
        ];
        foreach (var (beams, live, length, maxLength, first, candidates, taken) in wrong)
        {
            var search = new BeamCase([(40, 4, 3, 20)], steps: 2, seed: 1);
            ref BeamSentence sentence = ref search.Sentence(0);
            (sentence.Beams, sentence.Live, sentence.Length, sentence.MaxLength) = (beams, live, length, maxLength);
            (sentence.FirstRow, sentence.Candidates, sentence.Taken) = (first, candidates, taken);
            InFrame(Backend, b =>
            {
                Tensor scores = Put(b, search.Rows, 8, new float[search.Rows * 8]), tokens = Put(b, search.Rows, 8, new int[search.Rows * 8]);
                BeamState state = search.Put(b);
                int[] before = Integers(b, state.Blocks), ids = Integers(b, state.Ids);
                bool isRefused = false;
                try
                {
                    b.AdvanceBeams(scores, tokens, state);
                }
                catch (ArgumentException)
                {
                    isRefused = true;
                }

                Assert.Equal(SeesValues, isRefused);
                Assert.Equal(before, Integers(b, state.Blocks));
                Assert.Equal(ids, Integers(b, state.Ids));
                return true;
            });
        }
    }

    private static BeamState With(in BeamState state, Tensor spare) => new()
    {
        Sentences = state.Sentences, Ends = state.Ends, Sums = state.Sums, Ids = state.Ids, Positions = state.Positions,
        Slots = state.Slots, Lengths = state.Lengths, Blocks = state.Blocks, Copies = state.Copies, Spare = spare, Moves = state.Moves,
    };

    // A batch of searches, and a cache in which a position holds nothing but the token that was put there.
    private sealed class BeamCase
    {
        private const int Block = KeyValueCache.BlockPositions, Vocabulary = 70, RowsThatNobodyReads = 3;

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

        public int[] FirstSlots { get; private set; } = [];

        public ref BeamSentence Sentence(int number) => ref MemoryMarshal.Cast<int, BeamSentence>(_sentences.AsSpan())[number];

        public BeamState Put(IBackend b) => new()
        {
            Sentences = ConformanceHarness.Put(b, _sentences.Length / BeamSentence.Columns, BeamSentence.Columns, _sentences),
            Ends = ConformanceHarness.Put(b, _ends.Length / 2, 2, _ends),
            Sums = PutVector(b, _sums),
            Ids = PutVector(b, _ids),
            Positions = PutVector(b, _positions),
            Slots = PutVector(b, _slots),
            Lengths = PutVector(b, _lengths),
            Blocks = ConformanceHarness.Put(b, Rows, _columns, _blocks),
            Copies = ConformanceHarness.Put(b, Rows, 2, _copies),
            Spare = ConformanceHarness.Put(b, Rows, _spare.Length / Rows, _spare),
            Moves = ConformanceHarness.Put(b, _steps * Rows, 8, _moves),
        };

        // Takes all steps; gives all tables after each, and how many hypotheses live at the end.
        public List<int[]> Run(IBackend backend, bool view, out int live)
        {
            var random = new Random(_seed);
            var cache = new int[_blockCount * Block];
            List<int>[] histories = [.. _histories.Select(static history => new List<int>(history))];
            for (int row = 0; row < Rows; row++)
            {
                for (int i = 0; i < histories[row].Count; i++)
                    cache[(_blocks[(row * _columns) + (i / Block)] * Block) + (i % Block)] = histories[row][i];
            }

            var results = new List<int[]>();
            live = InFrame(backend, b =>
            {
                BeamState state = Put(b);
                for (int step = 0; step < _steps; step++)
                {
                    CopyBlocks(Integers(b, state.Copies), cache);
                    CheckHistories(Integers(b, state.Sentences), Integers(b, state.Blocks), cache, histories);
                    TakePositions(Integers(b, state.Slots), Integers(b, state.Ids), cache, histories);
                    var scores = new float[Rows * _candidates];
                    var tokens = new int[Rows * _candidates];
                    for (int row = 0; row < Rows; row++) Draw(random, scores, tokens, row);
                    b.AdvanceBeams(
                        ConformanceHarness.Put(b, Rows, _candidates, scores, view), ConformanceHarness.Put(b, Rows, _candidates, tokens, view), state);
                    int[] sentences = Integers(b, state.Sentences), blocks = Integers(b, state.Blocks), moves = Integers(b, state.Moves);
                    histories = Follow(sentences, moves, step, histories);
                    results.AddRange([
                        sentences, blocks, moves, Integers(b, state.Sums), Integers(b, state.Ids), Integers(b, state.Positions),
                        Integers(b, state.Slots), Integers(b, state.Lengths), Integers(b, state.Copies)]);
                    if (step == 0) FirstSlots = Integers(b, state.Slots);
                }

                CheckHistories(Integers(b, state.Sentences), Integers(b, state.Blocks), cache, histories);
                return MemoryMarshal.Cast<int, BeamSentence>(Integers(b, state.Sentences).AsSpan()).ToArray().Sum(static s => s.Live);
            });
            return results;
        }

        // What a step of a decoder does: blocks are copied, then each row writes.
        private static void CopyBlocks(int[] copies, int[] cache)
        {
            int[] from = [.. copies.Where(static (block, i) => i % 2 == 0 && block >= 0)], to = [.. copies.Where(static (block, i) => i % 2 == 1 && block >= 0)];
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

        private List<int>[] Follow(int[] sentences, int[] moves, int step, List<int>[] histories)
        {
            List<int>[] next = [.. Enumerable.Range(0, Rows).Select(static _ => new List<int>())];
            foreach (BeamSentence s in MemoryMarshal.Cast<int, BeamSentence>(sentences.AsSpan()).ToArray())
            {
                for (int row = 0; row < s.Live; row++)
                    next[s.FirstRow + row] = [.. histories[s.FirstRow + moves[8 * ((step * Rows) + s.FirstRow + row)]]];
            }

            return next;
        }

        private void CheckHistories(int[] sentences, int[] blocks, int[] cache, List<int>[] histories)
        {
            foreach (BeamSentence s in MemoryMarshal.Cast<int, BeamSentence>(sentences.AsSpan()).ToArray())
            {
                for (int row = s.FirstRow; row < s.FirstRow + s.Live; row++)
                {
                    Assert.Equal(s.Length, histories[row].Count);
                    for (int i = 0; i < s.Length; i++)
                    {
                        int found = cache[(blocks[(row * _columns) + (i / Block)] * Block) + (i % Block)];
                        Assert.True(histories[row][i] == int.MinValue || found == histories[row][i], $"row {row}, position {i}: {found}, expected {histories[row][i]}");
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
    }
}
