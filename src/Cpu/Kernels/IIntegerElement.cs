// How an integer weight is stored, and how thirty-two of them become 16-bit factors.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>The element type of an integer weight.</summary>
internal unsafe interface IIntegerElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Bytes { get; }

    /// <summary>Loads thirty-two elements.</summary>
    static abstract TIntegers Load<TIntegers>(byte* source) where TIntegers : unmanaged, IIntegers<TIntegers>;
}

/// <summary>
/// Inputs of integer products come in groups of four: 32 bits of 8-bit numbers, as dot-product instructions want it.
/// </summary>
internal static class IntegerGroup
{
    /// <summary>Inputs of a group.</summary>
    public const int Inputs = 4;

    /// <summary>Groups for a number of inputs; the missing inputs of the last are zero.</summary>
    public static int Count(int inputs) => (inputs + (Inputs - 1)) / Inputs;
}

/// <summary>Signed 8-bit integers.</summary>
internal readonly unsafe struct Int8Element : IIntegerElement
{
    public static int Bytes => sizeof(sbyte);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TIntegers Load<TIntegers>(byte* source) where TIntegers : unmanaged, IIntegers<TIntegers> =>
        TIntegers.WidenInt8((sbyte*)source);
}

/// <summary>Signed 16-bit integers.</summary>
internal readonly unsafe struct Int16Element : IIntegerElement
{
    public static int Bytes => sizeof(short);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TIntegers Load<TIntegers>(byte* source) where TIntegers : unmanaged, IIntegers<TIntegers> =>
        TIntegers.LoadInt16((short*)source);
}
