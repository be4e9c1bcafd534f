// Uses of words by work of several streams: what follows what is given, so each case says which use is one too early.
using PtxMachine.Execution;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class WorkOrderTests
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Use_by_another_stream_must_follow(bool earlierWrites, bool laterWrites)
    {
        Allocation allocation = new DeviceMemory().Allocate(400);
        Assert.Null(allocation.Use(Order(1, 4), 0, 400, write: false));
        Assert.Null(allocation.Use(Order(1, 5), 40, 40, earlierWrites));    // a stream is in order
        string expected = $"missing wait: work 1 of stream 2 {(laterWrites ? "writes" : "reads")} what work 5 of stream 1 "
            + $"{(earlierWrites ? "wrote" : "read")}, ";
        Assert.StartsWith(expected, allocation.Use(Order(2, 1, sawFirst: 4), 36, 80, laterWrites) ?? "");
        Assert.Null(allocation.Use(Order(2, 1, sawFirst: 5), 36, 80, laterWrites));
    }

    [Fact]
    public void Readers_need_not_wait_for_each_other()
    {
        Allocation allocation = new DeviceMemory().Allocate(64);
        Assert.Null(allocation.Use(Order(1, 1), 0, 64, write: false));
        Assert.Null(allocation.Use(Order(2, 1), 0, 64, write: false));
        Assert.Contains("what work 1 of stream 1 read", allocation.Use(Order(2, 2), 0, 64, write: true));
    }

    [Theory, InlineData(0), InlineData(1), InlineData(4), InlineData(7), InlineData(35), InlineData(36)]
    public void The_word_is_found(int word)
    {
        Allocation allocation = new DeviceMemory().Allocate(148);
        Assert.Null(allocation.Use(Order(1, 1), 0, 148, write: true));
        Assert.Null(allocation.Use(Order(1, 2), (ulong)(4 * word), 1, write: true));
        Assert.Contains($": offset {4 * word} of allocation 1", allocation.Use(Order(2, 1, sawFirst: 1), 0, 148, write: false));
    }

    [Fact]
    public void A_kernel_that_should_have_waited_is_told_with_its_line()
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", """
            ld.param.u64 %z0, [p0]; mov.u32 %i0, %tid.x;
            mad.wide.u32 %z1, %i0, 4, %z0; ld.global.u32 %t0, [%z1]; st.global.u32 [%z1+512], %t0;
            """), device);
        Allocation memory = Snippet.Upload<uint>(device, new uint[256]);
        Launch(Order(1, 1), 64);
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Launch(Order(2, 1), 33));
        Assert.Equal(FaultKind.Order, fault.Kind);
        Assert.Contains("work 1 of stream 2 writes what work 1 of stream 1 wrote", fault.Message);
        Assert.Contains("st.global.u32", fault.Message);
        Launch(Order(2, 2, sawFirst: 1), 33);

        void Launch(WorkOrder order, int threads) => Launcher.Run(
            program.Kernels["k"], new LaunchSpec { BlockX = threads, Order = order }, device, BitConverter.GetBytes(memory.Start));
    }

    private static WorkOrder Order(int stream, uint number, uint sawFirst = 0)
    {
        var seen = new uint[WorkOrder.MostStreams];
        seen[1] = sawFirst;
        return new WorkOrder(stream, number, seen);
    }
}
