// The shape of a launch against the device's limits.
using PtxMachine.Execution;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class LaunchTests
{
    [Fact]
    public void Limits_of_grid_block_and_shared_memory()
    {
        Good(new LaunchSpec { BlockX = 1024 });
        Refused(new LaunchSpec { BlockX = 1025 }, "at most 1024 threads");
        Refused(new LaunchSpec { BlockX = 32, BlockY = 33 }, "at most 1024 threads");
        Refused(new LaunchSpec { BlockZ = 65 }, "at most 1024 threads");
        Refused(new LaunchSpec { GridX = 0 }, "the grid is 0");
        Refused(new LaunchSpec { GridY = 65536 }, "at most 65535");
        Good(new LaunchSpec { SharedBytes = 48 * 1024 });
        Refused(new LaunchSpec { SharedBytes = (48 * 1024) + 4 }, "dynamic shared memory");
        Good(new LaunchSpec { SharedBytes = 100_000, SharedLimit = 100_000 });
        Refused(new LaunchSpec { SharedBytes = 163 * 1024 + 4, SharedLimit = 200_000 }, "of shared memory, at most");
    }

    [Fact]
    public void Threads_that_a_kernel_was_compiled_for()
    {
        Good(new LaunchSpec { BlockX = 128 }, ".maxntid 128, 1, 1");
        Refused(new LaunchSpec { BlockX = 129 }, "compiled for at most 128", ".maxntid 128, 1, 1");
        Refused(new LaunchSpec { BlockX = 64 }, "requires 128", ".reqntid 128, 1, 1");
    }

    [Fact]
    public void Bytes_of_parameters() => Refused(new LaunchSpec(), "8 bytes of parameters are given, 0 are declared", bytes: 8);

    [Fact]
    public void Blocks_and_threads_know_where_they_are()
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", """
            ld.param.u64 %z0, [p0];
            mov.u32 %t0, %ctaid.z; mov.u32 %t1, %nctaid.y; mov.u32 %t2, %ctaid.y; mad.lo.u32 %t0, %t0, %t1, %t2;
            mov.u32 %t1, %nctaid.x; mov.u32 %t2, %ctaid.x; mad.lo.u32 %t0, %t0, %t1, %t2;
            mov.u32 %t1, %ntid.z; mov.u32 %t2, %tid.z; mad.lo.u32 %t0, %t0, %t1, %t2;
            mov.u32 %t1, %ntid.y; mov.u32 %t2, %tid.y; mad.lo.u32 %t0, %t0, %t1, %t2;
            mov.u32 %t1, %ntid.x; mov.u32 %t2, %tid.x; mad.lo.u32 %t0, %t0, %t1, %t2;
            mad.wide.u32 %z1, %t0, 4, %z0; st.global.u32 [%z1], %t0;
            """), device);
        int count = 3 * 4 * 5 * 7 * 3 * 2;
        Allocation result = device.Allocate((ulong)(4 * count));
        byte[] parameters = BitConverter.GetBytes(result.Start);
        Launcher.Run(program.Kernels["k"], new LaunchSpec { GridX = 3, GridY = 4, GridZ = 5, BlockX = 7, BlockY = 3, BlockZ = 2, Seed = 5 }, device, parameters);
        unsafe
        {
            Assert.Equal(Enumerable.Range(0, count), new ReadOnlySpan<int>(result.Host, count).ToArray());
        }
    }

    private static void Good(LaunchSpec spec, string after = "")
    {
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel("", "", after: after), new DeviceMemory());
        Launcher.Run(program.Kernels["k"], spec, new DeviceMemory(), []);
    }

    private static void Refused(LaunchSpec spec, string expected, string after = "", int bytes = 0)
    {
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel("", "", after: after), new DeviceMemory());
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Launcher.Run(program.Kernels["k"], spec, new DeviceMemory(), new byte[bytes]));
        Assert.Equal(FaultKind.Launch, fault.Kind);
        Assert.Contains(expected, fault.Message);
    }
}
