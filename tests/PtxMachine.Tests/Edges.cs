// Values at which arithmetic goes wrong, and all pairs and triples of them.
using Xunit;

namespace PtxMachine.Tests;

internal static class Edges
{
    public static readonly uint[] Integers32 =
    [
        0, 1, 2, 3, 7, 31, 32, 33, 255, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x12345678, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF,
        0xDEADBEEF,
    ];

    public static readonly ulong[] Integers64 =
    [
        0, 1, 2, 63, 64, 65, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001,
        0xFFFFFFFFFFFFFFFF, 0x123456789ABCDEF0,
    ];

    public static readonly float[] Floats =
    [
        0f, -0f, 1f, -1f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 3f, MathF.PI, float.Epsilon, -float.Epsilon, 1.1754942e-38f, 1.17549435e-38f,
        1e-30f, 16777217f, 2147483520f, 2147483648f, -2147483648f, 4294967296f, 3.4e38f, float.MaxValue, float.MinValue,
        float.PositiveInfinity, float.NegativeInfinity, float.NaN, 65504f, 65520f, 1.00390625f, 0.99999994f,
    ];

    public static uint[] FloatBits => [.. Floats.Select(BitConverter.SingleToUInt32Bits)];

    /// <summary>All triples (a, b, c) of values, c going through them as the pairs go on.</summary>
    public static (T[] A, T[] B, T[] C) Triples<T>(T[] values)
    {
        var a = new List<T>();
        var b = new List<T>();
        var c = new List<T>();
        foreach (T x in values)
        {
            foreach (T y in values)
            {
                a.Add(x);
                b.Add(y);
                c.Add(values[(a.Count * 7) % values.Length]);
            }
        }

        return ([.. a], [.. b], [.. c]);
    }

    /// <summary>Statements on 32-bit integers give what a formula gives, for all edge values.</summary>
    public static void Check32(string statements, Func<uint, uint, uint, uint> formula, uint[]? values = null)
    {
        (uint[] a, uint[] b, uint[] c) = Triples(values ?? Integers32);
        uint[] found = Snippet.Run32(statements, a, b, c);
        for (int i = 0; i < a.Length; i++)
        {
            uint expected = formula(a[i], b[i], c[i]);
            if (expected != found[i]) Assert.Fail($"{statements} of {a[i]:X8}, {b[i]:X8}, {c[i]:X8} is {found[i]:X8}, expected {expected:X8}");
        }
    }

    public static void Check64(string statements, Func<ulong, ulong, ulong, ulong> formula)
    {
        (ulong[] a, ulong[] b, ulong[] c) = Triples(Integers64);
        ulong[] found = Snippet.Run64(statements, a, b, c);
        for (int i = 0; i < a.Length; i++)
        {
            ulong expected = formula(a[i], b[i], c[i]);
            if (expected != found[i]) Assert.Fail($"{statements} of {a[i]:X16}, {b[i]:X16}, {c[i]:X16} is {found[i]:X16}, expected {expected:X16}");
        }
    }

    /// <summary>The same for f32: bits equal, or NaN on both sides.</summary>
    public static void CheckFloat(string statements, Func<float, float, float, float> formula)
    {
        (uint[] a, uint[] b, uint[] c) = Triples(FloatBits);
        uint[] found = Snippet.Run32(statements, a, b, c);
        for (int i = 0; i < a.Length; i++)
        {
            (float x, float y, float z) = (Single(a[i]), Single(b[i]), Single(c[i]));
            float expected = formula(x, y, z), result = Single(found[i]);
            if (float.IsNaN(expected) ? !float.IsNaN(result) : BitConverter.SingleToUInt32Bits(expected) != found[i])
                Assert.Fail($"{statements} of {x:R}, {y:R}, {z:R} is {result:R}, expected {expected:R}");
        }
    }

    public static float Single(uint bits) => BitConverter.UInt32BitsToSingle(bits);
}
