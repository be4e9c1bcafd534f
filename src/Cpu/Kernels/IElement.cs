// How a float weight is stored, and how sixteen of them become float32: the one thing in which float products differ.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>The element type of a float weight.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Bytes { get; }

    /// <summary>Loads sixteen elements; widening is exact.</summary>
    static abstract TSimd Load<TSimd>(byte* source) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>IEEE 754 binary32.</summary>
internal readonly unsafe struct Float32Element : IElement
{
    public static int Bytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* source) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Load((float*)source);
}

/// <summary>The upper half of a binary32.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Bytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* source) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.LoadBFloat16((ushort*)source);
}

/// <summary>IEEE 754 binary16.</summary>
internal readonly unsafe struct Float16Element : IElement
{
    public static int Bytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* source) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.LoadFloat16((ushort*)source);
}
