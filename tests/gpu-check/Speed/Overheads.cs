// What a call costs whatever it does: a launch on the host's side and with the device, and a small read.
using System.Diagnostics;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

internal static class Overheads
{
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
    }
}
