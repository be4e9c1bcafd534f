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
        Warm(thread);
        double start = Clock.Seconds(threads);
        double work = Run(thread);
        return work / (Clock.Seconds(threads) - start);
    });

    /// <inheritdoc />
    public virtual void Dispose()
    {
    }

    /// <summary>Puts into the caches what will be there in the long run.</summary>
    protected virtual void Warm(int thread)
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
    // A millisecond or two at the speed of memory.
    private const long BytesOfSlice = 64 << 20;

    private readonly HugeBuffer[][] _buffers;
    private Action<float*[], long> _loop;

    /// <param name="threads">Threads.</param>
    /// <param name="traffic">What is done.</param>
    /// <param name="bytes">Bytes of all tables and threads together.</param>
    public TrafficProbe(int threads, Traffic traffic, double bytes) : base(threads)
    {
        int tables = 1 + (int)traffic;
        _buffers = [.. Enumerable.Range(0, threads).Select(_ => Enumerable.Range(0, tables)
            .Select(_ => new HugeBuffer((long)(bytes / threads / tables))).ToArray())];

        // Which loop is the best here, at this level of cache, is tried.
        Action<float*[], long>[] loops = Loops(traffic);
        double[] rates = [.. loops.Select(loop =>
        {
            _loop = loop;
            return Enumerable.Range(0, 5).Max(_ => Slice());
        })];
        _loop = loops[Array.IndexOf(rates, rates.Max())];
    }

    public override void Dispose()
    {
        foreach (HugeBuffer buffer in _buffers.SelectMany(static buffers => buffers)) buffer.Dispose();
        base.Dispose();
    }

    // Only where it can lie in a cache.
    protected override void Warm(int thread)
    {
        if (BytesOfPass(thread) <= BytesOfSlice) Pass(thread, passes: 1);
    }

    protected override double Run(int thread)
    {
        long passes = Math.Max(1, BytesOfSlice / BytesOfPass(thread));
        Pass(thread, passes);
        return (double)passes * BytesOfPass(thread);
    }

    private long BytesOfPass(int thread) => _buffers[thread][0].Floats * sizeof(float) * _buffers[thread].Length;

    private void Pass(int thread, long passes)
    {
        HugeBuffer[] buffers = _buffers[thread];
        var tables = new float*[buffers.Length];
        for (int i = 0; i < tables.Length; i++) tables[i] = buffers[i].Pointer;
        for (long pass = 0; pass < passes; pass++) _loop(tables, buffers[0].Floats);
    }

    // Stores that pass by the caches win where the tables do not fit in them.
    private static Action<float*[], long>[] Loops(Traffic traffic) => traffic switch
    {
        Traffic.Read =>
        [
            static (tables, floats) => Streams.Read(tables[0], floats),
            static (tables, floats) => Streams.ReadFour(tables[0], floats),
            static (tables, floats) => Streams.ReadAhead(tables[0], floats),
        ],
        Traffic.Copy =>
        [
            static (tables, floats) => Streams.Copy(tables[0], tables[1], floats),
            static (tables, floats) => Streams.CopyPast(tables[0], tables[1], floats),
        ],
        _ =>
        [
            static (tables, floats) => Streams.Add(tables[0], tables[1], tables[2], floats),
            static (tables, floats) => Streams.AddPast(tables[0], tables[1], tables[2], floats),
        ],
    };
}
