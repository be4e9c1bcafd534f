// The optimizer: the norm of all gradients, and one step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019).
// All tables are [n].
using System.Runtime.CompilerServices;
using Engine.Backends;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Σ x² of blocks of fixed size, each to a place of its own.</summary>
internal readonly unsafe struct BlockSquares(float* x, int count, float* sums) : ITileKernel
{
    /// <summary>Elements of a block.</summary>
    public const int Block = 16_384;

    /// <summary>Number of tiles, and of sums.</summary>
    public int Tiles => (int)(((long)count + Block - 1) / Block);

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        long first = (long)tile * Block;
        var term = new SquaredDistanceTerm<TSimd>(TSimd.Zero);
        sums[tile] = RowReduction.Sum<TSimd, SquaredDistanceTerm<TSimd>>(x + first, (int)Math.Min(Block, count - first), term);
    }
}

/// <summary>One step, some elements a tile.</summary>
internal readonly unsafe struct AdamUpdate(
    float* x, float* gradient, float* first, float* second, int count, AdamStep step) : ITileKernel
{
    private const int ElementsOfTile = 16_384;

    /// <summary>Number of tiles.</summary>
    public int Tiles => (int)(((long)count + ElementsOfTile - 1) / ElementsOfTile);

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        long begin = (long)tile * ElementsOfTile, end = Math.Min(begin + ElementsOfTile, count);
        long whole = begin + ((end - begin) & -Lanes.Count);
        var of = new Rates<TSimd>(step);
        Steps(x, gradient, first, second, begin, whole, of);
        if (whole < end) Rest(whole, (int)(end - whole), of);
    }

    // A method of its own, with nothing after the loop, so that the JIT keeps all rates in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Steps<TSimd>(float* x, float* gradient, float* first, float* second, long begin, long end, Rates<TSimd> of)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        for (long i = begin; i < end; i += Lanes.Count)
        {
            TSimd m = TSimd.Load(first + i), v = TSimd.Load(second + i);
            TSimd next = of.Step(TSimd.Load(x + i), TSimd.Load(gradient + i), ref m, ref v);
            TSimd.Store(m, first + i);
            TSimd.Store(v, second + i);
            TSimd.Store(next, x + i);
        }
    }

    private void Rest<TSimd>(long i, int lanes, Rates<TSimd> of) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd m = Lanes.LoadFirst<TSimd>(first + i, lanes), v = Lanes.LoadFirst<TSimd>(second + i, lanes);
        TSimd next = of.Step(Lanes.LoadFirst<TSimd>(x + i, lanes), Lanes.LoadFirst<TSimd>(gradient + i, lanes), ref m, ref v);
        Lanes.StoreFirst(m, first + i, lanes);
        Lanes.StoreFirst(v, second + i, lanes);
        Lanes.StoreFirst(next, x + i, lanes);
    }

    /// <summary>The rates, in all lanes.</summary>
    private readonly struct Rates<TSimd>(in AdamStep step) where TSimd : unmanaged, ISimd<TSimd>
    {
        private readonly TSimd _scale = TSimd.Broadcast(step.GradientScale);
        private readonly TSimd _beta1 = TSimd.Broadcast(step.Beta1), _rest1 = TSimd.Broadcast(1f - step.Beta1);
        private readonly TSimd _beta2 = TSimd.Broadcast(step.Beta2), _rest2 = TSimd.Broadcast(1f - step.Beta2);
        private readonly TSimd _correction1 = TSimd.Broadcast(step.FirstCorrection);
        private readonly TSimd _correction2 = TSimd.Broadcast(step.SecondCorrection);
        private readonly TSimd _epsilon = TSimd.Broadcast(step.Epsilon), _rate = TSimd.Broadcast(step.LearningRate);
        private readonly TSimd _keep = TSimd.Broadcast(1f - (step.LearningRate * step.Decay));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TSimd Step(TSimd x, TSimd gradient, ref TSimd m, ref TSimd v)
        {
            TSimd g = gradient * _scale;
            m = TSimd.Fma(_beta1, m, _rest1 * g);
            v = TSimd.Fma(_beta2, v, _rest2 * (g * g));
            return (x * _keep) - (_rate * ((m / _correction1) / (TSimd.Sqrt(v / _correction2) + _epsilon)));
        }
    }
}
