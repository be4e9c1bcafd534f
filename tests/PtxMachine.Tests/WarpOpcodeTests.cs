// Shuffles, votes, reductions and divergence: what 32 lanes do together, and what they do apart.
using Xunit;

namespace PtxMachine.Tests;

public sealed class WarpOpcodeTests
{
    private static readonly uint[] Values = [.. Enumerable.Range(0, 32).Select(i => (uint)((i * 37) % 101))];

    [Theory]
    [InlineData("bfly", 5, 31)]
    [InlineData("down", 3, 31)]
    [InlineData("up", 4, 0)]
    [InlineData("idx", 9, 31)]
    [InlineData("down", 2, 0x181F)]
    [InlineData("bfly", 1, 0x101F)]
    [InlineData("idx", 3, 0x181F)]
    public void Shuffles_follow_the_manual(string how, int by, int clamp)
    {
        uint[] found = Each($"shfl.sync.{how}.b32 %t1|%p0, %t0, {by}, {clamp}, -1; selp.u32 %t2, 1000, 0, %p0; add.u32 %t1, %t1, %t2;");
        int segment = (clamp >> 8) & 31, limit = clamp & 31;
        for (int lane = 0; lane < 32; lane++)
        {
            int most = (lane & segment) | (limit & ~segment);
            int source = how switch { "up" => lane - by, "down" => lane + by, "bfly" => lane ^ by, _ => (lane & segment) | (by & ~segment) };
            bool valid = how == "up" ? source >= most : source <= most;
            Assert.Equal(Values[valid ? source : lane] + (valid ? 1000u : 0), found[lane]);
        }
    }

    [Fact]
    public void Votes_count_lanes()
    {
        uint expected = 0;
        for (int i = 0; i < 32; i++) if (Values[i] > 50) expected |= 1u << i;
        Assert.All(Each("setp.gt.u32 %p0, %t0, 50; vote.sync.ballot.b32 %t1, %p0, -1;"), x => Assert.Equal(expected, x));
        Assert.All(Each("setp.gt.u32 %p0, %t0, 50; vote.sync.ballot.b32 %t1, !%p0, -1;"), x => Assert.Equal(~expected, x));
        Assert.All(Each("setp.gt.u32 %p0, %t0, 99; vote.sync.any.pred %p1, %p0, -1; selp.u32 %t1, 1, 0, %p1;"), x => Assert.Equal(Values.Any(v => v > 99) ? 1u : 0, x));
        Assert.All(Each("setp.lt.u32 %p0, %t0, 101; vote.sync.all.pred %p1, %p0, -1; selp.u32 %t1, 1, 0, %p1;"), x => Assert.Equal(1u, x));
        Assert.All(Each("setp.lt.u32 %p0, %t0, 100; vote.sync.all.pred %p1, %p0, -1; selp.u32 %t1, 1, 0, %p1;"), x => Assert.Equal(Values.All(v => v < 100) ? 1u : 0, x));
    }

    [Fact]
    public void Reductions_join_all_lanes()
    {
        Assert.All(Each("redux.sync.add.u32 %t1, %t0, -1;"), x => Assert.Equal((uint)Values.Sum(v => v), x));
        Assert.All(Each("redux.sync.max.u32 %t1, %t0, -1;"), x => Assert.Equal(Values.Max(), x));
        Assert.All(Each("sub.s32 %t0, %t0, 60; redux.sync.min.s32 %t1, %t0, -1;"), x => Assert.Equal((int)Values.Min() - 60, (int)x));
    }

    [Fact]
    public void Lanes_that_part_come_together_again()
    {
        uint[] found = Each("""
            setp.lt.u32 %p0, %t0, 50; @%p0 bra SMALL;
            setp.lt.u32 %p1, %t0, 75; @%p1 bra MIDDLE;
            mov.u32 %t1, 3; bra JOIN;
            MIDDLE: mov.u32 %t1, 2; bra JOIN;
            SMALL: mov.u32 %t1, 1;
            JOIN: activemask.b32 %t2; not.b32 %t2, %t2; add.u32 %t1, %t1, %t2;
            """);
        Assert.Equal(Values.Select(v => v < 50 ? 1u : v < 75 ? 2u : 3u), found);
    }

    [Fact]
    public void Loops_of_different_length()
    {
        uint[] found = Each("""
            mov.u32 %t1, 0; setp.eq.u32 %p0, %t0, 0; @%p0 bra DONE;
            LOOP: add.u32 %t1, %t1, %t0; sub.u32 %t0, %t0, 1; setp.ne.u32 %p0, %t0, 0; @%p0 bra LOOP;
            DONE: redux.sync.max.u32 %t2, %t1, -1; sub.u32 %t1, %t2, %t1;
            """);
        uint most = Values.Max(v => v * (v + 1) / 2);
        Assert.Equal(Values.Select(v => most - (v * (v + 1) / 2)), found);
    }

    [Fact]
    public void A_guard_spares_lanes_and_a_shuffle_of_some_lanes_works()
    {
        uint[] found = Each("""
            mov.u32 %t1, 5; setp.lt.u32 %p0, %i0, 8; @%p0 mov.u32 %t1, 6; @!%p0 add.u32 %t1, %t1, 10;
            setp.ge.u32 %p1, %i0, 16; @%p1 bra OVER;
            shfl.sync.bfly.b32 %t2, %t0, 1, 31, 0xFFFF; add.u32 %t1, %t1, %t2;
            OVER:
            """);
        for (int i = 0; i < 32; i++) Assert.Equal((i < 8 ? 6u : 15u) + (i < 16 ? Values[i ^ 1] : 0), found[i]);
    }

    [Fact]
    public void Every_seed_gives_the_same_sum()
    {
        for (ulong seed = 0; seed < 4; seed++)
        {
            uint[] found = Snippet.InPlace("mov.u32 %t0, %ctaid.x; mad.lo.u32 %t0, %t0, 96, %i0; red.global.add.u32 [%z0], %t0;", [0], 96, blocks: 11, seed: seed);
            Assert.Equal(1056u * 1055 / 2, found[0]);
        }
    }

    private static uint[] Each(string statements) => Snippet.InPlace(
        "mad.wide.u32 %z1, %i0, 4, %z0; ld.global.u32 %t0, [%z1];" + statements + "st.global.u32 [%z1], %t1;", Values, 32);
}
