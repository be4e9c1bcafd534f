// Registers that are alive at once, counted by hand, and launches that ask for more than a device has.
using PtxMachine.Execution;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class LivenessTests
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("mov.u32 %t0, 1;", 1)]    // written, though never read
    [InlineData("mov.u32 %t0, 1; mov.u32 %t1, 2; add.u32 %t2, %t0, %t1; st.global.u32 [%z0], %t2;", 4)]    // z0 has two
    [InlineData("ld.global.u32 %t0, [%z0]; add.u32 %t0, %t0, %t0; st.global.u32 [%z0], %t0;", 3)]
    [InlineData("ld.global.v4.u32 {%t0, %t1, %t2, %t3}, [%z0]; st.global.u32 [%z0], %t2;", 6)]
    [InlineData("cvt.u64.u32 %w0, %i1; add.s64 %w0, %w0, %z0; st.global.u32 [%w0], 1;", 4)]     // i1 is read before it is written
    [InlineData("mov.u32 %t0, 1; L: add.u32 %t1, %t1, 1; setp.lt.u32 %p0, %t1, 9; @%p0 bra L; st.global.u32 [%z0], %t0;", 4)]  // a loop
    [InlineData("mov.u32 %t0, 1; mov.u32 %t1, 2; @%p0 mov.u32 %t0, 3; st.global.v2.u32 [%z0], {%t0, %t1};", 4)]  // the old value stays
    [InlineData("bra OUT; st.global.u32 [%z0], %t0; OUT:", 3)]    // where nobody comes, as the text has it
    public void Registers_alive_at_once(string body, int expected)
    {
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", body), new DeviceMemory());
        Assert.Equal(expected, program.Kernels["k"].LiveRegisters);
    }

    [Fact]
    public void More_registers_than_there_are()
    {
        string[] names = [.. Enumerable.Range(0, 100).Select(static i => $"%q{i}")];
        string body = ".reg .b32 %q<100>; ld.param.u64 %z0, [p0]; "
            + string.Concat(names.Select(static name => $"ld.global.u32 {name}, [%z0]; "))
            + string.Concat(names.Select(static name => $"st.global.u32 [%z0], {name}; "));
        Assert.Null(Refusal(body, 256, ""));            // fits whatever a compiler takes
        Assert.Null(Refusal(body, 512, ""));            // 102 of at most 128
        Assert.Contains("1024 threads with 102 registers alive are 104,448", Refusal(body, 1024, ""));
        Assert.Null(Refusal(body, 1024, ".maxntid 1024, 1, 1"));
    }

    private static string? Refusal(string body, int threads, string after)
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", body, after: after), device);
        Allocation memory = Snippet.Upload<uint>(device, new uint[1]);
        try
        {
            Launcher.Run(program.Kernels["k"], new LaunchSpec { BlockX = threads }, device, BitConverter.GetBytes(memory.Start));
            return null;
        }
        catch (PtxFaultException fault) when (fault.Kind == FaultKind.Resources)
        {
            return fault.Message;
        }
    }
}
