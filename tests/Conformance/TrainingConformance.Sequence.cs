// Gradients of convolutions and recurrent cells against their definitions.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class TrainingConformance
{
    private static readonly int[][] SentenceLengths = [[5], [1, 0, 7, 3], [16, 17, 1], [0]];

    private static readonly int[] SequenceColumns = [1, 3, 16, 65];

    private static readonly Taps[] AllTaps =
        [new(1, 0), Taps.Previous, Taps.Centered(3), Taps.Causal(4), Taps.Centered(5, 3), new(2, -1), new(2, 1, 1000)];

    public static TheoryData<CellKind> Cells => [.. Enum.GetValues<CellKind>()];

    [Fact]
    public void UnfoldBackward_agrees_with_its_definition()
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int columns in SequenceColumns)
            {
                foreach (Taps taps in AllTaps)
                {
                    (int rows, int width) = (lengths.Sum(), taps.Count * columns);
                    float[] dy = Values(rows * width, seed: 1);
                    double[] sums = SequenceReference.Fold(Magnitudes(dy), rows, columns, SequenceReference.Seen(Offsets(lengths), taps));
                    double[] bound = GradientBound.Sum(sums, Zeros(sums.Length), taps.Count);
                    foreach (bool view in new[] { false, true })
                    {
                        AssertAllAgree($"{taps} of {string.Join(", ", lengths)}, {columns} columns", [bound], b =>
                            [b.UnfoldBackward(Put(b, rows, width, dy, view), Ragged.Create(b, lengths), taps)]);
                    }
                }
            }
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void DepthwiseConvolutionBackward_agrees_with_its_definition(bool hasBias)
    {
        foreach (int[] lengths in SentenceLengths)
            foreach (int columns in SequenceColumns)
                foreach (Taps taps in AllTaps) CheckDepthwise(lengths, columns, taps, hasBias);
    }

    [Fact]
    public void TakePositionBackward_adds_to_the_rows_that_were_taken()
    {
        foreach (int[] lengths in SentenceLengths)
        {
            foreach (int columns in SequenceColumns)
            {
                int rows = lengths.Sum();
                float[] dy = Values(lengths.Length * columns, seed: 1), start = Values(rows * columns, seed: 2);
                foreach (int position in new[] { -1, 0, 2, 40 })
                {
                    foreach (bool view in new[] { false, true })
                    {
                        AssertAllAgree($"position {position}", [Zeros(start.Length)], b =>
                        {
                            Tensor gradient = Into(b, rows, columns, start, view);
                            b.TakePositionBackward(
                                Put(b, lengths.Length, columns, dy, view), Ragged.Create(b, lengths), position, gradient);
                            return [gradient];
                        });
                    }
                }
            }
        }
    }

    [Theory, MemberData(nameof(Cells))]
    public void RecurrentCellBackward_agrees_with_its_definition(CellKind kind)
    {
        (int gates, int states) = (kind.Gates(), kind.States());
        foreach ((int rows, int columns) in new[] { (0, 3), (1, 1), (3, 15), (2, 16), (5, 17), (7, 129) })
        {
            foreach (double deviation in new[] { 1.0, 8 })
            {
                float[] input = Values(rows * columns * gates, seed: 1, deviation), hidden = Values(rows * columns * gates, seed: 2, deviation);
                float[] state = Values(rows * columns * states, seed: 3), dy = Values(rows * columns * states, seed: 4);
                double[] ofInput = Zeros(input.Length), ofHidden = Zeros(input.Length), ofState = Zeros(state.Length);
                for (int row = 0; row < rows; row++)
                {
                    for (int column = 0; column < columns; column++)
                    {
                        Rounded[] Column(float[] table, int parts) => [.. Enumerable.Range(0, parts)
                            .Select(part => new Rounded(table[(((row * parts) + part) * columns) + column], 0))];
                        void Spread(Rounded[] parts, double[] table)
                        {
                            for (int part = 0; part < parts.Length; part++)
                                table[(((row * parts.Length) + part) * columns) + column] = parts[part].Error;
                        }

                        var (a, b, s) = SequenceReference.CellGradients<Rounded>(
                            kind, Column(input, gates), Column(hidden, gates), Column(state, states), Column(dy, states));
                        Spread(a, ofInput);
                        Spread(b, ofHidden);
                        Spread(s, ofState);
                    }
                }

                foreach (bool view in new[] { false, true })
                {
                    AssertAllAgree($"{kind} [{rows}, {columns}]", [ofInput, ofHidden, ofState], b =>
                    {
                        Tensor dInput = b.RecurrentCellBackward(
                            Put(b, rows, columns * gates, input, view), Put(b, rows, columns * gates, hidden, view),
                            Put(b, rows, columns * states, state, view), Put(b, rows, columns * states, dy, view), kind,
                            out Tensor dHidden, out Tensor dState);
                        return [dInput, dHidden, dState];
                    });
                }
            }
        }
    }

    [Theory, MemberData(nameof(Cells))]
    public void One_variable_may_be_an_argument_and_a_result(CellKind kind)
    {
        (int gates, int states) = (3 * kind.Gates(), 3 * kind.States());
        float[] input = Values(2 * gates, seed: 1), hidden = Values(2 * gates, seed: 2), state = Values(2 * states, seed: 3);
        AssertSameBits($"{kind}", Gradients(isShared: false), Gradients(isShared: true));

        float[] Gradients(bool isShared) => InFrame(Subject, _ =>
        {
            Tensor a = Put(Subject, 2, gates, input), b = Put(Subject, 2, gates, hidden), s = Put(Subject, 2, states, state), dy = s, ofInput;
            if (isShared) ofInput = Subject.RecurrentCellBackward(a, b, s, dy, kind, out b, out s);
            else
            {
                ofInput = Subject.RecurrentCellBackward(a, b, s, dy, kind, out Tensor ofHidden, out Tensor ofState);
                (b, s) = (ofHidden, ofState);
            }

            return (float[])[.. Floats(Subject, ofInput), .. Floats(Subject, b), .. Floats(Subject, s)];
        });
    }

    [Fact]
    public void Accumulate_rounds_once()
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            float[] start = Values(rows * columns, seed: 1), x = Values(rows * columns, seed: 2);
            foreach (bool view in new[] { false, true })
            {
                AssertAllAgree($"[{rows}, {columns}]", [Zeros(start.Length)], b =>
                {
                    Tensor sum = Into(b, rows, columns, start, view);
                    b.Accumulate(sum, Put(b, rows, columns, x, view));
                    return [sum];
                });
            }
        }
    }

    private void CheckDepthwise(int[] lengths, int columns, Taps taps, bool hasBias)
    {
        int rows = lengths.Sum();
        float[] x = Values(rows * columns, seed: 1), filter = Values(taps.Count * columns, seed: 2), dy = Values(rows * columns, seed: 3);
        float[] startFilter = Values(filter.Length, seed: 4), startBias = Values(columns, seed: 5);
        var (ofX, ofFilter) = SequenceReference.DepthwiseGradients(
            Magnitudes(x), Magnitudes(filter), Magnitudes(dy), columns, SequenceReference.Seen(Offsets(lengths), taps));
        double[] boundOfX = GradientBound.Sum(ofX, Zeros(ofX.Length), taps.Count);
        double[] boundOfFilter = GradientBound.Sum(ofFilter, Widen(startFilter), rows);
        double[] boundOfBias = GradientBound.Sum(LinearGradientReference.Bias(Magnitudes(dy), columns), Widen(startBias), rows);
        foreach (bool view in new[] { false, true })
        {
            AssertAllAgree(
                $"{taps} of {string.Join(", ", lengths)}, {columns} columns",
                hasBias ? [boundOfX, boundOfFilter, boundOfBias] : [boundOfX, boundOfFilter], b =>
            {
                Tensor filters = Into(b, taps.Count, columns, startFilter, view);
                Tensor biases = hasBias ? Into(b, 1, columns, startBias, view) : Tensor.None;
                Tensor dx = b.DepthwiseConvolutionBackward(
                    Put(b, rows, columns, x, view), Put(b, taps.Count, columns, filter, view), Put(b, rows, columns, dy, view),
                    Ragged.Create(b, lengths), taps, filters, biases);
                return hasBias ? [dx, filters, biases] : [dx, filters];
            });
        }
    }
}
