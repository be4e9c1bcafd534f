// Shortlists: some outputs of a weight, some columns of the logits. Numbers are only moved, so bits are equal.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    [Theory, MemberData(nameof(WeightTypes))]
    public void Selected_outputs_are_those_of_the_whole_weight(DType type, ActivationRounding rounding)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (1, 64, 100), (2, 17, 33), (5, 5, 16), (13, 48, 1), (70, 31, 95) })
        {
            HostMatrix matrix = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed: 1, 0.1));
            float[] x = Values(rows * inputs, seed: 2);
            var random = new Random(outputs);
            int[][] selections =
            [
                [], [outputs - 1], [.. Enumerable.Range(0, outputs)],
                [.. Enumerable.Range(0, 40).Select(_ => random.Next(outputs))],
                [.. Enumerable.Range(0, outputs).Where(output => output % 3 == 1)],
            ];
            using Weight whole = Backend.Pack([matrix.Tensor], rounding);
            float[] expected = Run(b => b.Linear(Put(b, rows, inputs, x, view: false), new LinearWeights(whole, Tensor.None)));
            foreach (int[] selection in selections)
            {
                using Weight some = Backend.SelectOutputs(whole, selection);
                Assert.Equal((selection.Length, inputs, type), (some.Outputs, some.Inputs, some.Type));
                float[] found = Run(b => b.Linear(Put(b, rows, inputs, x, view: true), new LinearWeights(some, Tensor.None)));
                float[] picked =
                    [.. Enumerable.Range(0, rows).SelectMany(row => selection.Select(output => expected[(row * outputs) + output]))];
                if (IsBatchInvariant)
                {
                    AssertSameBits("selected outputs", picked, found);
                    continue;
                }

                // Another shape may be summed in another order: each within twice what one order may be off.
                double[] bound =
                [
                    .. Enumerable.Range(0, rows).SelectMany(row => selection.Select(output =>
                        2 * inputs * ErrorBound.UnitRoundoff * Enumerable.Range(0, inputs).Sum(
                            k => Math.Abs(1.01 * x[(row * inputs) + k] * matrix.Values[(output * inputs) + k]))))
                ];
                AssertWithin("selected outputs", Widen(picked), found, bound, Math.Max(selection.Length, 1));
            }
        }
    }

    [Fact]
    public void A_selection_outlives_its_weight()
    {
        HostMatrix matrix = HostMatrix.Create(DType.Float32, 3, 2, [1, 2, 3, 4, 5, 6]);
        Weight whole = Backend.Pack([matrix.Tensor]);
        using Weight some = Backend.SelectOutputs(whole, [2, 0]);
        whole.Dispose();
        Assert.Equal([11f, 3f], Run(b => b.Linear(Put(b, 1, 2, [1f, 1f], view: false), new LinearWeights(some, Tensor.None))));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void An_output_that_is_not_there_cannot_be_selected(int output)
    {
        HostMatrix matrix = HostMatrix.Create(DType.Float32, 3, 2, [1, 2, 3, 4, 5, 6]);
        using Weight whole = Backend.Pack([matrix.Tensor]);
        Assert.Throws<ArgumentException>(() => Backend.SelectOutputs(whole, [0, output]));
        if (!SeesValues) return;
        Assert.Throws<ArgumentException>(() => Run(b =>
        {
            Tensor columns = b.Rent(new Shape(1, 1), DType.Int32);
            b.Write(columns, [output]);
            return b.SelectColumns(Put(b, 1, 3, [1f, 2f, 3f], view: false), columns);
        }));
    }

    [Fact]
    public void Columns_are_selected_row_by_row()
    {
        foreach ((int rows, int width, int count) in new[] { (0, 5, 3), (1, 1, 1), (4, 100, 0), (7, 1021, 333), (3, 20, 50) })
        {
            float[] x = Values(rows * width, seed: 3);
            var random = new Random(count);
            int[] columns = [.. Enumerable.Range(0, count).Select(_ => random.Next(width))];
            foreach (bool view in new[] { false, true })
            {
                float[] found = Run(b =>
                {
                    Tensor ids = b.Rent(new Shape(1, count), DType.Int32);
                    b.Write(ids, columns);
                    return b.SelectColumns(Put(b, rows, width, x, view), ids);
                });
                Assert.Equal(Enumerable.Range(0, rows).SelectMany(row => columns.Select(c => x[(row * width) + c])), found);
            }
        }
    }
}
