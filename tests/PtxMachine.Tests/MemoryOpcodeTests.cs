// Loads, stores and atomics of each width and space.
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class MemoryOpcodeTests
{
    private static readonly uint[] Numbers = [.. Enumerable.Range(0, 128).Select(i => (uint)(i * 0x01030507))];

    [Fact]
    public void Narrow_loads_widen_by_their_sign()
    {
        uint[] found = Snippet.InPlace("""
            mad.wide.u32 %z1, %i0, 4, %z0;
            ld.global.u8 %t0, [%z1]; ld.global.s8 %t1, [%z1+3]; ld.global.u16 %h0, [%z1+2]; ld.global.s16 %t3, [%z1];
            cvt.u32.u16 %t2, %h0;
            add.u32 %t4, %t0, %t1; add.u32 %t4, %t4, %t2; add.u32 %t4, %t4, %t3;
            st.global.u32 [%z1], %t4;
            """, Numbers, 128);
        for (int i = 0; i < 128; i++)
        {
            uint x = Numbers[i];
            Assert.Equal((x & 255) + (uint)(sbyte)(x >> 24) + (x >> 16) + (uint)(short)x, found[i]);
        }
    }

    [Fact]
    public void Narrow_stores_leave_their_neighbours()
    {
        uint[] found = Snippet.InPlace("mad.wide.u32 %z1, %i0, 4, %z0; mov.u16 %h0, 0x1234; st.global.u8 [%z1+1], %h0; st.global.u16 [%z1+2], %h0;", Numbers, 128);
        Assert.Equal(Numbers.Select(x => (x & 0xFF) | 0x12343400), found);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(7)]
    public void Vectors_keep_the_order_of_their_elements(int threads)
    {
        uint[] found = Snippet.InPlace("""
            mad.wide.u32 %z1, %i0, 16, %z0;
            ld.global.v4.u32 {%t0, %t1, %t2, %t3}, [%z1];
            st.global.v2.u32 [%z1], {%t3, %t2}; st.global.v2.u32 [%z1+8], {%t1, %t0};
            """, Numbers, threads);
        for (int i = 0; i < 128; i++) Assert.Equal(i < 4 * threads ? Numbers[i ^ 3] : Numbers[i], found[i]);
    }

    [Fact]
    public void Strided_and_reversed_lanes()
    {
        uint[] found = Snippet.InPlace("""
            sub.u32 %t0, 127, %i0; mad.wide.u32 %z1, %t0, 4, %z0; ld.global.u32 %t1, [%z1];
            bar.sync 0;
            mad.wide.u32 %z1, %i0, 4, %z0; st.global.u32 [%z1], %t1;
            """, Numbers, 128);
        Assert.Equal(Numbers.Reverse(), found);
    }

    [Fact]
    public void Shared_memory_static_and_dynamic()
    {
        uint[] found = Snippet.InPlace("""
            mad.wide.u32 %z1, %i0, 4, %z0; ld.global.u32 %t0, [%z1];
            mov.u64 %w0, fixed; mov.u64 %w1, more; mul.wide.u32 %w2, %i0, 4;
            add.s64 %w0, %w0, %w2; add.s64 %w1, %w1, %w2;
            st.shared.u32 [%w0], %t0; st.shared.u32 [%w1+4], %t0;
            bar.sync 0;
            ld.shared.u32 %t1, [fixed+8]; xor.b32 %t3, %i0, 127; mul.wide.u32 %w2, %t3, 4; mov.u64 %w1, more; add.s64 %w1, %w1, %w2;
            cvta.shared.u64 %w3, %w1; ld.u32 %t2, [%w3+4];
            add.u32 %t1, %t1, %t2; st.global.u32 [%z1], %t1;
            """, Numbers, 128, sharedBytes: 516, before: ".shared .align 4 .b8 fixed[512]; .extern .shared .align 16 .b8 more[];");
        for (int i = 0; i < 128; i++) Assert.Equal(Numbers[2] + Numbers[i ^ 127], found[i]);
    }

    [Fact]
    public void Constants_of_a_module_and_local_memory()
    {
        uint[] found = Snippet.InPlace("""
            .local .align 4 .b8 own[16];
            mov.u64 %w0, table; ld.const.u32 %t0, [%w0+4];
            mov.u64 %w1, own; st.local.u32 [%w1+8], %i0; cvta.local.u64 %w2, %w1; ld.u32 %t1, [%w2+8];
            add.u32 %t0, %t0, %t1; mad.wide.u32 %z1, %i0, 4, %z0; st.global.u32 [%z1], %t0;
            """, new uint[64], 64, before: ".const .align 4 .b8 table[8] = {1, 0, 0, 0, 100, 1, 0, 0};");
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (uint)i + 356), found);
    }

    [Fact]
    public void Parameters_of_every_size_are_aligned()
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0, .param .u32 p1, .param .u8 p2, .param .f32 p3, .param .align 8 .b8 p4[16]",
            "ld.param.u64 %z0, [p0]; ld.param.u32 %t0, [p1]; ld.param.u8 %h0, [p2]; ld.param.b32 %t2, [p3]; ld.param.v2.u32 {%t3, %t4}, [p4+8];"
            + "cvt.u32.u16 %t1, %h0; st.global.v4.u32 [%z0], {%t0, %t1, %t2, %t4};"), device);
        Allocation result = device.Allocate(16);
        byte[] parameters = new byte[40];
        BitConverter.TryWriteBytes(parameters.AsSpan(0), result.Start);
        BitConverter.TryWriteBytes(parameters.AsSpan(8), 0x11223344);
        parameters[12] = 200;
        BitConverter.TryWriteBytes(parameters.AsSpan(16), 1.5f);
        BitConverter.TryWriteBytes(parameters.AsSpan(36), 77);
        Execution.Launcher.Run(program.Kernels["k"], new Execution.LaunchSpec(), device, parameters);
        unsafe
        {
            Assert.Equal([0x11223344, 200, BitConverter.SingleToInt32Bits(1.5f), 77], new ReadOnlySpan<int>(result.Host, 4).ToArray());
        }
    }

    [Theory]
    [InlineData("add.u32", 128u * 3, 0u)]
    [InlineData("max.u32", 3u, 0u)]
    [InlineData("min.s32", unchecked((uint)-5), unchecked((uint)-5))]
    [InlineData("or.b32", 11u, 8u)]
    [InlineData("inc.u32", 0u, 0u)]
    public void Atomics_of_all_threads_reach_one_word(string operation, uint expected, uint initial)
    {
        // 128 increments that wrap after 3 come back to 0.
        uint[] found = Snippet.InPlace($"red.global.{operation} [%z0], 3;", [initial], 64, blocks: 2);
        Assert.Equal(expected, found[0]);
    }

    [Fact]
    public void Atomics_give_the_old_value()
    {
        uint[] found = Snippet.InPlace("""
            atom.global.add.u32 %t0, [%z0], 1; mad.wide.u32 %z1, %t0, 4, %z0; st.global.u32 [%z1+4], %t0;
            """, new uint[65], 64);
        Assert.Equal(64u, found[0]);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (uint)i), found[1..]);
    }

    [Fact]
    public void Compare_and_swap_lets_one_win()
    {
        uint[] found = Snippet.InPlace("""
            add.u32 %t1, %i0, 100; atom.global.cas.b32 %t0, [%z0], 7, %t1; setp.eq.u32 %p0, %t0, 7; @!%p0 bra OUT;
            red.global.add.u32 [%z0+4], 1;
            OUT:
            """, [7, 0], 64);
        Assert.InRange(found[0], 100u, 163u);
        Assert.Equal(1u, found[1]);
    }

    [Fact]
    public void Shared_atomics_and_float_sums()
    {
        uint[] found = Snippet.InPlace("""
            setp.eq.u32 %p0, %i0, 0; mov.u32 %t0, 0; @%p0 st.shared.u32 [sum], %t0; bar.sync 0;
            cvt.rn.f32.u32 %x0, %i0; atom.shared.add.f32 %x1, [sum], %x0; bar.sync 0;
            ld.shared.u32 %t1, [sum]; @%p0 st.global.u32 [%z0], %t1;
            """, [0], 96, before: ".shared .align 4 .b8 sum[4];");
        Assert.Equal(96f * 95 / 2, Edges.Single(found[0]));
    }
}
