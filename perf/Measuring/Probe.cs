// A measurement of what the machine can do at most, in slices of a few milliseconds, so that it can be taken right beside
// the work that is compared with it.
namespace Engine.Perf.Measuring;

/// <summary>Which of the machine's limits.</summary>
internal enum Limit
{
    /// <summary>Multiply-adds of float32.</summary>
    Float32,

    /// <summary>Multiply-adds of bfloat16 into float32.</summary>
    BFloat16,

    /// <summary>Multiply-adds of 8-bit integers into 32 bits.</summary>
    Int8,

    /// <summary>Bytes read.</summary>
    Read,

    /// <summary>Bytes read and written, as many of each.</summary>
    Copy,

    /// <summary>Bytes read and written, two for one.</summary>
    Add,
}

/// <summary>One limit, for some threads.</summary>
internal abstract class Probe(int threads) : IDisposable
{
    private readonly Team _team = Team.Of(threads);

    /// <summary>Operations or bytes a second in one slice, all threads together, each on its own clock.</summary>
    public double Slice() => _team.Sum(thread =>
    {
        double start = Clock.Seconds(threads);
        double work = Run(thread);
        return work / (Clock.Seconds(threads) - start);
    });

    /// <inheritdoc />
    public virtual void Dispose()
    {
    }

    /// <summary>Works for a slice and tells how much was done.</summary>
    protected abstract double Run(int thread);
}

/// <summary>A loop in registers.</summary>
internal sealed class ArithmeticProbe(int threads, Func<double> loop) : Probe(threads)
{
    protected override double Run(int thread) => loop();
}

/// <summary>A loop over memory; each thread has its part of the bytes.</summary>
internal sealed unsafe class TrafficProbe : Probe
{
    // About a millisecond at the speed of memory.
    private const long BytesOfSlice = 32 << 20;

    private readonly Traffic _traffic;
    private readonly HugeBuffer[][] _buffers;
    private readonly bool _past;

    /// <param name="threads">Threads.</param>
    /// <param name="traffic">What is done.</param>
    /// <param name="bytes">Bytes of all tables and threads together.</param>
    public TrafficProbe(int threads, Traffic traffic, double bytes) : base(threads)
    {
        _traffic = traffic;
        int tables = 1 + (int)traffic;
        _buffers = [.. Enumerable.Range(0, threads).Select(_ => Enumerable.Range(0, tables)
            .Select(_ => new HugeBuffer((long)(bytes / threads / tables))).ToArray())];

        // Stores that pass by the caches win where the tables do not fit in them; which it is here is tried.
        if (traffic == Traffic.Read) return;
        double through = Best();
        _past = true;
        _past = Best() > through;
    }

    public override void Dispose()
    {
        foreach (HugeBuffer buffer in _buffers.SelectMany(static buffers => buffers)) buffer.Dispose();
        base.Dispose();
    }

    protected override double Run(int thread)
    {
        HugeBuffer[] tables = _buffers[thread];
        long floats = tables[0].Floats, bytes = floats * sizeof(float) * tables.Length;
        long passes = Math.Max(1, BytesOfSlice / bytes);
        for (long pass = 0; pass < passes; pass++)
        {
            switch (_traffic)
            {
                case Traffic.Read: _ = Streams.Read(tables[0].Pointer, floats); break;
                case Traffic.Copy when _past: Streams.CopyPast(tables[0].Pointer, tables[1].Pointer, floats); break;
                case Traffic.Copy: Streams.Copy(tables[0].Pointer, tables[1].Pointer, floats); break;
                case Traffic.Add when _past: Streams.AddPast(tables[0].Pointer, tables[1].Pointer, tables[2].Pointer, floats); break;
                default: Streams.Add(tables[0].Pointer, tables[1].Pointer, tables[2].Pointer, floats); break;
            }
        }

        return (double)passes * bytes;
    }

    private double Best() => Enumerable.Range(0, 5).Max(_ => Slice());
}
