// What a call costs whatever it does: a launch on the host's side and with the device, a small read, and a product of a shape that is new.
using System.Diagnostics;
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

internal static class Overheads
{
    private const int Width = 512, FewestRows = 9;

    public static void Run(CudaInfo info, Settings settings, Report report)
    {
        int launches = settings.IsSmall ? 10 : 1000, reads = settings.IsSmall ? 3 : 200;
        using var backend = new CudaBackend(info, 0);
        backend.BeginFrame();
        Tensor x = Bench.Put(backend, 1, 64);
        var one = new float[64];
        backend.Add(x, x);
        backend.Read(x, one);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < launches; i++) backend.Add(x, x);
        double host = Stopwatch.GetElapsedTime(start).TotalMicroseconds / launches;
        backend.Read(x, one);
        double whole = Stopwatch.GetElapsedTime(start).TotalMicroseconds / launches;
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < reads; i++) backend.Read(x, one);
        double read = Stopwatch.GetElapsedTime(start).TotalMicroseconds / reads;
        backend.EndFrame();
        report.Add(new Measure("overhead", "launch, host side", host, "µs"));
        report.Add(new Measure("overhead", "launch, with the device", whole, "µs"));
        report.Add(new Measure("overhead", "read of 256 bytes", read, "µs"));
        Shapes(backend, settings, report);
    }

    // Ragged batches bring other numbers of rows all the time, and an algorithm is chosen for each.
    private static void Shapes(CudaBackend backend, Settings settings, Report report)
    {
        int shapes = settings.IsSmall ? 3 : 200;
        using Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(Width, Width), Bench.Values(Width * Width))]);
        backend.BeginFrame();
        Tensor x = Bench.Put(backend, FewestRows + shapes, Width);
        var weights = new LinearWeights(weight, Bench.Put(backend, 1, Width));
        backend.Linear(x, weights, Activation.Relu);
        foreach (string when in new[] { "is new", "comes again" })
        {
            backend.Context.Stream.Wait();
            long mark = backend.Mark(), start = Stopwatch.GetTimestamp();
            for (int i = 0; i < shapes; i++)
            {
                backend.Linear(x.RowRange(0, FewestRows + i), weights, Activation.Relu);
                backend.Release(mark, []);
            }

            double host = Stopwatch.GetElapsedTime(start).TotalMicroseconds / shapes;
            report.Add(new Measure("overhead", $"linear layer of a shape that {when}, host side", host, "µs"));
        }

        backend.EndFrame();
    }
}
