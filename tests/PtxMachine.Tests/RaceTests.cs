// Races in shared memory: a barrier taken away is seen even where the result is right; a kernel that has it passes.
using PtxMachine.Execution;
using Xunit;

namespace PtxMachine.Tests;

public sealed class RaceTests
{
    private const string Before = ".shared .align 16 .b8 s[1024];";
    private const string Mine = "mul.wide.u32 %w0, %i0, 4; mov.u64 %w1, s; add.s64 %w0, %w0, %w1;";

    [Theory]
    [InlineData("bar.sync 0;", 64, false)]
    [InlineData("", 64, true)]
    [InlineData("bar.warp.sync -1;", 32, false)]
    [InlineData("bar.warp.sync -1;", 64, true)]
    [InlineData("", 32, true)]
    public void A_read_of_another_threads_word(string barrier, int threads, bool races)
    {
        string other = string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"sub.u32 %t0, {threads - 1}, %i0; mul.wide.u32 %w2, %t0, 4; add.s64 %w2, %w2, %w1; ld.shared.u32 %t1, [%w2];");
        // All words are written before, so that what is missing is the order and not the value.
        Expect(races, "", Mine + "st.shared.u32 [%w0], %i0; bar.sync 0; st.shared.u32 [%w0], %i0;" + barrier + other, threads);
    }

    [Theory]
    [InlineData("bar.sync 0;", 64, false)]
    [InlineData("", 64, true)]
    [InlineData("bar.warp.sync -1;", 32, false)]
    [InlineData("", 32, true)]
    public void A_write_over_what_others_read(string barrier, int threads, bool races)
    {
        Expect(races, "write after read", Mine + "st.shared.u32 [%w0], %i0; bar.sync 0; ld.shared.u32 %t1, [s+20];" + barrier
            + "setp.eq.u32 %p0, %i0, 5; @%p0 st.shared.u32 [%w0], %t1;", threads);
    }

    [Theory]
    [InlineData("bar.sync 0;", false)]
    [InlineData("", true)]
    public void Two_writes_of_one_word(string barrier, bool races)
    {
        Expect(races, "write after write", "setp.eq.u32 %p0, %i0, 0; @%p0 st.shared.u32 [s], %i0;" + barrier
            + "setp.eq.u32 %p1, %i0, 40; @%p1 st.shared.u32 [s], %i0;", 64);
    }

    [Fact]
    public void What_is_no_race()
    {
        // Own words, halves of one word by two threads, one instruction that stores one word, atomics among themselves.
        Expect(false, "", Mine + "st.shared.u32 [%w0], %i0; ld.shared.u32 %t0, [%w0]; st.shared.u32 [%w0], %t0;", 64);
        Expect(false, "", "mul.wide.u32 %w0, %i0, 2; mov.u64 %w1, s; add.s64 %w0, %w0, %w1; mov.u16 %h0, 1; st.shared.u16 [%w0], %h0; ld.shared.u16 %h1, [%w0];", 64);
        Expect(false, "", "st.shared.u32 [s], 7;", 32);
        Expect(false, "", "setp.eq.u32 %p0, %i0, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; atom.shared.add.u32 %t0, [s], 1; bar.sync 0; ld.shared.u32 %t0, [s];", 64);
    }

    [Fact]
    public void A_plain_write_beside_atomics_is_a_race()
    {
        Expect(true, "write", "setp.eq.u32 %p0, %i0, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; atom.shared.add.u32 %t0, [s], 1; setp.eq.u32 %p0, %i0, 40; @%p0 st.shared.u32 [s], 1;", 64);
    }

    [Fact]
    public void A_word_that_all_lanes_of_a_warp_read_is_remembered()
    {
        // Both warps read word 0; then thread 0, and in the second kernel a thread of the same warp, writes it.
        const string Read = Mine + "st.shared.u32 [%w0], %i0; bar.sync 0; ld.shared.u32 %t1, [s];";
        Expect(true, "write after read", Read + "setp.eq.u32 %p0, %i0, 0; @%p0 st.shared.u32 [s], %t1;", 64);
        Expect(true, "write after read", Read + "setp.eq.u32 %p0, %i0, 31; @%p0 st.shared.u32 [s], %t1;", 32);
        Expect(false, "", Read + "bar.warp.sync -1; setp.eq.u32 %p0, %i0, 31; @%p0 st.shared.u32 [s], %t1;", 32);
        Expect(true, "write after read", Read + "bar.warp.sync -1; setp.eq.u32 %p0, %i0, 31; @%p0 st.shared.u32 [s], %t1;", 64);
    }

    [Fact]
    public void Many_barriers_do_not_wear_the_clock_out()
    {
        Expect(false, "", Mine + "st.shared.u32 [%w0], %i0; mov.u32 %t5, 0; LOOP: bar.sync 0; ld.shared.u32 %t0, [s]; bar.sync 0; st.shared.u32 [%w0], %t0;"
            + "add.u32 %t5, %t5, 1; setp.lt.u32 %p0, %t5, 3000; @%p0 bra LOOP;", 64);
    }

    [Theory]
    [InlineData("st.global.u32 [%z0], %i0;", true)]
    [InlineData("mov.u32 %t0, %ctaid.x; mad.wide.u32 %z1, %t0, 4, %z0; st.global.u32 [%z1], %i0; ld.global.u32 %t1, [%z0+4];", true)]
    [InlineData("mov.u32 %t0, %ctaid.x; mad.wide.u32 %z1, %t0, 4, %z0; st.global.u32 [%z1], %i0; ld.global.u32 %t1, [%z1];", false)]
    [InlineData("ld.global.u32 %t1, [%z0]; ld.global.u32 %t2, [%z0+4];", false)]
    [InlineData("red.global.add.u32 [%z0], 1;", false)]
    public void Blocks_that_share_a_word_of_global_memory(string body, bool races)
    {
        if (!races)
        {
            Snippet.InPlace(body, new uint[8], 1, blocks: 8);
            return;
        }

        PtxFaultException fault = Snippet.Fault(body, 8, 1, blocks: 8);
        Assert.Equal(FaultKind.Race, fault.Kind);
        Assert.Contains("race between blocks", fault.Message);
    }

    private static void Expect(bool races, string what, string body, int threads)
    {
        if (!races)
        {
            Snippet.InPlace(body, [0], threads, before: Before);
            return;
        }

        PtxFaultException fault = Snippet.Fault(body, 1, threads, before: Before);
        Assert.Equal(FaultKind.Race, fault.Kind);
        Assert.Contains(what, fault.Message);
    }
}
