// Dropout by a counter-based generator (Backends/Dropout.cs defines it): sixteen counters side by side give the factors of 128
// columns.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>What numbers are multiplied by: 0 or <see cref="Dropout.Scale"/>.</summary>
internal readonly unsafe struct DropoutFactors(in Dropout dropout)
{
    private readonly ulong _key = dropout.Key;
    private readonly uint _site = (uint)dropout.Site;
    private readonly uint _threshold = (uint)dropout.Threshold;
    private readonly float _scale = dropout.Scale;

    /// <summary>Whether nothing is dropped.</summary>
    public bool IsNone => _threshold == 0;

    /// <summary>Factors of 128 columns of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="group">Which 128 columns.</param>
    /// <param name="factors">Room for 128.</param>
    [SkipLocalsInit]
    private void Fill(long row, int group, float* factors)
    {
        var words = new PhiloxLanes(_key, group, (uint)row, (uint)(row >> 32), _site);
        Put(words.W0, factors);
        Put(words.W1, factors + (2 * Lanes.Count));
        Put(words.W2, factors + (4 * Lanes.Count));
        Put(words.W3, factors + (6 * Lanes.Count));
    }

    /// <summary>y = x · factors, for some columns of a row; y may be x.</summary>
    /// <param name="row">The row.</param>
    /// <param name="firstColumn">The column of the first number.</param>
    /// <param name="x">The numbers.</param>
    /// <param name="y">The results.</param>
    /// <param name="count">How many.</param>
    [SkipLocalsInit]
    public void Multiply<TSimd>(long row, int firstColumn, float* x, float* y, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* memory = stackalloc float[Dropout.GroupColumns + Lanes.Count], factors = Lanes.Align(memory);
        for (int done = 0, width; done < count; done += width)
        {
            int column = firstColumn + done, within = column % Dropout.GroupColumns;
            width = Math.Min(Dropout.GroupColumns - within, count - done);
            Fill(row, column / Dropout.GroupColumns, factors);
            Elementwise<Multiplication>.Row<TSimd>(x + done, factors + within, y + done, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Put(Vector512<uint> word, float* factors)
    {
        Vector512<uint> scale = Vector512.Create(_scale).AsUInt32(), threshold = Vector512.Create(_threshold);
        Vector512<uint> low = word & Vector512.Create(0xFFFFu), high = word >>> 16;
        (Vector512.GreaterThanOrEqual(low, threshold) & scale).AsSingle().Store(factors);
        (Vector512.GreaterThanOrEqual(high, threshold) & scale).AsSingle().Store(factors + Lanes.Count);
    }
}

/// <summary>y = x · factors.</summary>
internal readonly unsafe struct DropoutRows(FloatRows x, FloatRows y, int columns, DropoutFactors factors) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++) factors.Multiply<TSimd>(row, 0, x[row], y[row], columns);
    }
}
