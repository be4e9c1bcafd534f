// The 16-bit floats: to f32 exactly, from f32 to the nearest, ties to even.
namespace PtxMachine.Opcodes;

internal interface IHalfFormat
{
    static abstract float ToSingle(ushort bits);

    static abstract ushort FromSingle(float value);

    static abstract ushort FromDouble(double value);
}

internal readonly struct F16 : IHalfFormat
{
    public static float ToSingle(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    public static ushort FromSingle(float value) => float.IsNaN(value) ? (ushort)0x7FFF : BitConverter.HalfToUInt16Bits((Half)value);

    public static ushort FromDouble(double value) => double.IsNaN(value) ? (ushort)0x7FFF : BitConverter.HalfToUInt16Bits((Half)value);
}

internal readonly struct BF16 : IHalfFormat
{
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    public static ushort FromSingle(float value)
    {
        if (float.IsNaN(value)) return 0x7FFF;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    public static ushort FromDouble(double value)
    {
        // Rounding to f32 first may round twice: a double that is not a float goes to the odd neighbour before.
        float single = (float)value;
        if (double.IsNaN(value) || double.IsInfinity(value) || single == value) return FromSingle(single);
        uint bits = BitConverter.SingleToUInt32Bits(single);
        bool tooFar = Math.Abs((double)single) > Math.Abs(value);
        if (tooFar) bits--;
        return FromSingle(BitConverter.UInt32BitsToSingle(bits | 1));
    }
}
