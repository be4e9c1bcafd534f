// What the parser and the decoder take, and what they refuse with a line.
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class TextTests
{
    [Fact]
    public void Statements_span_lines_and_scopes_hide_names()
    {
        uint[] found = Snippet.InPlace("""
            add.u32
                %t0, // a comment ; with a semicolon
                %i0, /* another */ 0x10;
            { .reg .u32 %t0; mov.u32 %t0, 99; }
            {
            .reg .pred one; setp.eq.u32 one, %i0, 3; @one add.u32 %t0, %t0, 0b101; @!one add.u32 %t0, %t0, 010;
            }
            mad.wide.u32 %z1, %i0, 4, %z0; st.global.u32 [%z1], %t0;
            """, new uint[8], 8);
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (uint)(i + 16 + (i == 3 ? 5 : 8))), found);
    }

    [Theory]
    [InlineData("add.u32 %t0, %t1;", "operands")]
    [InlineData("add.u32 %t0, %t1, %w0;", "is .b64")]
    [InlineData("add.f32 %x0, %x1, %h0;", "is .b16")]
    [InlineData("frobnicate.u32 %t0, %t1;", "does not know")]
    [InlineData("add.cc.u32 %t0, %t1, %t2;", "'.cc'")]
    [InlineData("mov.u32 %t0, %nothing;", "not declared")]
    [InlineData("bra NOWHERE;", "no label")]
    [InlineData("@%t0 mov.u32 %t1, 1;", "not a predicate")]
    [InlineData("fma.rz.f32 %x0, %x1, %x2, %x3;", "'.rz'")]
    [InlineData("ld.global.u32 %t0, [%t1];", "32 bits")]
    [InlineData("ld.param.u32 %t0, [p0+6];", "bytes 6 to 10")]
    [InlineData("cvt.s32.f32 %t0, %x0;", "needs a rounding")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%x0, %x1, %x2, %x3}, {%t0, %t1}, {%t4, %t5}, {%x0, %x1, %x2, %x3};", "4 are expected")]
    [InlineData("cp.async.cg.shared.global [%t0], [%w0], 8;", "only 16")]
    public void What_is_refused(string statement, string expected)
    {
        PtxException exception = Assert.Throws<PtxException>(() =>
        {
            using PtxProgram program = PtxProgram.Load(Snippet.Kernel(".param .u64 p0", statement), new DeviceMemory());
        });
        Assert.Contains(expected, exception.Message);
        Assert.StartsWith("line ", exception.Message);
    }

    [Theory]
    [InlineData("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%t0}, [%t1];", "6.5", "sm_75", "6.4", "sm_75")]
    [InlineData("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%t0}, [%t1];", "6.5", "sm_75", "6.5", "sm_70")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%x0, %x1, %x2, %x3}, {%t0, %t1, %t2, %t3}, {%t4, %t5}, {%x0, %x1, %x2, %x3};", "7.0", "sm_80", "7.0", "sm_75")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%x0, %x1, %x2, %x3}, {%t0, %t1, %t2, %t3}, {%t4, %t5}, {%x0, %x1, %x2, %x3};", "7.0", "sm_80", "6.5", "sm_80")]
    [InlineData("cp.async.commit_group;", "7.0", "sm_80", "6.5", "sm_80")]
    [InlineData("cp.async.commit_group;", "7.0", "sm_80", "7.0", "sm_75")]
    [InlineData("redux.sync.add.u32 %t0, %t1, -1;", "7.0", "sm_80", "7.0", "sm_75")]
    [InlineData("cvt.rn.bf16x2.f32 %t0, %x0, %x1;", "7.0", "sm_80", "6.3", "sm_80")]
    [InlineData("tanh.approx.f32 %x0, %x1;", "7.0", "sm_75", "7.0", "sm_70")]
    [InlineData("shfl.sync.bfly.b32 %t0, %t1, 1, 31, -1;", "6.0", "sm_70", "5.0", "sm_70")]
    public void Opcodes_newer_than_the_text_says(string statement, string version, string target, string olderVersion, string olderTarget)
    {
        PtxProgram.Load(Snippet.Kernel("", statement, version, target), new DeviceMemory()).Dispose();
        PtxException exception = Assert.Throws<PtxException>(() =>
        {
            using PtxProgram program = PtxProgram.Load(Snippet.Kernel("", statement, olderVersion, olderTarget), new DeviceMemory());
        });
        Assert.Contains("needs .", exception.Message);
    }

    [Fact]
    public void A_text_for_a_newer_driver_or_another_device()
    {
        Assert.True(Refused("8.0", "sm_80", maxVersion: 78).IsVersion);
        Assert.True(Refused("7.0", "sm_90", maxVersion: 85).IsTarget);
        Assert.True(Refused("7.0", "sm_80a", maxVersion: 85, capability: 90).IsTarget);
    }

    private static PtxException Refused(string version, string target, int maxVersion, int capability = 80) => Assert.Throws<PtxException>(() =>
    {
        using PtxProgram program = PtxProgram.Load(Snippet.Kernel("", "", version, target), new DeviceMemory(), maxVersion, capability);
    });
}
