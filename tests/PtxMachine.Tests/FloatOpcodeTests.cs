// Each float opcode against its definition: rounding to nearest even, subnormals, zeros with signs, infinities, NaN.
using Xunit;

namespace PtxMachine.Tests;

public sealed class FloatOpcodeTests
{
    [Fact]
    public void Exact_arithmetic_is_rounded_once()
    {
        Edges.CheckFloat("add.rn.f32 %d, %a, %b;", (a, b, _) => a + b);
        Edges.CheckFloat("sub.f32 %d, %a, %b;", (a, b, _) => a - b);
        Edges.CheckFloat("mul.rn.f32 %d, %a, %b;", (a, b, _) => a * b);
        Edges.CheckFloat("div.rn.f32 %d, %a, %b;", (a, b, _) => a / b);
        Edges.CheckFloat("fma.rn.f32 %d, %a, %b, %c;", MathF.FusedMultiplyAdd);
        Edges.CheckFloat("sqrt.rn.f32 %d, %a;", (a, _, _) => MathF.Sqrt(a));
        Edges.CheckFloat("rcp.rn.f32 %d, %a;", (a, _, _) => 1 / a);
    }

    [Fact]
    public void A_fused_step_keeps_what_two_steps_lose()
    {
        // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, which the product alone rounds away.
        uint x = BitConverter.SingleToUInt32Bits(1 + (1 / 4096f)), c = BitConverter.SingleToUInt32Bits(-(1 + (1 / 2048f)));
        uint[] fused = Snippet.Run32("fma.rn.f32 %d, %a, %a, %c;", [x], [x], [c]);
        uint[] apart = Snippet.Run32("mul.rn.f32 %x0, %a, %a; add.rn.f32 %d, %x0, %c;", [x], [x], [c]);
        Assert.Equal(MathF.Pow(2, -24), Edges.Single(fused[0]));
        Assert.Equal(0f, Edges.Single(apart[0]));
    }

    [Fact]
    public void Flushing_treats_subnormals_as_zeros()
    {
        Edges.CheckFloat("add.ftz.f32 %d, %a, %b;", (a, b, _) => Flush(Flush(a) + Flush(b)));
        Edges.CheckFloat("mul.ftz.f32 %d, %a, %b;", (a, b, _) => Flush(Flush(a) * Flush(b)));
        Edges.CheckFloat("fma.rn.ftz.f32 %d, %a, %b, %c;", (a, b, c) => Flush(MathF.FusedMultiplyAdd(Flush(a), Flush(b), Flush(c))));
    }

    [Fact]
    public void Saturation_is_between_zero_and_one()
    {
        Edges.CheckFloat("add.sat.f32 %d, %a, %b;", (a, b, _) => a + b > 0 ? Math.Min(a + b, 1) : 0);
    }

    [Fact]
    public void Smallest_and_largest_prefer_numbers_to_NaN()
    {
        Edges.CheckFloat("min.f32 %d, %a, %b;", Least);
        Edges.CheckFloat("max.f32 %d, %a, %b;", (a, b, c) => -Least(-a, -b, c));
        Edges.CheckFloat("max.NaN.f32 %d, %a, %b;", (a, b, c) => float.IsNaN(a) || float.IsNaN(b) ? float.NaN : -Least(-a, -b, c));
    }

    [Fact]
    public void Signs_are_bits()
    {
        Edges.Check32("neg.f32 %d, %a;", (a, _, _) => a ^ 0x80000000, Edges.FloatBits);
        Edges.Check32("abs.f32 %d, %a;", (a, _, _) => a & 0x7FFFFFFF, Edges.FloatBits);
        Edges.Check32("copysign.f32 %d, %a, %b;", (a, b, _) => (a & 0x80000000) | (b & 0x7FFFFFFF), Edges.FloatBits);
    }

    [Fact]
    public void Approximate_instructions_answer_with_the_nearest_value()
    {
        Edges.CheckFloat("ex2.approx.ftz.f32 %d, %a;", (a, _, _) => Flush((float)Math.Pow(2, Flush(a))));
        Edges.CheckFloat("lg2.approx.f32 %d, %a;", (a, _, _) => (float)Math.Log2(a));
        Edges.CheckFloat("rsqrt.approx.f32 %d, %a;", (a, _, _) => (float)(1 / Math.Sqrt(a)));
        Edges.CheckFloat("rcp.approx.ftz.f32 %d, %a;", (a, _, _) => Flush((float)(1 / (double)Flush(a))));
        Edges.CheckFloat("tanh.approx.f32 %d, %a;", (a, _, _) => (float)Math.Tanh(a));
        Edges.CheckFloat("div.full.f32 %d, %a, %b;", (a, b, _) => a / b);
    }

    [Fact]
    public void Double_precision()
    {
        Edges.CheckFloat("cvt.f64.f32 %y0, %a; cvt.f64.f32 %y1, %b; cvt.f64.f32 %y2, %c; fma.rn.f64 %y3, %y0, %y1, %y2; cvt.rn.f32.f64 %d, %y3;",
            (a, b, c) => (float)Math.FusedMultiplyAdd((double)a, b, c));
        Edges.CheckFloat("cvt.f64.f32 %y0, %a; cvt.f64.f32 %y1, %b; div.rn.f64 %y3, %y0, %y1; cvt.rn.f32.f64 %d, %y3;", (a, b, _) => (float)((double)a / b));
        Edges.CheckFloat("cvt.f64.f32 %y0, %a; sqrt.rn.f64 %y1, %y0; neg.f64 %y2, %y1; cvt.rn.f32.f64 %d, %y2;", (a, _, _) => (float)-Math.Sqrt(a));
    }

    [Fact]
    public void Half_precision_is_rounded_once()
    {
        Edges.CheckFloat("cvt.rn.f16.f32 %h0, %a; cvt.rn.f16.f32 %h1, %b; add.f16 %h2, %h0, %h1; cvt.f32.f16 %d, %h2;",
            (a, b, _) => (float)(Half)((float)(Half)a + (float)(Half)b));
        Edges.CheckFloat("cvt.rn.f16.f32 %h0, %a; cvt.rn.f16.f32 %h1, %b; mul.f16 %h2, %h0, %h1; cvt.f32.f16 %d, %h2;",
            (a, b, _) => (float)(Half)((double)(Half)a * (double)(Half)b));
    }

    private static float Flush(float a) => float.IsSubnormal(a) ? MathF.CopySign(0, a) : a;

    private static float Least(float a, float b, float c)
    {
        if (float.IsNaN(a)) return b;
        if (float.IsNaN(b)) return a;
        if (a == 0 && b == 0) return float.IsNegative(a) ? a : b;
        return a < b ? a : b;
    }
}
