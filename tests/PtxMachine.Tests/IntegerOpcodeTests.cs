// Each integer opcode against its definition, written again as plain C# on one element.
using System.Numerics;
using Xunit;

namespace PtxMachine.Tests;

public sealed class IntegerOpcodeTests
{
    [Fact]
    public void Sums_and_products_of_32_bits()
    {
        Edges.Check32("add.u32 %d, %a, %b;", (a, b, _) => a + b);
        Edges.Check32("sub.s32 %d, %a, %b;", (a, b, _) => a - b);
        Edges.Check32("mul.lo.u32 %d, %a, %b;", (a, b, _) => a * b);
        Edges.Check32("mul.hi.u32 %d, %a, %b;", (a, b, _) => (uint)(((ulong)a * b) >> 32));
        Edges.Check32("mul.hi.s32 %d, %a, %b;", (a, b, _) => (uint)(((long)(int)a * (int)b) >> 32));
        Edges.Check32("mad.lo.s32 %d, %a, %b, %c;", (a, b, c) => (a * b) + c);
        Edges.Check32("mad.hi.u32 %d, %a, %b, %c;", (a, b, c) => (uint)(((ulong)a * b) >> 32) + c);
        Edges.Check32("neg.s32 %d, %a;", (a, _, _) => 0 - a);
        Edges.Check32("abs.s32 %d, %a;", (a, _, _) => (int)a < 0 ? 0 - a : a);
    }

    [Fact]
    public void Quotients_of_32_bits()
    {
        Edges.Check32("div.u32 %d, %a, %b;", (a, b, _) => b == 0 ? ~0u : a / b);
        Edges.Check32("rem.u32 %d, %a, %b;", (a, b, _) => b == 0 ? a : a % b);
        Edges.Check32("div.s32 %d, %a, %b;", (a, b, _) => b == 0 ? ~0u : (uint)((long)(int)a / (int)b));
        Edges.Check32("rem.s32 %d, %a, %b;", (a, b, _) => b == 0 ? a : (uint)((long)(int)a % (int)b));
    }

    [Fact]
    public void Smallest_and_largest()
    {
        Edges.Check32("min.u32 %d, %a, %b;", (a, b, _) => Math.Min(a, b));
        Edges.Check32("max.u32 %d, %a, %b;", (a, b, _) => Math.Max(a, b));
        Edges.Check32("min.s32 %d, %a, %b;", (a, b, _) => (uint)Math.Min((int)a, (int)b));
        Edges.Check32("max.s32 %d, %a, %b;", (a, b, _) => (uint)Math.Max((int)a, (int)b));
        Edges.Check64("min.s64 %d, %a, %b;", (a, b, _) => (ulong)Math.Min((long)a, (long)b));
        Edges.Check64("max.u64 %d, %a, %b;", (a, b, _) => Math.Max(a, b));
    }

    [Fact]
    public void Arithmetic_of_64_bits()
    {
        Edges.Check64("add.s64 %d, %a, %b;", (a, b, _) => a + b);
        Edges.Check64("sub.s64 %d, %a, %b;", (a, b, _) => a - b);
        Edges.Check64("mul.lo.s64 %d, %a, %b;", (a, b, _) => a * b);
        Edges.Check64("mul.hi.u64 %d, %a, %b;", (a, b, _) => (ulong)(((UInt128)a * b) >> 64));
        Edges.Check64("mul.hi.s64 %d, %a, %b;", (a, b, _) => (ulong)(((Int128)(long)a * (long)b) >> 64));
        Edges.Check64("mad.lo.s64 %d, %a, %b, %c;", (a, b, c) => (a * b) + c);
        Edges.Check64("div.s64 %d, %a, %b;", (a, b, _) => b == 0 ? ~0ul : (ulong)((Int128)(long)a / (long)b));
        Edges.Check64("rem.u64 %d, %a, %b;", (a, b, _) => b == 0 ? a : a % b);
        Edges.Check64("neg.s64 %d, %a;", (a, _, _) => 0 - a);
    }

    [Fact]
    public void Wide_products()
    {
        Edges.Check64("cvt.u32.u64 %t0, %a; cvt.u32.u64 %t1, %b; mul.wide.u32 %d, %t0, %t1;", (a, b, _) => (ulong)(uint)a * (uint)b);
        Edges.Check64("cvt.u32.u64 %t0, %a; cvt.u32.u64 %t1, %b; mul.wide.s32 %d, %t0, %t1;", (a, b, _) => (ulong)((long)(int)a * (int)b));
        Edges.Check64("cvt.u32.u64 %t0, %a; cvt.u32.u64 %t1, %b; mad.wide.s32 %d, %t0, %t1, %c;", (a, b, c) => (ulong)((long)(int)a * (int)b) + c);
        Edges.Check32("cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; mul.wide.s16 %d, %h0, %h1;", (a, b, _) => (uint)((short)a * (short)b));
        Edges.Check32("cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; mul.wide.u16 %d, %h0, %h1;", (a, b, _) => (uint)(ushort)a * (ushort)b);
    }

    [Fact]
    public void Logic_and_shifts()
    {
        Edges.Check32("and.b32 %d, %a, %b;", (a, b, _) => a & b);
        Edges.Check32("or.b32 %d, %a, %b;", (a, b, _) => a | b);
        Edges.Check32("xor.b32 %d, %a, %b;", (a, b, _) => a ^ b);
        Edges.Check32("not.b32 %d, %a;", (a, _, _) => ~a);
        Edges.Check32("cnot.b32 %d, %a;", (a, _, _) => a == 0 ? 1u : 0);
        Edges.Check32("shl.b32 %d, %a, %b;", (a, b, _) => b > 31 ? 0 : a << (int)b);
        Edges.Check32("shr.u32 %d, %a, %b;", (a, b, _) => b > 31 ? 0 : a >> (int)b);
        Edges.Check32("shr.s32 %d, %a, %b;", (a, b, _) => (uint)((int)a >> (int)Math.Min(b, 31)));
        Edges.Check64("cvt.u32.u64 %t0, %b; shl.b64 %d, %a, %t0;", (a, b, _) => (uint)b > 63 ? 0 : a << (int)b);
        Edges.Check64("cvt.u32.u64 %t0, %b; shr.s64 %d, %a, %t0;", (a, b, _) => (ulong)((long)a >> (int)Math.Min((uint)b, 63)));
        Edges.Check32("lop3.b32 %d, %a, %b, %c, 0xE8;", (a, b, c) => (a & b) | (a & c) | (b & c));
    }

    [Fact]
    public void Funnels_and_bytes()
    {
        Edges.Check32("shf.l.wrap.b32 %d, %a, %b, %c;", (a, b, c) => (uint)(((((ulong)b << 32) | a) << (int)(c & 31)) >> 32));
        Edges.Check32("shf.r.wrap.b32 %d, %a, %b, %c;", (a, b, c) => (uint)((((ulong)b << 32) | a) >> (int)(c & 31)));
        Edges.Check32("shf.l.clamp.b32 %d, %a, %b, %c;", (a, b, c) => c > 31 ? a : (uint)(((((ulong)b << 32) | a) << (int)c) >> 32));
        Edges.Check32("shf.r.clamp.b32 %d, %a, %b, %c;", (a, b, c) => c > 31 ? b : (uint)((((ulong)b << 32) | a) >> (int)c));
        Edges.Check32("prmt.b32 %d, %a, %b, 0x5410;", (a, b, _) => (a & 0xFFFF) | (b << 16));
        Edges.Check32("prmt.b32 %d, %a, %b, 0x9B36;", (a, b, _) =>
            ((b >> 16) & 255) | ((a >> 24) << 8) | (((int)a < 0 ? 255u : 0) << 16) | (((a & 0x8000) != 0 ? 255u : 0) << 24));
    }

    [Fact]
    public void Counts_and_fields_of_bits()
    {
        Edges.Check32("popc.b32 %d, %a;", (a, _, _) => (uint)BitOperations.PopCount(a));
        Edges.Check32("clz.b32 %d, %a;", (a, _, _) => (uint)BitOperations.LeadingZeroCount(a));
        Edges.Check32("brev.b32 %d, %a;", (a, _, _) => Convert.ToUInt32(new string([.. Convert.ToString(a, 2).PadLeft(32, '0').Reverse()]), 2));
        Edges.Check64("clz.b64 %t0, %a; cvt.u64.u32 %d, %t0;", (a, _, _) => (ulong)BitOperations.LeadingZeroCount(a));
        Edges.Check32("bfind.u32 %d, %a;", (a, _, _) => a == 0 ? ~0u : (uint)BitOperations.Log2(a));
        Edges.Check32("bfe.u32 %d, %a, 4, 8;", (a, _, _) => (a >> 4) & 255);
        Edges.Check32("bfe.s32 %d, %a, 28, 8;", (a, _, _) => (uint)((int)a >> 28));
        Edges.Check32("bfe.u32 %d, %a, 0, 0;", (_, _, _) => 0);
        Edges.Check32("bfi.b32 %d, %a, %b, 8, 4;", (a, b, _) => (b & ~0xF00u) | ((a & 15) << 8));
        Edges.Check32("bfi.b32 %d, %a, %b, 30, 9;", (a, b, _) => (b & 0x3FFFFFFF) | (a << 30));
    }

    [Fact]
    public void Sums_of_four_bytes()
    {
        Edges.Check32("dp4a.s32.s32 %d, %a, %b, %c;", (a, b, c) =>
            (uint)((int)c + Enumerable.Range(0, 4).Sum(i => (sbyte)(a >> (8 * i)) * (sbyte)(b >> (8 * i)))));
        Edges.Check32("dp4a.u32.u32 %d, %a, %b, %c;", (a, b, c) =>
            c + (uint)Enumerable.Range(0, 4).Sum(i => (byte)(a >> (8 * i)) * (byte)(b >> (8 * i))));
        Edges.Check32("dp4a.s32.u32 %d, %a, %b, %c;", (a, b, c) =>
            (uint)((int)c + Enumerable.Range(0, 4).Sum(i => (sbyte)(a >> (8 * i)) * (byte)(b >> (8 * i)))));
    }

    [Fact]
    public void Sixteen_bits()
    {
        Edges.Check32("cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; add.s16 %h2, %h0, %h1; cvt.u32.u16 %d, %h2;", (a, b, _) => (ushort)(a + b));
        Edges.Check32("cvt.u16.u32 %h0, %a; shr.u16 %h1, %h0, 3; cvt.u32.u16 %d, %h1;", (a, _, _) => (uint)((ushort)a >> 3));
        Edges.Check32("cvt.u16.u32 %h0, %a; cvt.u16.u32 %h1, %b; mov.b32 %d, {%h0, %h1};", (a, b, _) => (a & 0xFFFF) | (b << 16));
        Edges.Check32("mov.b32 {%h0, %h1}, %a; cvt.u32.u16 %d, %h1;", (a, _, _) => a >> 16);
    }
}
