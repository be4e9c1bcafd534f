// Runs a few PTX statements on arrays: each thread has its elements in %a, %b, %c and leaves its result in %d.
using System.Globalization;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Tests;

internal static unsafe class Snippet
{
    private const string Temporaries = """
        .reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %t<16>; .reg .b64 %w<8>; .reg .f32 %x<8>; .reg .f64 %y<8>;
        .reg .b64 %z<8>; .reg .b32 %i<4>;
        """;

    /// <summary>A module of one kernel "k" with these parameters and statements.</summary>
    public static string Kernel(string parameters, string body, string version = "7.0", string target = "sm_80", string before = "", string after = "") => $$"""
        .version {{version}}
        .target {{target}}
        .address_size 64
        {{before}}
        .visible .entry k({{parameters}}) {{after}}
        {
        {{Temporaries}}
        {{body}}
        ret;
        }
        """;

    /// <summary>Runs statements on 32-bit registers, for each element of the arrays, which have one length.</summary>
    public static uint[] Run32(string statements, params uint[][] inputs) => Run(statements, 4, inputs);

    public static ulong[] Run64(string statements, params ulong[][] inputs) => Run(statements, 8, inputs);

    /// <summary>Runs a kernel on an array that it reads and writes; parameter 0 is the array.</summary>
    public static uint[] InPlace(string body, uint[] memory, int threads, int blocks = 1, int sharedBytes = 0, string before = "",
        ulong seed = 0, string version = "7.0", string target = "sm_80")
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Kernel(".param .u64 p0", "ld.param.u64 %z0, [p0]; mov.u32 %i0, %tid.x; " + body, version, target, before), device);
        Allocation allocation = Upload<uint>(device, memory);
        Launch(program, device, threads, blocks, sharedBytes, seed, allocation.Start);
        return new ReadOnlySpan<uint>(allocation.Host, memory.Length).ToArray();
    }

    /// <summary>The fault of a kernel that is written to break a rule.</summary>
    public static PtxFaultException Fault(string body, int elements, int threads, int blocks = 1, int sharedBytes = 0, string before = "", bool written = true)
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Kernel(".param .u64 p0", "ld.param.u64 %z0, [p0]; mov.u32 %i0, %tid.x; " + body, before: before), device);
        Allocation allocation = device.Allocate((ulong)elements * 4);
        if (written) allocation.MarkWritten(0, (ulong)elements * 4);
        return Xunit.Assert.Throws<PtxFaultException>(() => Launch(program, device, threads, blocks, sharedBytes, 0, allocation.Start));
    }

    public static Allocation Upload<T>(DeviceMemory device, ReadOnlySpan<T> values) where T : unmanaged
    {
        Allocation allocation = device.Allocate((ulong)(values.Length * sizeof(T)));
        values.CopyTo(new Span<T>(allocation.Host, values.Length));
        allocation.MarkWritten(0, allocation.Size);
        return allocation;
    }

    public static void Launch(PtxProgram program, DeviceMemory device, int threads, int blocks, int sharedBytes, ulong seed, params ulong[] parameters)
    {
        var spec = new LaunchSpec { BlockX = threads, GridX = blocks, SharedBytes = sharedBytes, Seed = seed, SharedLimit = 160 * 1024 };
        fixed (ulong* bytes = parameters)
            Launcher.Run(program.Kernels["k"], spec, device, new ReadOnlySpan<byte>(bytes, parameters.Length * 8));
    }

    private static T[] Run<T>(string statements, int size, T[][] inputs) where T : unmanaged
    {
        var device = new DeviceMemory();
        int count = inputs[0].Length, blocks = (count + 63) / 64;
        string registers = $".reg .b{8 * size} %a, %b, %c, %d;";
        string loads = string.Concat(inputs.Select((_, i) => string.Create(CultureInfo.InvariantCulture,
            $"ld.param.u64 %z1, [p{i + 2}]; mad.wide.u32 %z1, %i0, {size}, %z1; ld.global.b{8 * size} %{"abc"[i]}, [%z1];\n")));
        string body = $"""
            {registers}
            ld.param.u32 %i1, [p1];
            mov.u32 %i0, %ctaid.x; mov.u32 %i2, %tid.x; mad.lo.u32 %i0, %i0, 64, %i2;
            setp.ge.u32 %p7, %i0, %i1;
            @%p7 bra END;
            {loads}
            {statements}
            ld.param.u64 %z1, [p0]; mad.wide.u32 %z1, %i0, {size}, %z1; st.global.b{8 * size} [%z1], %d;
            END:
            """;
        string parameters = ".param .u64 p0, .param .u64 p1" + string.Concat(inputs.Select((_, i) => $", .param .u64 p{i + 2}"));
        using PtxProgram program = PtxProgram.Load(Kernel(parameters, body), device);
        Allocation result = device.Allocate((ulong)(count * size));
        ulong[] arguments = [result.Start, (ulong)count, .. inputs.Select(i => Upload<T>(device, i).Start)];
        Launch(program, device, 64, blocks, 0, 0, arguments);
        return new ReadOnlySpan<T>(result.Host, count).ToArray();
    }
}
