// A function of one number, written once for every rung: what an activation is to the loop that applies it.
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>A function applied to each lane.</summary>
internal interface IMap
{
    static abstract TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>;
}
