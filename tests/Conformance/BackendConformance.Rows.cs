// Operators that take a row at a time: norms, sums, products.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    private static readonly (int Rows, int Columns)[] RowShapes =
    [
        (0, 16), (1, 1), (1, 2), (3, 15), (2, 16), (5, 17), (1, 31), (4, 32), (7, 33), (1, 63), (2, 64), (3, 65),
        (5, 127),
        (1, 512), (17, 512), (2, 1021), (33, 80), (66, 48),
    ];

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public void Norm_agrees_with_its_definition(bool isRms, bool hasBias)
    {
        foreach ((int rows, int columns) in RowShapes)
        {
            // Rows of usual size, of a mean far from zero, and, one in three, of equal numbers.
            foreach (float mean in new[] { 0f, 50f })
            {
                float[] x = Values(rows * columns, seed: 1);
                for (int i = 0; i < x.Length; i++) x[i] = i / columns % 3 == 2 ? mean : x[i] + mean;
                CheckNorm(x, rows, columns, isRms, hasBias, 1e-5f);
            }

            CheckNorm(new float[rows * columns], rows, columns, isRms, hasBias, 1e-6f);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AddNorm_is_Add_and_Norm_bit_for_bit(bool isRms)
    {
        foreach ((int rows, int columns) in RowShapes)
        {
            foreach (bool view in new[] { false, true })
            {
                float[] x = Values(rows * columns, seed: 2), residual = Values(rows * columns, seed: 3);
                string what = $"[{rows}, {columns}]{(view ? ", views" : "")}";
                InFrame(Backend, b =>
                {
                    (Tensor left, Tensor right) =
                        (Put(b, rows, columns, x, view), Put(b, rows, columns, residual, view));
                    var weights = new NormWeights(
                        PutVector(b, Values(columns, seed: 4), view),
                        isRms ? Tensor.None : PutVector(b, Values(columns, seed: 5), view), 1e-5f, isRms);
                    float[] sum = Floats(b, b.Add(left, right));
                    float[] y = Floats(b, b.Norm(b.Add(left, right), weights));
                    AssertSameBits($"{what}, y", y, Floats(b, b.AddNorm(left, right, weights)));
                    AssertSameBits($"{what}, y with sum", y,
                        Floats(b, b.AddNorm(left, right, weights, out Tensor found)));
                    AssertSameBits($"{what}, sum", sum, Floats(b, found));
                    AssertSameBits($"{what}, x as it was", x, Floats(b, left));
                    AssertSameBits($"{what}, residual as it was", residual, Floats(b, right));
                    Tensor both = left;
                    AssertSameBits($"{what}, y where x becomes the sum", y,
                        Floats(b, b.AddNorm(both, right, weights, out both)));
                    AssertSameBits($"{what}, sum where x was", sum, Floats(b, both));
                    return true;
                });
            }
        }
    }

    [Fact]
    public void Add_and_Multiply_round_once()
    {
        foreach ((int rows, int columns) in RowShapes)
        {
            foreach (bool view in new[] { false, true })
            {
                float[] x = Values(rows * columns, seed: 6), y = Values(rows * columns, seed: 7, 100);
                string what = $"[{rows}, {columns}]{(view ? ", views" : "")}";
                AssertSameBits(
                    $"{what}, sum", [.. x.Zip(y, static (left, right) => left + right)],
                    Run(b => b.Add(Put(b, rows, columns, x, view), Put(b, rows, columns, y, view))));
                AssertSameBits(
                    $"{what}, product", [.. x.Zip(y, static (left, right) => left * right)],
                    Run(b => b.Multiply(Put(b, rows, columns, x, view), Put(b, rows, columns, y, view))));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Norm_gives_a_row_the_same_bits_in_every_batch(bool isRms)
    {
        if (!IsBatchInvariant) return;
        foreach ((int rows, int columns) in new[] { (37, 33), (70, 512) })
        {
            float[] x = Values(rows * columns, seed: 8);
            InFrame(Backend, b =>
            {
                Tensor all = Put(b, rows, columns, x);
                var weights = new NormWeights(PutVector(b, Values(columns, seed: 9)), Tensor.None, 1e-5f, isRms);
                float[] together = Floats(b, b.Norm(all, weights));
                for (int row = 0; row < rows; row++)
                {
                    AssertSameBits(
                        $"row {row} of {columns}", together.AsSpan(row * columns, columns),
                        Floats(b, b.Norm(all.RowRange(row, 1), weights)));
                }

                return true;
            });
        }
    }

    private void CheckNorm(float[] x, int rows, int columns, bool isRms, bool hasBias, float epsilon)
    {
        (float[] gain, float[] bias) = (Values(columns, seed: 10), hasBias ? Values(columns, seed: 11) : []);
        var bound = new double[x.Length];
        for (int row = 0; row < rows; row++)
        {
            double[] values = Widen(x.AsSpan(row * columns, columns));
            (isRms
                ? OperatorBound.RmsNorm(values, Widen(gain), Widen(bias), epsilon)
                : OperatorBound.LayerNorm(values, Widen(gain), Widen(bias), epsilon)).CopyTo(bound, row * columns);
        }

        foreach (bool view in new[] { false, true })
        {
            AssertAgrees($"[{rows}, {columns}]{(view ? ", views" : "")}", bound, b => b.Norm(
                Put(b, rows, columns, x, view),
                new NormWeights(PutVector(b, gain, view), PutVector(b, bias, view), epsilon, isRms)));
        }
    }
}
