// What a filter does with the rows that its taps see, wherever they are: in a table, or in the blocks of a cache. So a step has the bits
// of one pass.
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Rows by number.</summary>
internal unsafe interface IRowSource
{
    /// <summary>First element of a row.</summary>
    float* this[int row] { get; }
}

/// <summary>The values of one row's history, by position.</summary>
internal readonly unsafe struct CachedHistory(in CacheBlocks cache, int* blocks) : IRowSource
{
    private readonly CacheBlocks _cache = cache;
    private readonly int* _blocks = blocks;

    /// <summary>The values of a position.</summary>
    public float* this[int position] =>
        _cache.Value(_blocks[position / KeyValueCache.BlockPositions], position % KeyValueCache.BlockPositions, 0);
}

/// <summary>One row of an operator with taps, of which from .. to − 1 see something.</summary>
internal static unsafe class TapRows
{
    /// <summary>Copies what the taps see, side by side; zeros for the others.</summary>
    public static void Lay<TRows>(TRows x, int row, int columns, in TapRange taps, int from, int to, float* target)
        where TRows : unmanaged, IRowSource
    {
        new Span<float>(target, from * columns).Clear();
        for (int tap = from; tap < to; tap++)
        {
            var source = new ReadOnlySpan<float>(x[(int)(row + taps.Offset(tap))], columns);
            source.CopyTo(new Span<float>(target + ((nint)tap * columns), columns));
        }

        new Span<float>(target + ((nint)to * columns), (taps.Count - to) * columns).Clear();
    }

    /// <summary>The row with which a depthwise convolution begins: its bias, or zeros.</summary>
    public static void Start(float* bias, int columns, float* target)
    {
        if (bias is null) new Span<float>(target, columns).Clear();
        else new ReadOnlySpan<float>(bias, columns).CopyTo(new Span<float>(target, columns));
    }

    /// <summary>target += filter[tap] ⊙ x at the tap, taps ascending, from a column on.</summary>
    public static void Add<TSimd, TRows>(
        TRows x, int row, FloatRows filter, int column, int columns, in TapRange taps, int from, int to, float* target)
        where TSimd : unmanaged, ISimd<TSimd>
        where TRows : unmanaged, IRowSource
    {
        if (from >= to) return;
        for (; column < columns; column += Lanes.Count)
        {
            int count = Math.Min(Lanes.Count, columns - column);
            TSimd sum = Lanes.LoadFirst<TSimd>(target + column, count);
            for (int tap = from; tap < to; tap++)
            {
                TSimd value = Lanes.LoadFirst<TSimd>(x[(int)(row + taps.Offset(tap))] + column, count);
                TSimd.Accumulate(ref sum, value, Lanes.LoadFirst<TSimd>(filter[tap] + column, count));
            }

            Lanes.StoreFirst(sum, target + column, count);
        }
    }
}
