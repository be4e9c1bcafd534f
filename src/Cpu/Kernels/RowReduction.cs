// Sums over a row as the numerics contract has them: written once, so that no kernel adds in another order.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>What an element adds to a sum.</summary>
internal interface ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
{
    /// <summary>chain + f(x), lane by lane.</summary>
    TSimd Add(TSimd chain, TSimd x);
}

/// <summary>What is done on the way, for each whole step of a sum: the memory works while the processor computes.</summary>
internal interface IBeside
{
    /// <summary>The step that begins with a column.</summary>
    void Step<TSimd>(nint column) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>Nothing.</summary>
internal readonly struct NothingBeside : IBeside
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step<TSimd>(nint column) where TSimd : unmanaged, ISimd<TSimd>
    {
    }
}

/// <summary>Sums over a row.</summary>
internal static unsafe class RowReduction
{
    /// <summary>Elements of one step of all chains.</summary>
    public const int Step = 4 * Lanes.Count;

    /// <summary>
    /// Σ f(x). Column i goes to lane i mod 16 of chain (i / 16) mod 4, in ascending order; the chains are joined as
    /// (c₀ + c₁) + (c₂ + c₃), their lanes by halves. Lanes beyond the last column add nothing.
    /// </summary>
    /// <remarks>
    /// Four chains: an addition takes 3 to 4 cycles, and one chain would wait for each. The loop is a method of its own, and not
    /// inlined, because the JIT keeps a chain in a register only where no call follows it and where it can track all variables:
    /// with the rest of a row beside it, every step stored the chains and loaded them again.
    /// </remarks>
    public static float Sum<TSimd, TTerm>(float* x, int columns, TTerm term)
        where TSimd : unmanaged, ISimd<TSimd>
        where TTerm : unmanaged, ITerm<TSimd> => Sum<TSimd, TTerm, NothingBeside>(x, columns, term, default);

    /// <summary>The same sum, and something on the way.</summary>
    [SkipLocalsInit, MethodImpl(MethodImplOptions.NoInlining)]
    public static float Sum<TSimd, TTerm, TBeside>(float* x, int columns, TTerm term, TBeside beside)
        where TSimd : unmanaged, ISimd<TSimd>
        where TTerm : unmanaged, ITerm<TSimd>
        where TBeside : unmanaged, IBeside
    {
        float* memory = stackalloc float[Step + Lanes.Count], chains = Lanes.Align(memory);
        AddSteps<TSimd, TTerm, TBeside>(x, columns, term, beside, chains);
        int left = columns % Step;
        float* rest = x + (columns - left);
        for (int start = 0; start < left; start += Lanes.Count)
        {
            TSimd chain = TSimd.Load(chains + start);
            TSimd.Store(AddFirst(chain, rest + start, left - start, term), chains + start);
        }

        return TSimd.Sum(
            (TSimd.Load(chains) + TSimd.Load(chains + Lanes.Count))
            + (TSimd.Load(chains + (2 * Lanes.Count)) + TSimd.Load(chains + (3 * Lanes.Count))));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddSteps<TSimd, TTerm, TBeside>(float* x, int columns, TTerm term, TBeside beside, float* chains)
        where TSimd : unmanaged, ISimd<TSimd>
        where TTerm : unmanaged, ITerm<TSimd>
        where TBeside : unmanaged, IBeside
    {
        TSimd c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero, c3 = TSimd.Zero;
        for (nint i = 0; i <= columns - Step; i += Step)
        {
            c0 = term.Add(c0, TSimd.Load(x + i));
            c1 = term.Add(c1, TSimd.Load(x + i + Lanes.Count));
            c2 = term.Add(c2, TSimd.Load(x + i + (2 * Lanes.Count)));
            c3 = term.Add(c3, TSimd.Load(x + i + (3 * Lanes.Count)));
            beside.Step<TSimd>(i);
        }

        TSimd.Store(c0, chains);
        TSimd.Store(c1, chains + Lanes.Count);
        TSimd.Store(c2, chains + (2 * Lanes.Count));
        TSimd.Store(c3, chains + (3 * Lanes.Count));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TSimd AddFirst<TSimd, TTerm>(TSimd chain, float* x, int count, TTerm term)
        where TSimd : unmanaged, ISimd<TSimd>
        where TTerm : unmanaged, ITerm<TSimd>
    {
        if (count >= Lanes.Count) return term.Add(chain, TSimd.Load(x));
        float* lanes = stackalloc float[2 * Lanes.Count];
        TSimd.Store(chain, lanes);
        TSimd.Store(term.Add(chain, Lanes.LoadFirst<TSimd>(x, count)), lanes + Lanes.Count);
        for (int lane = 0; lane < count; lane++) lanes[lane] = lanes[Lanes.Count + lane];
        return TSimd.Load(lanes);
    }
}

/// <summary>Σ x.</summary>
internal readonly struct ValueTerm<TSimd> : ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd Add(TSimd chain, TSimd x) => chain + x;
}

/// <summary>Σ (x − center)².</summary>
internal readonly struct SquaredDistanceTerm<TSimd>(TSimd center) : ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
{
    private readonly TSimd _center = center;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd Add(TSimd chain, TSimd x)
    {
        TSimd distance = x - _center;
        return TSimd.Fma(distance, distance, chain);
    }
}
