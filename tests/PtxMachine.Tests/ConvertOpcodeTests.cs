// cvt and setp: ranges, roundings, NaN, and the pairs that inline assembly makes.
using Xunit;

namespace PtxMachine.Tests;

public sealed class ConvertOpcodeTests
{
    [Fact]
    public void Floats_to_integers_round_and_saturate()
    {
        Edges.Check32("cvt.rzi.s32.f32 %d, %a;", (a, _, _) => (uint)Clamp(Math.Truncate((double)Edges.Single(a))), Edges.FloatBits);
        Edges.Check32("cvt.rni.s32.f32 %d, %a;", (a, _, _) => (uint)Clamp(Math.Round((double)Edges.Single(a), MidpointRounding.ToEven)), Edges.FloatBits);
        Edges.Check32("cvt.rmi.s32.f32 %d, %a;", (a, _, _) => (uint)Clamp(Math.Floor((double)Edges.Single(a))), Edges.FloatBits);
        Edges.Check32("cvt.rzi.u32.f32 %d, %a;", (a, _, _) =>
        {
            double x = Math.Truncate((double)Edges.Single(a));
            return double.IsNaN(x) || x < 0 ? 0 : x >= 4294967295 ? ~0u : (uint)x;
        }, Edges.FloatBits);
    }

    [Fact]
    public void Floats_to_integral_floats()
    {
        Edges.CheckFloat("cvt.rni.f32.f32 %d, %a;", (a, _, _) => MathF.Round(a, MidpointRounding.ToEven));
        Edges.CheckFloat("cvt.rzi.f32.f32 %d, %a;", (a, _, _) => MathF.Truncate(a));
        Edges.CheckFloat("cvt.rmi.f32.f32 %d, %a;", (a, _, _) => MathF.Floor(a));
        Edges.CheckFloat("cvt.rpi.f32.f32 %d, %a;", (a, _, _) => MathF.Ceiling(a));
    }

    [Fact]
    public void Integers_to_floats()
    {
        Edges.Check32("cvt.rn.f32.s32 %d, %a;", (a, _, _) => BitConverter.SingleToUInt32Bits((float)(double)(int)a));
        Edges.Check32("cvt.rn.f32.u32 %d, %a;", (a, _, _) => BitConverter.SingleToUInt32Bits((float)(double)a));
        Edges.Check64("cvt.rn.f64.s64 %d, %a;", (a, _, _) => BitConverter.DoubleToUInt64Bits((double)(long)a));
    }

    [Fact]
    public void Integers_to_integers()
    {
        Edges.Check32("cvt.u64.u32 %w0, %a; cvt.u32.u64 %d, %w0;", (a, _, _) => a);
        Edges.Check64("cvt.u32.u64 %t0, %a; cvt.s64.s32 %d, %t0;", (a, _, _) => (ulong)(int)a);
        Edges.Check64("cvt.u32.u64 %t0, %a; cvt.u64.u32 %d, %t0;", (a, _, _) => (uint)a);
        Edges.Check32("cvt.s32.s8 %d, %a;", (a, _, _) => (uint)(sbyte)a);
        Edges.Check32("cvt.u16.u32 %h0, %a; cvt.s32.s16 %d, %h0;", (a, _, _) => (uint)(short)a);
        Edges.Check32("cvt.sat.s8.s32 %d, %a;", (a, _, _) => (uint)Math.Clamp((int)a, -128, 127));
    }

    [Fact]
    public void Sixteen_bit_floats()
    {
        Edges.CheckFloat("cvt.rn.f16.f32 %h0, %a; cvt.f32.f16 %d, %h0;", (a, _, _) => (float)(Half)a);
        Edges.Check32("cvt.rn.bf16x2.f32 %d, %a, %b;", (a, b, _) => (Brain(a) << 16) | Brain(b), Edges.FloatBits);
        Edges.Check32("cvt.rna.tf32.f32 %d, %a;", (a, _, _) => float.IsNaN(Edges.Single(a)) ? 0x7FFFFFFF : float.IsInfinity(Edges.Single(a)) ? a : (a + 0x1000) & 0xFFFFE000, Edges.FloatBits);
    }

    [Theory]
    [InlineData("eq", false)]
    [InlineData("ne", false)]
    [InlineData("lt", false)]
    [InlineData("le", false)]
    [InlineData("gt", false)]
    [InlineData("ge", false)]
    [InlineData("equ", true)]
    [InlineData("neu", true)]
    [InlineData("ltu", true)]
    [InlineData("leu", true)]
    [InlineData("gtu", true)]
    [InlineData("geu", true)]
    public void Comparisons_of_floats(string how, bool withNaN)
    {
        Edges.Check32($"setp.{how}.f32 %p0, %a, %b; selp.u32 %d, 1, 0, %p0;", (x, y, _) =>
        {
            (float a, float b) = (Edges.Single(x), Edges.Single(y));
            if (float.IsNaN(a) || float.IsNaN(b)) return withNaN ? 1u : 0;
            return Holds(how[..2], a.CompareTo(b) == 0 || a == b ? 0 : a < b ? -1 : 1) ? 1u : 0;
        }, Edges.FloatBits);
    }

    [Theory]
    [InlineData("eq")]
    [InlineData("ne")]
    [InlineData("lt")]
    [InlineData("le")]
    [InlineData("gt")]
    [InlineData("ge")]
    public void Comparisons_of_integers(string how)
    {
        Edges.Check32($"setp.{how}.s32 %p0, %a, %b; selp.u32 %d, 1, 0, %p0;", (a, b, _) => Holds(how, ((int)a).CompareTo((int)b)) ? 1u : 0);
        Edges.Check32($"setp.{how}.u32 %p0, %a, %b; selp.u32 %d, 1, 0, %p0;", (a, b, _) => Holds(how, a.CompareTo(b)) ? 1u : 0);
        Edges.Check64($"setp.{how}.s64 %p0, %a, %b; selp.b64 %d, 1, 0, %p0;", (a, b, _) => Holds(how, ((long)a).CompareTo((long)b)) ? 1u : 0);
    }

    [Fact]
    public void Comparisons_join_a_predicate_and_give_their_opposite()
    {
        Edges.Check32("setp.ne.s32 %p1, %c, 0; setp.lt.and.s32 %p0|%p2, %a, %b, %p1; selp.u32 %t0, 1, 0, %p0; selp.u32 %t1, 2, 0, %p2; or.b32 %d, %t0, %t1;",
            (a, b, c) => (((int)a < (int)b && c != 0) ? 1u : 0) | (((int)a >= (int)b && c != 0) ? 2u : 0));
        Edges.Check32("setp.ne.s32 %p1, %c, 0; setp.lt.or.s32 %p0, %a, %b, !%p1; selp.u32 %d, 1, 0, %p0;", (a, b, c) => (int)a < (int)b || c == 0 ? 1u : 0);
        Edges.Check32("setp.lt.s32 %p0, %a, %b; setp.lt.s32 %p1, %b, %c; xor.pred %p2, %p0, %p1; not.pred %p3, %p2; selp.u32 %d, 1, 0, %p3;",
            (a, b, c) => (int)a < (int)b == (int)b < (int)c ? 1u : 0);
    }

    private static int Clamp(double x) => double.IsNaN(x) ? 0 : x <= int.MinValue ? int.MinValue : x >= int.MaxValue ? int.MaxValue : (int)x;

    private static bool Holds(string how, int order) => how switch
    {
        "eq" => order == 0,
        "ne" => order != 0,
        "lt" => order < 0,
        "le" => order <= 0,
        "gt" => order > 0,
        _ => order >= 0,
    };

    // To nearest even by the exact halves of double precision, not by the trick with 0x7FFF.
    private static uint Brain(uint bits)
    {
        float x = Edges.Single(bits);
        if (float.IsNaN(x)) return 0x7FFF;
        if (float.IsInfinity(x)) return bits >> 16;
        uint below = bits >> 16;
        uint rest = bits & 0xFFFF;
        return rest > 0x8000 || (rest == 0x8000 && (below & 1) != 0) ? below + 1 : below;
    }
}
