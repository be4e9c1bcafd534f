// Counters of accesses against numbers that were worked out by hand from the addresses.
using PtxMachine.Execution;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class ProfileTests
{
    [Theory]
    [InlineData("mad.wide.u32 %z1, %i0, 4, %z0; ld.global.u32 %t0, [%z1];", 128, 4, 4)]                           // side by side
    [InlineData("mad.wide.u32 %z1, %i0, 8, %z0; ld.global.u32 %t0, [%z1];", 128, 8, 4)]                           // every second word
    [InlineData("mad.wide.u32 %z1, %i0, 4, %z0; ld.global.u32 %t0, [%z1+4];", 128, 5, 4)]                         // one word off
    [InlineData("mad.wide.u32 %z1, %i0, 32, %z0; st.global.u32 [%z1], %i0;", 128, 32, 4)]                         // a sector each
    [InlineData("ld.global.u32 %t0, [%z0+8];", 128, 1, 1)]                                                        // one word for all
    [InlineData("mad.wide.u32 %z1, %i0, 8, %z0; ld.global.v2.u32 {%t0, %t1}, [%z1];", 256, 8, 8)]
    [InlineData("mad.wide.u32 %z1, %i0, 16, %z0; ld.global.v4.u32 {%t0, %t1, %t2, %t3}, [%z1];", 512, 16, 16)]
    [InlineData("mad.wide.u32 %z1, %i0, 32, %z0; st.global.v4.u32 [%z1], {%i0, %i0, %i0, %i0};", 512, 32, 16)]   // half of each sector
    [InlineData("mad.wide.u32 %z1, %i0, 1, %z0; mov.u16 %h0, 1; st.global.u8 [%z1], %h0;", 32, 1, 1)]
    [InlineData("setp.lt.u32 %p0, %i0, 9; mad.wide.u32 %z1, %i0, 4, %z0; @%p0 ld.global.u32 %t0, [%z1];", 36, 2, 2)]
    [InlineData("and.b32 %t1, %i0, 28; mad.wide.u32 %z1, %t1, 8, %z0; ld.u32 %t0, [%z1];", 128, 8, 1)]            // eight words, 32 bytes apart
    [InlineData("xor.b32 %t1, %i0, 31; mad.wide.u32 %z1, %t1, 4, %z0; ld.global.u32 %t0, [%z1];", 128, 4, 4)]     // backwards
    [InlineData("red.global.add.u32 [%z0], 1;", 128, 1, 1)]
    public void Sectors_of_one_access(string body, long bytes, long sectors, long ideal)
    {
        Profile profile = Run(body);
        Assert.Equal((1, bytes, sectors, ideal), (profile.GlobalAccesses, profile.GlobalBytes, profile.Sectors, profile.IdealSectors));
        Assert.Equal((0, 0), (profile.SharedAccesses, profile.BankConflicts));
    }

    [Theory]
    [InlineData("mul.wide.u32 %w0, %i0, 4; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;", 0)]
    [InlineData("mul.wide.u32 %w0, %i0, 8; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;", 1)]                // two words a bank
    [InlineData("mul.wide.u32 %w0, %i0, 12; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;", 0)]               // an odd stride
    [InlineData("mul.wide.u32 %w0, %i0, 128; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;", 31)]             // all in one bank
    [InlineData("mul.wide.u32 %w0, %i0, 132; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;", 0)]              // padded
    [InlineData("mul.wide.u32 %w0, %i0, 8; add.s64 %w0, %w0, %w1; st.shared.v2.u32 [%w0], {%i0, %i0};", 0)]      // two halves of a warp
    [InlineData("mul.wide.u32 %w0, %i0, 16; add.s64 %w0, %w0, %w1; st.shared.v4.u32 [%w0], {%i0, %i0, %i0, %i0};", 0)]
    [InlineData("mul.wide.u32 %w0, %i0, 32; add.s64 %w0, %w0, %w1; st.shared.v4.u32 [%w0], {%i0, %i0, %i0, %i0};", 4)]   // one in four
    [InlineData("mul.wide.u32 %w0, %i0, 16; add.s64 %w0, %w0, %w1; cvta.shared.u64 %w2, %w0; st.u32 [%w2], %i0;", 3)]    // four words a bank
    public void Bank_conflicts_of_one_access(string body, long conflicts)
    {
        Profile profile = Run("mov.u64 %w1, s; " + body, before: ".shared .align 16 .b8 s[8192];");
        Assert.Equal((1, conflicts), (profile.SharedAccesses, profile.BankConflicts));
        Assert.Equal((0, 0), (profile.GlobalAccesses, profile.Sectors));
    }

    [Fact]
    public void A_word_that_all_read_is_no_conflict()
    {
        Profile profile = Run("st.shared.u32 [s], 1; bar.sync 0; ld.shared.u32 %t0, [s];", before: ".shared .align 16 .b8 s[64];");
        Assert.Equal((2, 0), (profile.SharedAccesses, profile.BankConflicts));
    }

    // Eight rows of a matrix are one wavefront where they fill the banks, and eight where they all begin in one.
    [Theory, InlineData(16, 0), InlineData(128, 28), InlineData(144, 0)]
    public void Rows_of_matrices(int stride, long conflicts)
    {
        const string Fill = """
            mov.u64 %w1, s; mov.u32 %t0, 0;
            FILL: shl.b32 %t1, %t0, 5; add.u32 %t1, %t1, %i0; mul.wide.u32 %w0, %t1, 4; add.s64 %w0, %w0, %w1; st.shared.u32 [%w0], %i0;
            add.u32 %t0, %t0, 1; setp.lt.u32 %p0, %t0, 40; @%p0 bra FILL; bar.sync 0;
            """;
        string load = string.Create(System.Globalization.CultureInfo.InvariantCulture, $$"""
            mul.wide.u32 %w0, %i0, {{stride}}; add.s64 %w0, %w0, %w1; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%t4, %t5, %t6, %t7}, [%w0];
            """);
        Profile profile = Run(Fill + load, before: ".shared .align 16 .b8 s[5120];");
        Assert.Equal((41, conflicts), (profile.SharedAccesses, profile.BankConflicts));
    }

    [Fact]
    public void A_queued_copy_is_a_read_and_a_write()
    {
        Profile profile = Run("""
            mad.wide.u32 %z1, %i0, 16, %z0; mov.u64 %w1, s; mul.wide.u32 %w0, %i0, 16; add.s64 %w0, %w0, %w1;
            cp.async.cg.shared.global [%w0], [%z1], 16; cp.async.wait_all;
            """, before: ".shared .align 16 .b8 s[512];");
        Assert.Equal((1, 512, 16, 16), (profile.GlobalAccesses, profile.GlobalBytes, profile.Sectors, profile.IdealSectors));
        Assert.Equal((1, 0), (profile.SharedAccesses, profile.BankConflicts));
    }

    [Fact]
    public void Instructions_are_those_of_warps_in_all_blocks()
    {
        // The two before the body, its two, and ret; three warps, two blocks.
        Profile profile = Run("mad.wide.u32 %z1, %i0, 4, %z0; st.global.u32 [%z1], %i0;", threads: 96, blocks: 2, races: false);
        Assert.Equal((30, 6, 24), (profile.Instructions, profile.GlobalAccesses, profile.Sectors));
    }

    private static Profile Run(string body, int threads = 32, int blocks = 1, string before = "", bool races = true)
    {
        var device = new DeviceMemory();
        using PtxProgram program = PtxProgram.Load(
            Snippet.Kernel(".param .u64 p0", "ld.param.u64 %z0, [p0]; mov.u32 %i0, %tid.x; " + body, before: before), device);
        Allocation memory = Snippet.Upload<uint>(device, new uint[1024]);
        var profile = new Profile();
        Launcher.Run(
            program.Kernels["k"], new LaunchSpec { BlockX = threads, GridX = blocks, Profile = profile, Races = races }, device,
            BitConverter.GetBytes(memory.Start));
        return profile;
    }
}
