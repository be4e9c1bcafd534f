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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd scale = TSimd.Broadcast(step.GradientScale), beta1 = TSimd.Broadcast(step.Beta1), beta2 = TSimd.Broadcast(step.Beta2);
        TSimd rest1 = TSimd.Broadcast(1f - step.Beta1), rest2 = TSimd.Broadcast(1f - step.Beta2);
        TSimd correction1 = TSimd.Broadcast(step.FirstCorrection), correction2 = TSimd.Broadcast(step.SecondCorrection);
        TSimd epsilon = TSimd.Broadcast(step.Epsilon), rate = TSimd.Broadcast(step.LearningRate);
        TSimd keep = TSimd.Broadcast(1f - (step.LearningRate * step.Decay));
        long begin = (long)tile * ElementsOfTile, end = Math.Min(begin + ElementsOfTile, count);
        for (long i = begin; i < end; i += Lanes.Count)
        {
            int lanes = (int)Math.Min(Lanes.Count, end - i);
            TSimd g = Lanes.LoadFirst<TSimd>(gradient + i, lanes) * scale;
            TSimd m = TSimd.Fma(beta1, Lanes.LoadFirst<TSimd>(first + i, lanes), rest1 * g);
            TSimd v = TSimd.Fma(beta2, Lanes.LoadFirst<TSimd>(second + i, lanes), rest2 * (g * g));
            Lanes.StoreFirst(m, first + i, lanes);
            Lanes.StoreFirst(v, second + i, lanes);
            TSimd change = rate * ((m / correction1) / (TSimd.Sqrt(v / correction2) + epsilon));
            Lanes.StoreFirst((Lanes.LoadFirst<TSimd>(x + i, lanes) * keep) - change, x + i, lanes);
        }
    }
}
