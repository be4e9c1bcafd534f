// The counts that floors are made of.
using Engine.Backends;
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Perf.WholeModels;
using Engine.Tensors;
using Xunit;

namespace Engine.Perf.Tests;

public class WorkTests
{
    [Theory]
    [InlineData(5, int.MaxValue, int.MaxValue, 25)]
    [InlineData(5, int.MaxValue, 0, 15)]
    [InlineData(5, 1, 1, 13)]
    public void Pairs_are_those_that_the_mask_leaves(int length, int left, int right, double expected) =>
        Assert.Equal(expected, AttentionRows.Pairs(length, new AttentionMask(left, right)));

    [Fact]
    public void Half_of_the_pairs_are_causal() =>
        Assert.Equal(0.5, AttentionRows.Pairs(8192, AttentionMask.Causal) / AttentionRows.Pairs(8192, AttentionMask.None), 3);

    [Fact]
    public void A_transformer_base_reads_its_decoder_in_every_step()
    {
        var work = new Translation(ModelShape.Base, DType.Float32, Batch: 1, Beam: 1, Length: 24);

        // 6 layers of 6 · 512² + 2 · 512 · 2048 and the table of 32,000 words: 38.4 million weights of 4 bytes.
        Assert.Equal(4 * ((6 * ((6 * 512.0 * 512) + (2 * 512 * 2048))) + (512 * 32000)), work.StepBytes);
        Assert.InRange(work.Bytes, 3.7e9, 3.9e9);
        Assert.Equal(4 * (work with { Type = DType.Int8 }).Bytes, work.Bytes);
    }

    [Fact]
    public void Names_of_rows_are_unique()
    {
        string[] names = [.. KernelTable.Rows.Select(static row => row.What), .. ModelRows.All.Select(static row => row.What)];
        Assert.Equal(names.Length, names.Distinct().Count());
    }

    [Fact]
    public void The_peers_line_is_read() =>
        Assert.Equal(12.5, CTranslate2.Median("batch 1 x 1 replicas, length 24, beam 1: median 12.5 ms, min 12.0, max 13.1\n"));

    [Fact]
    public void The_sampler_measures_side_by_side()
    {
        using Probe probe = Machine.Probe(Limit.Float32, threads: 1);
        double now = 0;
        double Clock() => now;

        // A call of 10 units takes 2 seconds of this clock, a peer's 4.
        Sample sample = Sampler.Measure(
            probe, work: 10, threads: 1, () => now += 2, [(() => now += 4, 1)], Clock, new Budget(0, LeastRounds: 3, MostRounds: 3));
        Assert.Equal(3, sample.Rates.Length);
        Assert.Equal(5, sample.Rate, 9);
        Assert.Equal(2, sample.Ratio(0), 9);
        Assert.All(sample.Floors, static floor => Assert.InRange(floor, 1e8, 1e13));
    }
}
