// From a row to a line of the table.
using Engine.Perf.Measuring;
using Engine.Perf.Table;

namespace Engine.Perf.Kernels;

/// <summary>Measures kernels.</summary>
internal static class KernelTable
{
    /// <summary>All kernels of the table, in its order.</summary>
    public static IEnumerable<KernelRow> Rows =>
        [.. GemmRows.All, .. AttentionRows.All, .. RowwiseRows.All, .. MixingRows.All, .. EncoderLayerRows.All];

    /// <summary>Measures a row beside its floor and, if wanted, its peers.</summary>
    public static Result Measure(KernelRow row, Budget budget, bool withPeers)
    {
        using KernelCase opened = row.Open(withPeers);
        using Probe probe = row.Probe();
        Sample sample = Sampler.Measure(
            probe, row.Work, row.Threads, opened.Call, [.. opened.Peers.Select(static peer => (peer.Call, peer.Work))], row.Clock,
            budget);
        return new Result
        {
            What = row.What,
            Threads = row.Threads,
            Figure = sample.Rate / 1e9,
            Spread = [sample.Rates.Min() / 1e9, sample.Rates.Max() / 1e9],
            Unit = row.Unit,
            Floor = sample.Floor / 1e9,
            Share = sample.Share,
            Peers = [.. opened.Peers.Select((peer, i) => new PeerFigure(peer.Name, sample.PeerRate(i) / 1e9, sample.Ratio(i)))],
            Note = row.Note,
            Intensity = row.Operations / row.Bytes,
            OperationRate = sample.Rate / row.Work * row.Operations,
        }.Judged(row.Goal);
    }

    /// <summary>The share of its floor that a row reaches, without peers: for the gate.</summary>
    public static double Share(KernelRow row, Budget budget)
    {
        using KernelCase opened = row.Open(false);
        using Probe probe = row.Probe();
        return Sampler.Measure(probe, row.Work, row.Threads, opened.Call, [], row.Clock, budget).Share;
    }
}
