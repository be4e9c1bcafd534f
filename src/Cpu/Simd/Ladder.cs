// The instruction set is chosen in one place, for every kernel.
using System.Runtime.CompilerServices;

namespace Engine.Cpu.Simd;

/// <summary>
/// A kernel with its arguments, written once for every rung; it crosses to worker threads as plain bytes.
/// </summary>
internal interface IKernel
{
    void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>A kernel that needs integers too.</summary>
internal interface IIntegerKernel
{
    void Run<TSimd, TIntegers>()
        where TSimd : unmanaged, ISimd<TSimd>
        where TIntegers : unmanaged, IIntegers<TIntegers>;
}

/// <summary>A rung: which vectors the kernels use. The bits of a result do not depend on it.</summary>
internal enum Rung
{
    Portable,
    Avx2,
    Avx512,
}

/// <summary>From a rung to the code for it.</summary>
internal static class Ladder
{
    /// <summary>The highest rung of this machine.</summary>
    public static Rung Best => Simd512.IsSupported ? Rung.Avx512 : Simd256.IsSupported ? Rung.Avx2 : Rung.Portable;

    /// <summary>
    /// Runs a kernel on a rung. A rung that the machine lacks still runs, slowly, by the runtime's own code: the tests
    /// use that.
    /// </summary>
    public static void Run<TKernel>(Rung rung, in TKernel kernel) where TKernel : unmanaged, IKernel
    {
        switch (rung)
        {
            case Rung.Avx512: On<TKernel, Simd512>(kernel); break;
            case Rung.Avx2: On<TKernel, Simd256>(kernel); break;
            default: On<TKernel, Simd128>(kernel); break;
        }
    }

    /// <summary>Runs a kernel that needs integers too on a rung.</summary>
    public static void RunIntegers<TKernel>(Rung rung, in TKernel kernel) where TKernel : unmanaged, IIntegerKernel
    {
        switch (rung)
        {
            case Rung.Avx512: On<TKernel, Simd512, Integers512>(kernel); break;
            case Rung.Avx2: On<TKernel, Simd256, Integers256>(kernel); break;
            default: On<TKernel, Simd128, Integers128>(kernel); break;
        }
    }

    // Three rungs of a kernel in one method, and that in its caller, are more variables than the JIT tracks (1,024): it then keeps
    // vectors in memory.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void On<TKernel, TSimd>(in TKernel kernel)
        where TKernel : unmanaged, IKernel
        where TSimd : unmanaged, ISimd<TSimd> => kernel.Run<TSimd>();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void On<TKernel, TSimd, TIntegers>(in TKernel kernel)
        where TKernel : unmanaged, IIntegerKernel
        where TSimd : unmanaged, ISimd<TSimd>
        where TIntegers : unmanaged, IIntegers<TIntegers> => kernel.Run<TSimd, TIntegers>();
}
