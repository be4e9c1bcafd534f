// ln x by one series with the same steps on every machine: a library's logarithm would differ between machines.
namespace Engine.Cpu.Kernels;

/// <summary>ln x, once a row, so in double precision and without vectors: within 0.500001 ulp.</summary>
internal static class Logarithm
{
    /// <summary>ln x.</summary>
    /// <param name="x">Positive, finite and normal.</param>
    public static float Invoke(float x)
    {
        // x = 2ⁿ m, √½ <= m < √2: the subtraction borrows from the exponent where the mantissa is below √½'s.
        const uint SqrtHalf = 0x3F3504F3;
        uint bits = BitConverter.SingleToUInt32Bits(x);
        int n = (int)(bits - SqrtHalf) >> 23;
        double m = BitConverter.UInt32BitsToSingle(bits - ((uint)n << 23));

        // ln m = 2 artanh z = 2 z (1 + z²/3 + z⁴/5 + ...), z = (m − 1)/(m + 1), z² <= 0.02945. What is left out begins with
        // z¹⁶/17 < 4e-14, a millionth of the ulp of a float32.
        double z = (m - 1) / (m + 1), w = z * z;
        double p = 1.0 / 15;
        p = (p * w) + (1.0 / 13);
        p = (p * w) + (1.0 / 11);
        p = (p * w) + (1.0 / 9);
        p = (p * w) + (1.0 / 7);
        p = (p * w) + (1.0 / 5);
        p = (p * w) + (1.0 / 3);
        p = (p * w) + 1.0;
        return (float)((n * 0.69314718055994530942) + (2 * z * p));
    }
}
