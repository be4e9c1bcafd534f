// What this machine can do at most, measured when it is first asked: the roof under which every figure stands.
using System.Globalization;
using System.Text;
using Engine.Cpu.Simd;

namespace Engine.Perf;

/// <summary>Peaks of the machine that runs this.</summary>
internal sealed class Machine
{
    // From a set that lies in the first-level cache of every processor to one that lies in no cache.
    private static readonly long[] WorkingSets = [16 << 10, 256 << 10, 4 << 20, 16 << 20, 256 << 20];

    // A slice is 1 to 20 ms: so many find a quiet moment on a machine that others use too.
    private const int Slices = 100;

    private readonly Dictionary<(string What, int Threads), double> _measured = [];

    public static Machine This { get; } = new();

    /// <summary>Fused multiply-adds a second, times two, on the rung that the CPU backend uses.</summary>
    public double FloatPeak(int threads) => FloatPeak(Ladder.Best, threads);

    /// <summary>Multiply-adds of small integers a second, times two, by the best that .NET offers here.</summary>
    public double IntegerPeak(int threads) => Measured("integer", threads, Peaks.Integer);

    /// <summary>Bytes a second that can be read from the nearest level that holds so many bytes.</summary>
    /// <param name="bytes">Bytes that all threads read together.</param>
    /// <param name="threads">Threads that read, each its part.</param>
    public double Bandwidth(double bytes, int threads)
    {
        long set = Array.Find(WorkingSets, size => bytes / threads <= size);
        if (set == 0) set = WorkingSets[^1];
        return Measured($"read {set}", threads, () => Peaks.Read(set / sizeof(float)));
    }

    /// <summary>All peaks, a line each.</summary>
    public string Describe()
    {
        int all = Environment.ProcessorCount;
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"machine: {ProcessorName()}, {all} processors, {Ladder.Best}");
        foreach (Rung rung in Enum.GetValues<Rung>())
        {
            if (rung > Ladder.Best) continue;
            Add($"{rung}, GFLOP/s", FloatPeak(rung, 1), FloatPeak(rung, all));
        }

        Add("integers, Gop/s", IntegerPeak(1), IntegerPeak(all));
        foreach (long set in WorkingSets)
            Add($"read {set >> 10:N0} KiB, GB/s", Bandwidth(set, 1), Bandwidth((double)set * all, all));
        return text.ToString();

        void Add(string what, double one, double many) => text.AppendLine(
            CultureInfo.InvariantCulture, $"  {what,-24}{one / 1e9,9:F1} on 1 thread {many / 1e9,9:F1} on {all}");
    }

    private double FloatPeak(Rung rung, int threads) => Measured($"float {rung}", threads, rung switch
    {
        Rung.Avx512 => Peaks.Float512,
        Rung.Avx2 => Peaks.Float256,
        _ => Peaks.Float128,
    });

    // The best of many short slices: what the machine can do, not what it did while somebody else used it.
    private double Measured(string what, int threads, Func<double> slice)
    {
        if (_measured.TryGetValue((what, threads), out double best)) return best;
        var rates = new double[threads];
        using var barrier = new Barrier(threads, _ => best = Math.Max(best, rates.Sum()));
        void Work(int thread)
        {
            for (int i = 0; i < Slices; i++)
            {
                barrier.SignalAndWait();
                rates[thread] = slice();
            }

            barrier.SignalAndWait();
        }

        var workers = new Thread[threads - 1];
        for (int i = 0; i < workers.Length; i++)
        {
            int thread = i + 1;
            workers[i] = new Thread(() => Work(thread));
            workers[i].Start();
        }

        Work(0);
        foreach (Thread worker in workers) worker.Join();
        return _measured[(what, threads)] = best;
    }

    private static string ProcessorName()
    {
        const string Linux = "/proc/cpuinfo";
        if (File.Exists(Linux))
        {
            const string Name = "model name";
            string[] lines = File.ReadAllLines(Linux);
            string? line = Array.Find(lines, static line => line.StartsWith(Name, StringComparison.Ordinal));
            if (line is not null) return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown processor";
    }
}
