// What this machine can do at most, measured when it is first asked: the roof under which every figure stands.
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Perf.Measuring;

/// <summary>A limit, measured.</summary>
/// <param name="What">As in <c>float32</c>, <c>read L2</c>.</param>
/// <param name="Unit">Of both figures.</param>
/// <param name="One">On one thread.</param>
/// <param name="Several">On as many as the rows with more than one use.</param>
internal sealed record Roof(string What, string Unit, double One, double Several);

/// <summary>Peaks of the machine that runs this.</summary>
internal sealed class Machine
{
    // A slice is a millisecond or two: so many find a quiet moment on a machine that others use too.
    private const int Slices = 60;

    private readonly Dictionary<(Limit, int Threads, long Bytes), double> _measured = [];

    public static Machine This { get; } = new();

    /// <summary>Threads of the rows that use more than one.</summary>
    public static int Many => Math.Min(2, Environment.ProcessorCount);

    /// <summary>Whether the processor multiplies bytes in registers of 64 (AVX512-VNNI).</summary>
    public static bool HasVnni512 => Avx512BW.IsSupported && Bit(7, 0, static id => id.Ecx, 11);

    /// <summary>Whether the processor multiplies pairs of bfloat16 in registers of 64 bytes (AVX512-BF16).</summary>
    public static bool HasBFloat16 => Avx512BW.IsSupported && Bit(7, 1, static id => id.Eax, 5);

    /// <summary>A probe of a limit; the caller disposes it.</summary>
    /// <param name="limit">Which.</param>
    /// <param name="threads">Threads together.</param>
    /// <param name="bytes">For limits of memory: bytes that all threads together go through.</param>
    public static Probe Probe(Limit limit, int threads, double bytes = 0) => limit switch
    {
        Limit.Float32 => new ArithmeticProbe(threads, static () => Peaks.Float(Ladder.Best)),
        Limit.BFloat16 => new ArithmeticProbe(threads, Peaks.BFloat16),
        Limit.Int8 => new ArithmeticProbe(threads, Peaks.Int8),
        _ => new TrafficProbe(threads, (Traffic)(limit - Limit.Read), bytes),
    };

    /// <summary>The best of many short slices: what the machine can do, not what it did while somebody else used it.</summary>
    public double Peak(Limit limit, int threads, double bytes = 0)
    {
        if (!_measured.TryGetValue((limit, threads, (long)bytes), out double best))
        {
            using Probe probe = Probe(limit, threads, bytes);
            for (int i = 0; i < Slices; i++) best = Math.Max(best, probe.Slice());
            _measured.Add((limit, threads, (long)bytes), best);
        }

        return best;
    }

    /// <summary>Working sets whose bandwidth is told: half of each cache of a core, of the shared one, and far more.</summary>
    public static IEnumerable<(string Level, long Bytes)> Levels(int threads)
    {
        CacheSizes caches = CacheSizes.This;
        yield return ("L1", caches.L1 / 2 * threads);
        yield return ("L2", caches.L2 / 2 * threads);
        yield return ("L3", caches.L3 / 2);
        yield return ("memory", Math.Max(256 << 20, 8 * caches.L3));
    }

    /// <summary>All peaks, on one thread and on <see cref="Many"/>.</summary>
    public IReadOnlyList<Roof> Roofs() =>
    [
        .. from limit in (Limit[])[Limit.Float32, Limit.BFloat16, Limit.Int8]
           select new Roof(limit.ToString().ToLowerInvariant(), limit == Limit.Int8 ? "Gop/s" : "GFLOP/s",
               Peak(limit, 1) / 1e9, Peak(limit, Many) / 1e9),
        .. from limit in (Limit[])[Limit.Read, Limit.Copy]
           from sets in Levels(1).Zip(Levels(Many))
           select new Roof($"{limit.ToString().ToLowerInvariant()} {sets.First.Level}", "GB/s",
               Peak(limit, 1, sets.First.Bytes) / 1e9, Peak(limit, Many, sets.Second.Bytes) / 1e9),
    ];

    /// <summary>All peaks, a line each.</summary>
    public string Describe() => string.Concat(Roofs().Select(static roof => string.Create(CultureInfo.InvariantCulture,
        $"  {roof.What,-16}{roof.One,9:F1} {roof.Unit} on 1 thread {roof.Several,9:F1} on {Many}\n")));

    private static bool Bit(int leaf, int subleaf, Func<(int Eax, int Ebx, int Ecx, int Edx), int> register, int bit) =>
        X86Base.IsSupported && (register(X86Base.CpuId(leaf, subleaf)) >> bit & 1) != 0;
}
