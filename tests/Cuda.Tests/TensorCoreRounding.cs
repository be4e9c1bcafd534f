// What the arithmetics of tensor cores make of a number, written another way than the kernels do it.
using Engine.Backends;

namespace Cuda.Tests;

internal static class TensorCoreRounding
{
    /// <summary>All that round.</summary>
    public static Arithmetic[] All => [Arithmetic.TensorFloat32, Arithmetic.BFloat16, Arithmetic.Float16];

    /// <summary>The unit roundoff: half the distance of 1 to the next number.</summary>
    public static double Unit(Arithmetic arithmetic) => arithmetic == Arithmetic.BFloat16 ? 1.0 / 256 : 1.0 / 2048;

    /// <summary>How far a number that is next to nothing may be moved.</summary>
    public static double Underflow(Arithmetic arithmetic) => arithmetic == Arithmetic.Float16 ? 1.0 / (1 << 25) : 1e-38;

    /// <summary>To the nearest; what is too large, to the largest.</summary>
    public static float Round(Arithmetic arithmetic, float value)
    {
        if (arithmetic == Arithmetic.Float16)
            return (float)(Half)Math.Clamp(value, (float)Half.MinValue, (float)Half.MaxValue);
        int dropped = arithmetic == Arithmetic.BFloat16 ? 16 : 13;
        float largest = BitConverter.UInt32BitsToSingle(0x7F7FFFFFu >> dropped << dropped);
        if (float.IsNaN(value) || Math.Abs(value) >= largest) return float.IsNaN(value) ? value : MathF.CopySign(largest, value);

        // Ties go to the even number in bfloat16, and away from zero in TF32.
        uint bits = BitConverter.SingleToUInt32Bits(value), step = 1u << dropped, rest = bits & (step - 1);
        bool isUp = rest > step / 2 || (rest == step / 2 && (arithmetic == Arithmetic.TensorFloat32 || (bits & step) != 0));
        return BitConverter.UInt32BitsToSingle(bits - rest + (isUp ? step : 0));
    }

    /// <summary>The same of many.</summary>
    public static float[] Round(Arithmetic arithmetic, float[] values) =>
        Array.ConvertAll(values, value => Round(arithmetic, value));
}
