// Convolutions, recurrent cells and groups: each operator against its definition, and step by step what one pass is.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    private static readonly int[][] SentenceLengths = [[5], [1, 0, 7, 3], [16, 17, 1], [0], [0, 40]];

    private static readonly int[] SequenceColumns = [1, 3, 16, 17, 64, 129];

    // count, before, dilation: one tap, the one before, to both sides, causal, dilated, only ahead, beyond every sentence.
    private static readonly Taps[] AllTaps =
    [
        new(1, 0), Taps.Previous, Taps.Centered(3), Taps.Causal(4), Taps.Centered(5, 3), Taps.Causal(3, 7), new(2, -1), new(2, 1, 1000),
        new(3, -2, int.MaxValue), new(1, int.MinValue),
    ];

    public static TheoryData<CellKind> Cells => [.. Enum.GetValues<CellKind>()];

    [Fact]
    public void Unfold_agrees_with_its_definition()
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int columns in SequenceColumns)
            {
                int rows = lengths.Sum();
                float[] x = Values(rows * columns, seed: 1);
                foreach (Taps taps in AllTaps)
                {
                    foreach (bool view in new[] { false, true })
                    {
                        AssertAgrees(
                            $"{taps} of {string.Join(", ", lengths)}, {columns} columns", new double[rows * taps.Count * columns],
                            b => b.Unfold(Put(b, rows, columns, x, view), Ragged.Create(b, lengths), taps));
                    }
                }
            }
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Depthwise_convolution_agrees_with_its_definition(bool hasBias)
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int columns in SequenceColumns)
            {
                int rows = lengths.Sum();
                float[] x = Values(rows * columns, seed: 1), bias = hasBias ? Values(columns, seed: 2) : [];
                foreach (Taps taps in AllTaps)
                {
                    float[] filter = Values(taps.Count * columns, seed: 3);
                    double[] bound = DepthwiseBound(x, filter, bias, columns, lengths, taps);
                    foreach (bool view in new[] { false, true })
                    {
                        AssertAgrees($"{taps} of {string.Join(", ", lengths)}, {columns} columns", bound, b => b.DepthwiseConvolution(
                            Put(b, rows, columns, x, view), Put(b, taps.Count, columns, filter, view), PutVector(b, bias, view),
                            Ragged.Create(b, lengths), taps));
                    }
                }
            }
        }
    }

    [Fact]
    public void A_filter_as_long_as_the_sentence_agrees_with_its_definition()
    {
        int[] lengths = [70, 33];
        (int rows, int columns, Taps taps) = (103, 20, Taps.Causal(70));
        float[] x = Values(rows * columns, seed: 1), filter = Values(taps.Count * columns, seed: 3);
        AssertAgrees("70 taps", DepthwiseBound(x, filter, [], columns, lengths, taps), b => b.DepthwiseConvolution(
            Put(b, rows, columns, x), Put(b, taps.Count, columns, filter), Tensor.None, Ragged.Create(b, lengths), taps));
    }

    [Fact]
    public void Positions_are_taken_and_joined()
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int columns in SequenceColumns)
            {
                (int rows, int longest) = (lengths.Sum(), lengths.Max());
                float[] x = Values(rows * columns, seed: 1);
                foreach (int position in new[] { -1, 0, 2, longest, 1000 })
                {
                    AssertAgrees($"position {position}", new double[lengths.Length * columns], b =>
                        b.TakePosition(Put(b, rows, columns, x, view: true), Ragged.Create(b, lengths), position));
                }

                if (longest == 0) continue;
                float[] joined = Run(b =>
                {
                    Ragged batch = Ragged.Create(b, lengths);
                    Tensor table = Put(b, rows, columns, x, view: true);
                    var positions = new Tensor[longest];
                    for (int p = 0; p < longest; p++) positions[p] = b.TakePosition(table, batch, p);
                    return b.JoinPositions(positions, batch);
                });
                AssertSameBits($"{string.Join(", ", lengths)}, {columns} columns", x, joined);
            }
        }
    }

    [Fact]
    public void Positions_may_be_parts_of_tables()
    {
        (int[] lengths, int columns) = ([2, 1], 5);
        float[] first = Values(2 * columns, seed: 1), second = Values(2 * columns, seed: 2);
        float[] joined = Run(b => b.JoinPositions(
            [Put(b, 2, columns, first, view: true), Put(b, 2, columns, second, view: true)], Ragged.Create(b, lengths)));
        AssertSameBits("joined", [.. first[..columns], .. second[..columns], .. first[columns..]], joined);
    }

    [Theory, MemberData(nameof(Cells))]
    public void A_cell_agrees_with_its_definition(CellKind kind)
    {
        foreach ((int rows, int columns) in new[] { (0, 3), (1, 1), (3, 15), (2, 16), (5, 17), (1, 64), (7, 129) })
        {
            foreach (double deviation in new[] { 1.0, 8 })
            {
                var scene = new CellScene(kind, rows, columns, deviation);
                foreach (bool view in new[] { false, true })
                    AssertAgrees($"{kind} [{rows}, {columns}]", scene.Bound(), b => scene.Run(b, view));
            }
        }
    }

    [Fact]
    public void Sentences_are_cut_in_groups()
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int size in new[] { 1, 2, 5, 16, 100 })
            {
                int groups = (lengths.Max() + size - 1) / size;
                var expected = new List<int>();
                for (int s = 0, begin = 0; s < lengths.Length; begin += lengths[s++])
                    for (int group = 0; group < groups; group++) expected.Add(begin + Math.Min(group * size, lengths[s]));
                expected.Add(lengths.Sum());
                foreach (IBackend backend in Both())
                {
                    (int[] offsets, Ragged cut) = InFrame(backend, b =>
                    {
                        Ragged found = b.Cut(Ragged.Create(b, lengths), size);
                        return (Integers(b, found.Offsets), found);
                    });
                    Assert.Equal(expected, offsets);
                    Assert.Equal((expected.Count - 1, lengths.Sum()), (cut.Sentences, cut.Rows));
                    Assert.True(cut.Longest >= offsets.Skip(1).Zip(offsets, static (end, begin) => end - begin).DefaultIfEmpty().Max());
                }
            }
        }
    }

    [Theory, InlineData(3), InlineData(17), InlineData(64)]
    public void What_a_cache_gives_of_the_newest_position_has_the_bits_of_one_pass(int columns)
    {
        int[] lengths = [33, 1, 16, 17, 40], offsets = Offsets(lengths);
        int rows = lengths.Sum();
        float[] x = Values(rows * columns, seed: 1), bias = Values(columns, seed: 2);
        foreach (Taps taps in new[] { Taps.Previous, Taps.Causal(4), Taps.Causal(3, 7), new Taps(1, 0), Taps.Centered(3) })
        {
            float[] filter = Values(taps.Count * columns, seed: 3), unfolded = [], convolved = [];
            int ahead = taps.Before < taps.Count - 1 ? 1 : 0;      // a centred filter sees the sentence only as far as it is there
            if (ahead == 0)
            {
                unfolded = Run(b => b.Unfold(Put(b, rows, columns, x), Ragged.Create(b, lengths), taps));
                convolved = Run(b => b.DepthwiseConvolution(
                    Put(b, rows, columns, x), Put(b, taps.Count, columns, filter), PutVector(b, bias), Ragged.Create(b, lengths), taps));
            }

            const int Blocks = 12;
            int next = Blocks, width = taps.Count * columns;
            KeyValueCache cache = Backend.AllocateCache(Blocks, 0, columns, 1);
            int[][] blocks = [.. lengths.Select(static length => new int[(length + Positions - 1) / Positions])];
            for (int position = 0; position < lengths.Max(); position++)
            {
                int[] live = [.. Enumerable.Range(0, lengths.Length).Where(s => position < lengths[s])];
                if (position % Positions == 0) foreach (int s in live) blocks[s][position / Positions] = --next;
                int[] at = [.. live.Select(s => offsets[s] + position)];
                (float[] seen, float[] sums) = InFrame(Backend, b =>
                {
                    Tensor newest = Put(b, live.Length, columns, Pick(x, columns, at));
                    b.Append(cache, newest.ColumnRange(0, 0), newest, PutVector(b, [.. live.Select(s =>
                        (blocks[s][position / Positions] * Positions) + (position % Positions))]));
                    CacheView view = View(b, [.. live.Select(s => blocks[s][..((position / Positions) + 1)])], position + 1);
                    return (
                        Floats(b, b.CachedUnfold(cache, view, taps)),
                        Floats(b, b.CachedDepthwiseConvolution(cache, view, Put(b, taps.Count, columns, filter), PutVector(b, bias), taps)));
                });
                for (int i = 0; i < live.Length; i++)
                {
                    string what = $"{taps}, sentence {live[i]}, position {position}";
                    if (ahead > 0)
                    {
                        float[] last = Run(b => b.Unfold(
                            Put(b, position + 1, columns, x.AsSpan(offsets[live[i]] * columns, (position + 1) * columns)),
                            Ragged.Create(b, [position + 1]), taps));
                        AssertSameBits(what, last.AsSpan(position * width), seen.AsSpan(i * width, width));
                        continue;
                    }

                    AssertSameBits(what, unfolded.AsSpan(at[i] * width, width), seen.AsSpan(i * width, width));
                    AssertSameBits(what, convolved.AsSpan(at[i] * columns, columns), sums.AsSpan(i * columns, columns));
                }
            }

            Backend.FreeCache(cache);
        }
    }

    [Fact]
    public void A_cache_without_keys_grows_and_copies_its_blocks()
    {
        const int Columns = 6;
        KeyValueCache cache = Backend.AllocateCache(2, 0, Columns, 1);
        float[] x = Values(Positions * Columns, seed: 1);
        float[] before = InFrame(Backend, b =>
        {
            Tensor table = Put(b, Positions, Columns, x);
            b.Append(cache, table.ColumnRange(0, 0), table, PutVector(b, Enumerable.Range(0, Positions).ToArray()));
            return Floats(b, b.CachedUnfold(cache, View(b, [[0]], Positions), Taps.Causal(Positions)));
        });
        AssertSameBits("appended", x, before);
        cache = Backend.GrowCache(cache, 5);
        float[] after = InFrame(Backend, b =>
        {
            b.CopyBlocks(cache, Put(b, 1, 2, [0, 4]));
            return Floats(b, b.CachedUnfold(cache, View(b, [[4]], Positions), Taps.Causal(Positions)));
        });
        AssertSameBits("copied", x, after);
        Backend.FreeCache(cache);
    }

    [Fact]
    public void Sequences_refuse_what_does_not_fit()
    {
        InFrame(Backend, b =>
        {
            Ragged two = Ragged.Create(b, [2]), three = Ragged.Create(b, [3]);
            Tensor x = Put(b, 2, 4, new float[8]), filter = Put(b, 3, 4, new float[12]), wide = Put(b, 2, 16, new float[32]);
            Taps taps = Taps.Centered(3);
            Assert.Throws<ArgumentException>(() => b.Unfold(x, three, taps));
            Assert.Throws<ArgumentException>(() => b.Unfold(x, two, new Taps(0, 0)));
            Assert.Throws<ArgumentException>(() => b.Unfold(x, two, new Taps(1, 0, 0)));
            Assert.Throws<ArgumentException>(() => b.DepthwiseConvolution(x, filter.RowRange(0, 2), Tensor.None, two, taps));
            Assert.Throws<ArgumentException>(() => b.DepthwiseConvolution(x, filter, x, two, taps));
            Assert.Throws<ArgumentException>(() => b.TakePosition(x, two, -2));
            Assert.Throws<ArgumentException>(() => b.JoinPositions([x.RowRange(0, 1)], two));
            Assert.Throws<ArgumentException>(() => b.JoinPositions([x, x], two));
            Assert.Throws<ArgumentException>(() => b.RecurrentCell(wide, wide, x, CellKind.Gru));
            Assert.Throws<ArgumentException>(() => b.RecurrentCell(wide, x, x, CellKind.Lstm));
            Assert.Throws<ArgumentException>(() => b.RecurrentCell(x, x, x, (CellKind)9));
            Assert.Throws<ArgumentException>(() => b.Cut(two, 0));
            return true;
        });
    }

    private IEnumerable<IBackend> Both() => Twin is { } twin ? [Backend, twin] : [Backend];

    private static double[] DepthwiseBound(float[] x, float[] filter, float[] bias, int columns, int[] lengths, Taps taps)
    {
        static double[] Magnitudes(float[] values) => Array.ConvertAll(values, static value => (double)Math.Abs(value));
        int[] seen = SequenceReference.Seen(Offsets(lengths), taps);
        double[] sums = SequenceReference.Depthwise(Magnitudes(x), Magnitudes(filter), Magnitudes(bias), columns, seen);
        return Array.ConvertAll(sums, sum => (ErrorBound.Gamma(taps.Count + 1) * sum) + ErrorBound.Underflow);
    }

    private sealed class CellScene
    {
        private readonly CellKind _kind;
        private readonly int _rows, _columns;
        private readonly float[] _input, _hidden, _state;

        public CellScene(CellKind kind, int rows, int columns, double deviation)
        {
            (_kind, _rows, _columns) = (kind, rows, columns);
            _input = Values(rows * columns * kind.Gates(), seed: 1, deviation);
            _hidden = Values(rows * columns * kind.Gates(), seed: 2, deviation);
            _state = Values(rows * columns * kind.States(), seed: 3);
        }

        public Tensor Run(IBackend b, bool view) => b.RecurrentCell(
            Put(b, _rows, _columns * _kind.Gates(), _input, view), Put(b, _rows, _columns * _kind.Gates(), _hidden, view),
            Put(b, _rows, _columns * _kind.States(), _state, view), _kind);

        public double[] Bound()
        {
            var bound = new double[_state.Length];
            for (int row = 0; row < _rows; row++)
            {
                for (int column = 0; column < _columns; column++)
                {
                    Rounded[] next = SequenceReference.Cell<Rounded>(
                        _kind, Column(_input, row, column, _kind.Gates()), Column(_hidden, row, column, _kind.Gates()),
                        Column(_state, row, column, _kind.States()));
                    for (int part = 0; part < next.Length; part++)
                        bound[(((row * next.Length) + part) * _columns) + column] = next[part].Error;
                }
            }

            return bound;
        }

        private Rounded[] Column(float[] table, int row, int column, int parts) =>
            [.. Enumerable.Range(0, parts).Select(part => new Rounded(table[(((row * parts) + part) * _columns) + column], 0))];
    }
}
