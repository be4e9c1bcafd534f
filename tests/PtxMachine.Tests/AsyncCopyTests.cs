// cp.async: done at its wait and not before; what is read too early is reported.
using PtxMachine.Execution;
using Xunit;

namespace PtxMachine.Tests;

public sealed class AsyncCopyTests
{
    private const string Before = ".shared .align 16 .b8 s[2048];";
    private const string Start = "mul.wide.u32 %w0, %i0, 16; mov.u64 %w1, s; add.s64 %w0, %w0, %w1; cvt.u32.u64 %t8, %w0; mad.wide.u32 %z1, %i0, 16, %z0;";
    private static readonly uint[] Numbers = [.. Enumerable.Range(1, 256).Select(i => (uint)i)];

    [Fact]
    public void Copies_are_there_after_the_wait()
    {
        uint[] found = Snippet.InPlace(Start + """
            cp.async.cg.shared.global [%t8], [%z1], 16; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
            xor.b32 %t0, %i0, 63; mul.wide.u32 %w2, %t0, 16; add.s64 %w2, %w2, %w1; ld.shared.v4.u32 {%t0, %t1, %t2, %t3}, [%w2];
            st.global.v4.u32 [%z1], {%t0, %t1, %t2, %t3};
            """, Numbers, 64, before: Before);
        for (int i = 0; i < 256; i++) Assert.Equal(Numbers[i ^ 252], found[i]);
    }

    [Fact]
    public void The_rest_of_a_short_copy_is_zero()
    {
        uint[] found = Snippet.InPlace(Start + """
            mov.u32 %t7, 4; cp.async.ca.shared.global [%t8], [%z1], 16, %t7; cp.async.wait_all;
            ld.shared.v4.u32 {%t0, %t1, %t2, %t3}, [%w0]; st.global.v4.u32 [%z1], {%t0, %t1, %t2, %t3};
            """, Numbers, 64, before: Before);
        for (int i = 0; i < 256; i++) Assert.Equal(i % 4 == 0 ? Numbers[i] : 0, found[i]);
    }

    [Fact]
    public void A_wait_leaves_the_latest_groups_open()
    {
        const string Two = Start + """
            cp.async.ca.shared.global [%t8], [%z1], 16; cp.async.commit_group;
            cp.async.ca.shared.global [%t8+1024], [%z1], 16; cp.async.commit_group; cp.async.wait_group 1;
            """;
        Snippet.InPlace(Two + "ld.shared.u32 %t0, [%w0];", Numbers, 64, before: Before);
        PtxFaultException fault = Snippet.Fault(Two + "ld.shared.u32 %t0, [%w0+1024];", 256, 64, before: Before);
        Assert.Equal(FaultKind.Race, fault.Kind);
        Assert.Contains("without a wait", fault.Message);
    }

    [Fact]
    public void A_wait_without_a_barrier_is_a_race()
    {
        PtxFaultException fault = Snippet.Fault(Start + """
            mov.u32 %t0, 0; st.shared.v4.u32 [%w0], {%t0, %t0, %t0, %t0}; bar.sync 0;
            cp.async.ca.shared.global [%t8], [%z1], 16; cp.async.wait_all;
            xor.b32 %t0, %i0, 63; mul.wide.u32 %w2, %t0, 16; add.s64 %w2, %w2, %w1; ld.shared.u32 %t0, [%w2];
            """, 256, 64, before: Before);
        Assert.Equal(FaultKind.Race, fault.Kind);
    }
}
