// The row-wise operators as a table, so that what holds for all of them (bits, strides, memory) is tested for each.
using Engine.Backends;
using Engine.Cpu;
using Engine.Tensors;

namespace Cpu.Tests.Rows;

/// <summary>An operator with its arguments in the frame: x and r [rows, columns], gain and bias [1, columns].</summary>
internal delegate void RowOperator(CpuBackend backend, in RowArguments arguments, ref RowResults results);

internal readonly record struct RowArguments(Tensor X, Tensor R, Tensor Gain, Tensor Bias, Tensor Tokens, Tensor Draws);

internal record struct RowResults(Tensor First, Tensor Second);

internal static class RowOperators
{
    public static Dictionary<string, RowOperator> All { get; } = new()
    {
        ["Norm"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
            y.First = b.Norm(a.X, new NormWeights(a.Gain, a.Bias, 1e-5f)),
        ["Norm without bias"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
            y.First = b.Norm(a.X, new NormWeights(a.Gain, Tensor.None, 1e-5f)),
        ["RmsNorm"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
            y.First = b.Norm(a.X, new NormWeights(a.Gain, Tensor.None, 1e-6f, IsRms: true)),
        ["AddNorm"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
            y.First = b.AddNorm(a.X, a.R, new NormWeights(a.Gain, a.Bias, 1e-5f)),
        ["AddNorm with sum"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
        {
            y.First = b.AddNorm(a.X, a.R, new NormWeights(a.Gain, a.Bias, 1e-5f), out Tensor sum);
            y.Second = sum;
        },
        ["Add"] = static (CpuBackend b, in RowArguments a, ref RowResults y) => y.First = b.Add(a.X, a.R),
        ["Multiply"] = static (CpuBackend b, in RowArguments a, ref RowResults y) => y.First = b.Multiply(a.X, a.R),
        ["LogSoftmax"] = static (CpuBackend b, in RowArguments a, ref RowResults y) => y.First = b.LogSoftmax(a.X),
        ["TopK"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
        {
            y.First = b.TopK(a.X, Math.Min(a.X.Columns, 5), out Tensor tokens);
            y.Second = tokens;
        },
        ["LogProbability"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
            y.First = b.LogProbability(a.X, a.Tokens),
        ["Sample"] = static (CpuBackend b, in RowArguments a, ref RowResults y) =>
        {
            y.First = b.Sample(a.X, a.Draws, 0.9f, out Tensor tokens);
            y.Second = tokens;
        },
    };

    public static IEnumerable<string> Names => All.Keys;

    /// <summary>Runs an operator in a frame of its own and returns the bits of its results.</summary>
    /// <param name="backend">Where.</param>
    /// <param name="name">Which.</param>
    /// <param name="x">[rows, columns].</param>
    /// <param name="r">[rows, columns].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="gap">Columns of a wider tensor on each side of x, r; they hold NaN.</param>
    public static int[] Run(CpuBackend backend, string name, float[] x, float[] r, int rows, int columns, int gap = 0)
    {
        (int[] first, int[] second) = RunBoth(backend, name, x, r, rows, columns, gap);
        return [.. first, .. second];
    }

    /// <summary>The same, the results apart.</summary>
    public static (int[] First, int[] Second) RunBoth(
        CpuBackend backend, string name, float[] x, float[] r, int rows, int columns, int gap = 0)
    {
        backend.BeginFrame();
        RowArguments arguments = Arguments(backend, x, r, rows, columns, gap);
        RowResults results = default;
        All[name](backend, arguments, ref results);
        (int[], int[]) bits = (Bits(backend, results.First), Bits(backend, results.Second));
        backend.EndFrame();
        return bits;
    }

    public static RowArguments Arguments(CpuBackend backend, float[] x, float[] r, int rows, int columns, int gap)
    {
        var tokens = new int[rows];
        for (int row = 0; row < rows; row++) tokens[row] = columns == 0 ? 0 : (int)Math.Abs((long)(x[row * columns] * 1000)) % columns;
        var draws = new int[rows * TokenDraw.Columns];
        for (int row = 0; row < rows; row++) new TokenDraw(7, tokens[row], 3).CopyTo(draws.AsSpan(row * TokenDraw.Columns));
        return new RowArguments(
            Tensors.Floats(backend, x, rows, columns, gap), Tensors.Floats(backend, r, rows, columns, gap),
            Tensors.Floats(backend, Tensors.Random(columns, 11), 1, columns),
            Tensors.Floats(backend, Tensors.Random(columns, 12), 1, columns), Tensors.Integers(backend, tokens, 1, rows),
            Tensors.Integers(backend, draws, rows, TokenDraw.Columns));
    }

    public static int[] Bits(CpuBackend backend, Tensor tensor)
    {
        if (tensor.IsNone) return [];
        var bits = new int[tensor.Shape.Count];
        if (tensor.Type == DType.Int32)
        {
            backend.Read(tensor, bits);
            return bits;
        }

        return Array.ConvertAll(Tensors.Read(backend, tensor), BitConverter.SingleToInt32Bits);
    }
}
