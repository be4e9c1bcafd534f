// Each check fires on a kernel that was written to break its rule, and names the place.
using PtxMachine.Execution;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class CheckTests
{
    private const string Address = "mad.wide.u32 %z1, %i0, 4, %z0;";

    [Theory]
    [InlineData("ld.global.u32 %t0, [%z1+4];", "read of 4 bytes")]
    [InlineData("st.global.u32 [%z1+4], %i0;", "write of 4 bytes")]
    [InlineData("st.global.u32 [%z1+-4], %i0;", "write of 4 bytes")]
    [InlineData("red.global.add.u32 [%z1+4], 1;", "atomic operation")]
    [InlineData("ld.u32 %t0, [%z1+4];", "read of 4 bytes")]
    public void One_element_out_of_bounds(string access, string expected)
    {
        PtxFaultException fault = Snippet.Fault(Address + access, 64, 64);
        Assert.Equal(FaultKind.IllegalAddress, fault.Kind);
        Assert.Contains(expected, fault.Message);
        Assert.Contains("kernel k", fault.Message);
        Assert.Contains(access.Contains("+-4") ? "thread (0, 0, 0)" : "thread (63, 0, 0)", fault.Message);
        Assert.Contains("line ", fault.Message);
    }

    [Fact]
    public void The_last_element_is_in_bounds()
    {
        Assert.Equal(63u, Snippet.InPlace(Address + "st.global.u32 [%z1], %i0;", new uint[64], 64)[63]);
    }

    [Theory]
    [InlineData("ld.global.u32 %t0, [%z1+2];")]
    [InlineData("ld.global.u64 %w0, [%z1+4];")]
    [InlineData("ld.global.v4.u32 {%t0, %t1, %t2, %t3}, [%z1];")]
    public void Misaligned_accesses(string access)
    {
        PtxFaultException fault = Snippet.Fault(Address + access, 512, 64);
        Assert.Equal(FaultKind.Misaligned, fault.Kind);
    }

    [Fact]
    public void Memory_that_was_never_written()
    {
        PtxFaultException fault = Snippet.Fault(Address + "ld.global.u32 %t0, [%z1];", 64, 64, written: false);
        Assert.Equal(FaultKind.NeverWritten, fault.Kind);
        fault = Snippet.Fault(Address + "setp.ne.u32 %p0, %i0, 5; @%p0 st.global.u32 [%z1], %i0; bar.sync 0; ld.global.u32 %t0, [%z1];", 64, 64, written: false);
        Assert.Equal(FaultKind.NeverWritten, fault.Kind);
        Assert.Contains("offset 20 of", fault.Message);
    }

    [Fact]
    public void Half_a_word_that_was_never_written()
    {
        PtxFaultException fault = Snippet.Fault(Address + "mov.u16 %h0, 1; st.global.u16 [%z1+2], %h0; ld.global.u32 %t0, [%z1];", 64, 33, written: false);
        Assert.Equal(FaultKind.NeverWritten, fault.Kind);
    }

    [Fact]
    public void Use_after_free()
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", "ld.param.u64 %z0, [p0]; st.global.u32 [%z0], 1;"), device);
        Allocation allocation = device.Allocate(4);
        ulong address = allocation.Start;
        Snippet.Launch(program, device, 1, 1, 0, 0, address);
        device.Free(allocation);
        device.Allocate(4);
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Snippet.Launch(program, device, 1, 1, 0, 0, address));
        Assert.Contains("use after free", fault.Message);
    }

    [Fact]
    public void Shared_memory_by_one_word_and_unwritten()
    {
        const string Before = ".shared .align 4 .b8 s[256];";
        PtxFaultException fault = Snippet.Fault("mul.wide.u32 %w0, %i0, 4; mov.u64 %w1, s; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0+4], %i0;", 1, 64, before: Before);
        Assert.Equal(FaultKind.IllegalAddress, fault.Kind);
        Assert.Contains("offset 256 of 256 bytes of shared memory", fault.Message);
        fault = Snippet.Fault("ld.shared.u32 %t0, [s+8];", 1, 1, before: Before);
        Assert.Equal(FaultKind.NeverWritten, fault.Kind);
        Assert.Contains("offset 8", fault.Message);
    }

    [Fact]
    public void Local_memory_past_its_end()
    {
        PtxFaultException fault = Snippet.Fault(".local .align 4 .b8 own[16]; mov.u64 %w0, own; st.local.u32 [%w0+16], %i0;", 1, 2);
        Assert.Equal(FaultKind.IllegalAddress, fault.Kind);
    }

    [Theory]
    [InlineData("setp.lt.u32 %p0, %i0, 5; @%p0 bra.uni OUT; bar.sync 0; OUT:")]
    [InlineData("setp.lt.u32 %p0, %i0, 32; @%p0 bra OUT; bar.sync 0; OUT:")]
    [InlineData("setp.lt.u32 %p0, %i0, 5; @%p0 bar.sync 0;")]
    [InlineData("setp.lt.u32 %p0, %i0, 5; @%p0 exit; bar.sync 0;")]
    [InlineData("setp.lt.u32 %p0, %i0, 32; @%p0 bra OTHER; bar.sync 1; bra OUT; OTHER: bar.sync 2; OUT:")]
    public void A_barrier_that_not_all_reach(string body) => Assert.Equal(FaultKind.Barrier, Snippet.Fault(body, 1, 64).Kind);

    [Fact]
    public void A_shuffle_that_waits_for_lanes_that_left()
    {
        PtxFaultException fault = Snippet.Fault("setp.lt.u32 %p0, %i0, 5; @%p0 bra OTHER; shfl.sync.bfly.b32 %t0, %i0, 1, 31, -1; bra OUT; OTHER: shfl.sync.bfly.b32 %t0, %i0, 2, 31, -1; OUT:", 1, 32);
        Assert.Equal(FaultKind.Deadlock, fault.Kind);
        Assert.Contains("shfl.sync.bfly", fault.Message);
        fault = Snippet.Fault("shfl.sync.bfly.b32 %t0, %i0, 1, 31, 0x7FFFFFFF;", 1, 32);
        Assert.Equal(FaultKind.Convergence, fault.Kind);
        fault = Snippet.Fault("setp.lt.u32 %p0, %i0, 16; @!%p0 bra OUT; shfl.sync.bfly.b32 %t0, %i0, 16, 31, 0xFFFF; OUT:", 1, 32);
        Assert.Equal(FaultKind.Convergence, fault.Kind);
    }

    [Fact]
    public void A_trap_and_a_loop_without_end()
    {
        Assert.Equal(FaultKind.Trap, Snippet.Fault("setp.eq.u32 %p0, %i0, 3; @%p0 trap;", 1, 32).Kind);
        Assert.Equal(FaultKind.Endless, Snippet.Fault("LOOP: bra LOOP;", 1, 1).Kind);
    }
}
