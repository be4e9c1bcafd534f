// The backward of LayerNorm.cs. With x̂ = (x − mean) · r and g = dy · gain: dx = r · (g − mean(g) − x̂ · mean(g · x̂)), dgain = Σ dy · x̂,
// dbias = Σ dy.
// x, dy, dx [rows, columns], gain [columns].
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Gradients of layer normalisation, some rows a tile.</summary>
/// <remarks>
/// A tile is always the same rows, whatever the threads: what it adds to gain and bias goes to a row of its own, and
/// <see cref="ColumnSums"/> adds these rows in order.
/// </remarks>
internal readonly unsafe struct LayerNormGradient(
    FloatRows x, FloatRows dy, FloatRows passed, bool hasPassed, FloatRows dx, float* gain, float* partial, int rows, int columns,
    float epsilon, bool isRms) : ITileKernel
{
    /// <summary>Rows of a tile.</summary>
    public const int RowsOfTile = 32;

    /// <summary>Floats of a tile's sums: for the gain, then for the bias, in whole vectors.</summary>
    public static int PartialFloats(int columns) => 2 * Lanes.RoundUp(columns);

    /// <summary>Tiles of so many rows.</summary>
    public static int TilesOf(int rows) => (rows + RowsOfTile - 1) / RowsOfTile;

    [SkipLocalsInit]
    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* gains = partial + ((nint)tile * PartialFloats(columns)), biases = gains + Lanes.RoundUp(columns);
        new Span<float>(gains, PartialFloats(columns)).Clear();
        int end = Math.Min(rows, (tile + 1) * RowsOfTile);
        for (int row = tile * RowsOfTile; row < end; row++)
        {
            // The steps of LayerNorm.cs.
            float mean = isRms ? 0f : RowReduction.Sum<TSimd, ValueTerm<TSimd>>(x[row], columns, default) / columns;
            var squares = new SquaredDistanceTerm<TSimd>(TSimd.Broadcast(mean));
            float variance = RowReduction.Sum<TSimd, SquaredDistanceTerm<TSimd>>(x[row], columns, squares) / columns;
            float r = 1f / MathF.Sqrt(variance + epsilon);
            Measure<TSimd>(x[row], dy[row], mean, r, gains, biases, out float sum, out float product);
            Scale<TSimd>(
                x[row], dy[row], hasPassed ? passed[row] : null, dx[row], mean, r, isRms ? 0f : sum / columns, product / columns);
        }
    }

    // Σ g and Σ g · x̂, each two chains, and what the row adds to gain and bias.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Measure<TSimd>(
        float* x, float* dy, float mean, float r, float* gains, float* biases, out float sum, out float product)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd center = TSimd.Broadcast(mean), factor = TSimd.Broadcast(r);
        TSimd sums = TSimd.Zero, products = TSimd.Zero;
        nint i = 0;
        for (; i <= columns - Lanes.Count; i += Lanes.Count)
        {
            TSimd d = TSimd.Load(dy + i), normal = (TSimd.Load(x + i) - center) * factor, g = d * TSimd.Load(gain + i);
            sums += g;
            products = TSimd.Fma(g, normal, products);
            TSimd.Store(TSimd.Fma(d, normal, TSimd.Load(gains + i)), gains + i);
            TSimd.Store(TSimd.Load(biases + i) + d, biases + i);
        }

        int left = (int)(columns - i);
        if (left > 0)
        {
            TSimd d = Lanes.LoadFirst<TSimd>(dy + i, left);
            TSimd normal = (Lanes.LoadFirst<TSimd>(x + i, left) - center) * factor, g = d * Lanes.LoadFirst<TSimd>(gain + i, left);
            sums += g;
            products = TSimd.Fma(g, normal, products);
            TSimd.Store(TSimd.Fma(d, normal, TSimd.Load(gains + i)), gains + i);
            TSimd.Store(TSimd.Load(biases + i) + d, biases + i);
        }

        sum = TSimd.Sum(sums);
        product = TSimd.Sum(products);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Scale<TSimd>(
        float* x, float* dy, float* passed, float* dx, float mean, float r, float meanGradient, float meanProduct)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd center = TSimd.Broadcast(mean), factor = TSimd.Broadcast(r);
        TSimd first = TSimd.Broadcast(meanGradient), second = TSimd.Broadcast(-meanProduct);
        for (nint i = 0; i < columns; i += Lanes.Count)
        {
            int count = (int)Math.Min(columns - i, Lanes.Count);
            TSimd normal = (Lanes.LoadFirst<TSimd>(x + i, count) - center) * factor;
            TSimd g = (Lanes.LoadFirst<TSimd>(dy + i, count) * Lanes.LoadFirst<TSimd>(gain + i, count)) - first;
            TSimd from = passed == null ? TSimd.Zero : Lanes.LoadFirst<TSimd>(passed + i, count);
            Lanes.StoreFirst(TSimd.Fma(factor, TSimd.Fma(normal, second, g), from), dx + i, count);
        }
    }
}
