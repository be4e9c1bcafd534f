// Tensors of a frame from arrays, contiguous or as columns of a wider tensor, and back.
using Engine.Cpu;
using Engine.Tensors;

namespace Cpu.Tests.Rows;

internal static class Tensors
{
    public static Tensor Floats(CpuBackend backend, float[] values, int rows, int columns, int gap = 0)
    {
        int width = columns + (2 * gap);
        Tensor wide = backend.Rent(new Shape(rows, width), DType.Float32);
        var filled = new float[rows * width];
        Array.Fill(filled, float.NaN);
        backend.Write(wide, filled);
        Tensor tensor = wide.ColumnRange(gap, columns);
        backend.Write(tensor, values);
        return tensor;
    }

    public static Tensor Integers(CpuBackend backend, int[] values, int rows, int columns)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    public static float[] Read(CpuBackend backend, Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    public static int[] ReadIntegers(CpuBackend backend, Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    /// <summary>Numbers like activations and logits: normal, mean 0.5, deviation 3.</summary>
    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(0.5 + (3 * radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        return values;
    }

    public static float[] Row(float[] values, int row, int columns) => values[(row * columns)..((row + 1) * columns)];
}
