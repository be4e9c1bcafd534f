// How fast single operators are on the device: the mean of many calls in a row, beside the bytes or operations that they need.
using System.Diagnostics;
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck;

internal static class OperatorSpeed
{
    private const int Calls = 50;

    public static void Run(CudaInfo info)
    {
        foreach (bool own in new[] { false, true })
        {
            using var backend = new CudaBackend(info, 0, own);
            foreach ((int rows, int inputs, int outputs) in new[] { (1, 512, 512), (64, 512, 2048), (1536, 512, 2048), (4096, 2048, 2048), (64, 512, 32000) })
            {
                using Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(outputs, inputs), Values(outputs * inputs))]);
                double seconds = Time(backend, b =>
                {
                    Tensor x = Put(b, rows, inputs);
                    return () => b.Linear(x, new LinearWeights(weight, Tensor.None));
                });
                Console.WriteLine($"{(own ? "own" : "cuBLAS")} f32 [{rows}, {inputs}] × [{outputs}, {inputs}]: "
                    + $"{seconds * 1e6:F1} µs, {2e-12 * rows * inputs * outputs / seconds:F2} TFLOP/s");
            }
        }

        using var device = new CudaBackend(info, 0);
        foreach ((int rows, int columns) in new[] { (64, 512), (16384, 1024) })
        {
            Tensor gain = device.Allocate(new Shape(1, columns), DType.Float32);
            double seconds = Time(device, b =>
            {
                Tensor x = Put(b, rows, columns), y = Put(b, rows, columns);
                return () => b.AddNorm(x, y, new NormWeights(gain, gain, 1e-5f));
            });
            Console.WriteLine($"AddNorm [{rows}, {columns}]: {seconds * 1e6:F1} µs, {12e-9 * rows * columns / seconds:F0} GB/s");
        }

        foreach ((int rows, int columns) in new[] { (64, 32000), (256, 32000) })
        {
            double seconds = Time(device, b =>
            {
                Tensor x = Put(b, rows, columns);
                return () => b.TopK(x, 4, out _);
            });
            Console.WriteLine($"TopK [{rows}, {columns}] 4: {seconds * 1e6:F1} µs, {4e-9 * rows * columns / seconds:F0} GB/s");
        }

        foreach ((int sentences, int length) in new[] { (64, 24), (8, 512), (1, 4096) })
        {
            double seconds = Time(device, b =>
            {
                Tensor x = Put(b, sentences * length, 512);
                Ragged batch = Ragged.Create(b, [.. Enumerable.Repeat(length, sentences)]);
                return () => b.Attention(x, x, x, batch, batch, new AttentionSpec(8, 0.125f, AttentionMask.None));
            });
            Console.WriteLine($"Attention {sentences} × {length}, 8 × 64: {seconds * 1e6:F1} µs, "
                + $"{4e-12 * sentences * length * length * 512 / seconds:F2} TFLOP/s");
        }

        foreach ((int rows, int length) in new[] { (64, 32), (512, 64) })
        {
            int blocks = (length + 15) / 16;
            KeyValueCache cache = device.AllocateCache(rows * blocks, 512, 512, 8);
            double seconds = Time(device, b =>
            {
                Tensor x = Put(b, rows, 512);
                Tensor table = b.Rent(new Shape(rows, blocks), DType.Int32), lengths = b.Rent(new Shape(1, rows), DType.Int32);
                b.Write(table, Enumerable.Range(0, rows * blocks).ToArray());
                b.Write(lengths, Enumerable.Repeat(length, rows).ToArray());
                return () => b.CachedAttention(x, cache, new CacheView(table, lengths, length), new AttentionSpec(8, 0.125f, AttentionMask.None));
            });
            Console.WriteLine($"CachedAttention {rows} rows of {length}: {seconds * 1e6:F1} µs, {4e-9 * rows * length * 1024 / seconds:F0} GB/s");
            device.FreeCache(cache);
        }
    }

    private static float[] Values(int count)
    {
        var random = new Random(1);
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextSingle() - 0.5f;
        return values;
    }

    private static Tensor Put(IBackend backend, int rows, int columns)
    {
        Tensor x = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(x, Values(rows * columns));
        return x;
    }

    private static double Time(CudaBackend backend, Func<IBackend, Func<Tensor>> prepare)
    {
        backend.BeginFrame();
        Func<Tensor> call = prepare(backend);
        call();
        backend.Context.Stream.Wait();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Calls; i++) call();
        backend.Context.Stream.Wait();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / Calls;
        backend.EndFrame();
        return seconds;
    }
}
