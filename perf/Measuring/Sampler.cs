// Times a kernel, its peers and a probe of its limit in turn, slice by slice. A share of the limit, or a ratio to a peer, is
// the median of the ratios of slices that lie side by side, so a neighbour or a change of the clock rate, which hits both,
// drops out.
namespace Engine.Perf.Measuring;

/// <summary>What was found, in units of work a second.</summary>
/// <param name="Rates">Rate of the engine in each round.</param>
/// <param name="Floors">Rate of the probe beside it.</param>
/// <param name="Peers">Rate of each peer in each round.</param>
internal sealed record Sample(double[] Rates, double[] Floors, double[][] Peers)
{
    public double Rate => Statistics.Median(Rates);

    public double Floor => Statistics.Median(Floors);

    /// <summary>Share of the floor.</summary>
    public double Share => Statistics.Median([.. Rates.Zip(Floors, static (rate, floor) => rate / floor)]);

    public double PeerRate(int peer) => Statistics.Median(Peers[peer]);

    /// <summary>How many times as fast as a peer.</summary>
    public double Ratio(int peer) => Statistics.Median([.. Rates.Zip(Peers[peer], static (rate, other) => rate / other)]);
}

/// <summary>How long to measure.</summary>
/// <param name="Seconds">For one row, all contenders together.</param>
/// <param name="LeastRounds">Even if that takes longer.</param>
/// <param name="MostRounds">Even if there is time left.</param>
internal sealed record Budget(double Seconds, int LeastRounds, int MostRounds)
{
    public static Budget Full { get; } = new(0.6, 3, 101);

    public static Budget Quick { get; } = new(0.3, 3, 31);

    public static Budget Gate { get; } = new(0.8, 7, 61);
}

/// <summary>Runs rounds.</summary>
internal static class Sampler
{
    // Long enough for the clock, short enough that a neighbour seldom comes in the middle.
    private const double SliceSeconds = 4e-3;

    // Threads that wait for the next call by spinning (OpenMP, OpenBLAS, the engine's own) would take the processor from
    // whoever is timed next.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(40);

    /// <param name="probe">The limit.</param>
    /// <param name="work">Work of one call in the probe's unit.</param>
    /// <param name="threads">Threads of everybody.</param>
    /// <param name="call">The engine's.</param>
    /// <param name="peers">The others'; work of a call as a share of the engine's.</param>
    /// <param name="clock">Times the calls.</param>
    /// <param name="budget">How long.</param>
    public static Sample Measure(
        Probe probe, double work, int threads, Action call, IReadOnlyList<(Action Call, double Work)> peers, Func<double> clock,
        Budget budget)
    {
        var own = new Slice(call, work, clock);
        Slice[] others = [.. peers.Select(peer => new Slice(peer.Call, work * peer.Work, clock))];
        probe.Slice();
        var (rates, floors) = (new List<double>(), new List<double>());
        List<double>[] found = [.. others.Select(static _ => new List<double>())];
        double end = Clock.Wall() + budget.Seconds;
        while (rates.Count < budget.LeastRounds || (Clock.Wall() < end && rates.Count < budget.MostRounds))
        {
            // Half of the probe before, half after: a drift of the clock rate drops out too.
            double before = probe.Slice();
            rates.Add(own.Run());
            floors.Add((before + probe.Slice()) / 2);
            for (int i = 0; i < others.Length; i++)
            {
                if (threads > 1) Thread.Sleep(Settle);
                found[i].Add(others[i].Run());
            }

            if (threads > 1 && others.Length > 0) Thread.Sleep(Settle);
        }

        return new Sample([.. rates], [.. floors], [.. found.Select(static list => list.ToArray())]);
    }

    // One contender: how many calls fill a slice is found by trying.
    private sealed class Slice
    {
        private readonly Action _call;
        private readonly double _work;
        private readonly Func<double> _clock;
        private readonly int _calls;
        private readonly bool _warms;

        public Slice(Action call, double work, Func<double> clock)
        {
            (_call, _work, _clock) = (call, work, clock);
            call();
            double once = Time(1);
            if (once < SliceSeconds) once = Math.Min(once, Time(3) / 3);
            _calls = Math.Max(1, (int)(SliceSeconds / once));
            _warms = _calls > 2;   // what another contender left in the caches is pushed out by an untimed call
        }

        public double Run()
        {
            if (_warms) _call();
            return _work * _calls / Time(_calls);
        }

        private double Time(int calls)
        {
            double start = _clock();
            for (int i = 0; i < calls; i++) _call();
            return Math.Max(_clock() - start, 1e-9);
        }
    }
}
