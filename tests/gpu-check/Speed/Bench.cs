// Times calls of a backend: many in a row, then one wait; the median of several rounds.
using System.Diagnostics;
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

/// <summary>Measures on one backend.</summary>
internal sealed class Bench(CudaBackend backend, Settings settings)
{
    private const double SecondsOfRound = 0.02;
    private const int Rounds = 5, MostCalls = 1000;

    /// <summary>The backend.</summary>
    public CudaBackend Backend => backend;

    /// <summary>Seconds of a call. What it rents is given back after it, so that every call gets the same memory.</summary>
    /// <param name="prepare">Makes what the call works on, in the frame.</param>
    public double Seconds(Func<CudaBackend, Action> prepare)
    {
        backend.BeginFrame();
        try
        {
            Tensor probe = backend.Rent(new Shape(1, 1), DType.Float32);
            backend.Write(probe, [0f]);
            Action call = prepare(backend);
            var one = new float[1];
            return Median(
                () =>
                {
                    long mark = backend.Mark();
                    call();
                    backend.Release(mark, []);
                },
                () => backend.Read(probe, one), settings.IsSmall);
        }
        finally
        {
            backend.EndFrame();
        }
    }

    /// <summary>Seconds of a call.</summary>
    /// <param name="call">Puts work into a stream.</param>
    /// <param name="wait">Waits until all of it is done.</param>
    /// <param name="once">Whether one call must do.</param>
    public static double Median(Action call, Action wait, bool once) => Median(call, wait, once, Rounds);

    /// <summary>The same of one round, to choose among several.</summary>
    public static double Estimate(Action call, Action wait, bool once) => Median(call, wait, once, 1);

    private static double Median(Action call, Action wait, bool once, int howMany)
    {
        double Round(int calls)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++) call();
            wait();
            return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
        }

        double first = Round(1);   // loads kernels, chooses algorithms
        if (once) return first;
        int count = Math.Clamp((int)(SecondsOfRound / Round(1)), 1, MostCalls);
        double[] rounds = [.. Enumerable.Range(0, howMany).Select(_ => Round(count)).Order()];
        return rounds[howMany / 2];
    }

    /// <summary>A table of the frame with numbers between −0.5 and 0.5: products of zeros would be faster than they are.</summary>
    public static Tensor Put(IBackend backend, int rows, int columns)
    {
        Tensor x = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(x, Values(rows * columns));
        return x;
    }

    /// <summary>Numbers between −0.5 and 0.5, the same in every run.</summary>
    public static float[] Values(int count)
    {
        const int Different = 1 << 20;   // larger tables repeat them: drawing as many would take longer than what is measured
        var random = new Random(1);
        var values = new float[count];
        for (int i = 0; i < Math.Min(count, Different); i++) values[i] = random.NextSingle() - 0.5f;
        for (int i = Different; i < count; i += Different) Array.Copy(values, 0, values, i, Math.Min(Different, count - i));
        return values;
    }
}
