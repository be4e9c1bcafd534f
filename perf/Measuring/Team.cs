// Threads that do the same thing at the same time: the calling thread and, for more, some that wait for it.
using System.Diagnostics.CodeAnalysis;

namespace Engine.Perf.Measuring;

/// <summary>A number of threads.</summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process.")]
internal sealed class Team
{
    private static readonly Dictionary<int, Team> Teams = [];

    private readonly double[] _results;
    private readonly Barrier _barrier;
    private Func<int, double> _work = static _ => 0;

    private Team(int threads)
    {
        _results = new double[threads];
        _barrier = new Barrier(threads);
        for (int i = 1; i < threads; i++)
        {
            int thread = i;
            new Thread(() => Serve(thread)) { IsBackground = true, Name = $"Probe {thread}" }.Start();
        }
    }

    /// <summary>The team of so many threads; they wait as long as the process lives.</summary>
    public static Team Of(int threads)
    {
        if (!Teams.TryGetValue(threads, out Team? team)) Teams.Add(threads, team = new Team(threads));
        return team;
    }

    /// <summary>Runs the work on every thread and adds up what it gives.</summary>
    public double Sum(Func<int, double> work)
    {
        if (_results.Length == 1) return work(0);
        _work = work;
        _barrier.SignalAndWait();
        _results[0] = work(0);
        _barrier.SignalAndWait();
        return _results.Sum();
    }

    private void Serve(int thread)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            _results[thread] = _work(thread);
            _barrier.SignalAndWait();
        }
    }
}
