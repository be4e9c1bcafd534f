// Activations for machine-made tiles: rows of bytes or of bfloat16, one after the other.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>How such rows lie.</summary>
internal static class TileRow
{
    /// <summary>Rows of a tile for the pool.</summary>
    public const int RowsPerTile = 4;

    /// <summary>Tiles for the pool.</summary>
    public static int Tiles(int rows) => (rows + (RowsPerTile - 1)) / RowsPerTile;
}

/// <summary>
/// Rows as unsigned bytes: an int8 activation plus 128, as the dot product of bytes wants it. The same integers as
/// <see cref="Quantisation"/> gives. Needs AVX-512.
/// </summary>
internal unsafe struct ByteRows : IJob
{
    public int Rows;
    public int Inputs;

    /// <summary>The first row.</summary>
    public float* X;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    /// <summary>The first row of bytes; a row has room for whole groups of four.</summary>
    public byte* Bytes;

    /// <summary>From a row of bytes to the next.</summary>
    public nint ByteStride;

    /// <summary>[rows], 1 / what each row was multiplied by.</summary>
    public float* RowFactors;

    public ActivationRounding Rounding;

    public readonly void Execute(int tile, int worker)
    {
        int end = Math.Min(Rows, (tile + 1) * TileRow.RowsPerTile);
        for (int row = tile * TileRow.RowsPerTile; row < end; row++)
        {
            float* x = X + (row * Stride);
            float largest = Largest(x, Inputs);
            float scale = largest == 0f ? 1f : 127f / largest;
            RowFactors[row] = 1f / scale;
            Row(x, Inputs, scale, Bytes + (row * ByteStride), Rounding == ActivationRounding.Legacy);
        }
    }

    private static float Largest(float* x, int count)
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        int k = 0;
        for (; k <= count - 64; k += 64)
        {
            a = Avx512F.Max(Vector512.Abs(Vector512.Load(x + k)), a);
            b = Avx512F.Max(Vector512.Abs(Vector512.Load(x + k + 16)), b);
            c = Avx512F.Max(Vector512.Abs(Vector512.Load(x + k + 32)), c);
            d = Avx512F.Max(Vector512.Abs(Vector512.Load(x + k + 48)), d);
        }

        for (; k <= count - 16; k += 16) a = Avx512F.Max(Vector512.Abs(Vector512.Load(x + k)), a);
        a = Avx512F.Max(Avx512F.Max(a, b), Avx512F.Max(c, d));
        float largest = Lanes.MaxLane(Lanes.Max(a.GetLower(), a.GetUpper()));
        for (; k < count; k++)
        {
            float value = MathF.Abs(x[k]);
            largest = value > largest ? value : largest;
        }

        return largest;
    }

    // Rounded after the shift, as CTranslate2 does: see Quantisation.
    private static void Row(float* x, int count, float scale, byte* bytes, bool isLegacy)
    {
        int k = 0;
        if (isLegacy)
        {
            for (; k <= count - 16; k += 16) Shrink(Vector512.Floor(Shift(Vector512.Load(x + k), scale))).Store(bytes + k);
        }
        else
        {
            for (; k <= count - 16; k += 16) Shrink(Vector512.Round(Shift(Vector512.Load(x + k), scale))).Store(bytes + k);
        }

        if (k == count) return;
        float* last = stackalloc float[16];
        byte* lastBytes = stackalloc byte[16];
        for (int i = 0; i < 16; i++) last[i] = k + i < count ? x[k + i] : 0f;
        Vector512<float> shifted = Shift(Vector512.Load(last), scale);
        Shrink(isLegacy ? Vector512.Floor(shifted) : Vector512.Round(shifted)).Store(lastBytes);
        for (int i = 0; i < IntegerGroup.Count(count - k) * IntegerGroup.Inputs; i++) bytes[k + i] = lastBytes[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Shift(Vector512<float> x, float scale) =>
        (x * Vector512.Create(scale)) + Vector512.Create(128f);

    // 0 .. 255, what lies outside to the nearest; a NaN to 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Shrink(Vector512<float> whole)
    {
        Vector512<float> positive = Avx512F.Max(whole, Vector512<float>.Zero);
        return Avx512F.ConvertToVector128ByteWithSaturation(Avx512F.ConvertToVector512UInt32(positive));
    }
}

/// <summary>
/// Rows as bfloat16, to the nearest, ties to even. Inputs of a pair change places, as in the weight: the instruction takes the
/// upper one first, and so multiplies and adds in ascending k. A missing input of the last pair is zero. Needs AVX-512.
/// </summary>
internal unsafe struct BFloat16Rows : IJob
{
    public int Rows;
    public int Inputs;

    /// <summary>The first row.</summary>
    public float* X;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    /// <summary>The first row of bfloat16.</summary>
    public ushort* Halves;

    /// <summary>From a row of those to the next.</summary>
    public nint HalfStride;

    public readonly void Execute(int tile, int worker)
    {
        int end = Math.Min(Rows, (tile + 1) * TileRow.RowsPerTile);
        for (int row = tile * TileRow.RowsPerTile; row < end; row++) Row(X + (row * Stride), Inputs, Halves + (row * HalfStride));
    }

    private static void Row(float* x, int count, ushort* halves)
    {
        int k = 0;
        for (; k <= count - 16; k += 16) Pairs(Vector512.Load((uint*)x + k)).Store(halves + k);
        if (k == count) return;
        float* last = stackalloc float[16];
        ushort* lastHalves = stackalloc ushort[16];
        for (int i = 0; i < 16; i++) last[i] = k + i < count ? x[k + i] : 0f;
        Pairs(Vector512.Load((uint*)last)).Store(lastHalves);
        for (int i = 0; k + i < count + (count & 1); i++) halves[k + i] = lastHalves[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Pairs(Vector512<uint> bits)
    {
        Vector256<uint> halves = Avx512F.ConvertToVector256UInt16(BFloat16Rounding.Round(bits) >>> 16).AsUInt32();
        return ((halves << 16) | (halves >>> 16)).AsUInt16();
    }
}

/// <summary>Rows as bfloat16 that stay floats, for the kernels in C#. The same numbers as <see cref="BFloat16Rows"/> gives.</summary>
internal unsafe struct RoundedRows : IJob
{
    public int Rows;
    public int Inputs;

    /// <summary>The first row.</summary>
    public float* X;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    /// <summary>The first rounded row; rows follow each other without a gap.</summary>
    public float* Y;

    public readonly void Execute(int tile, int worker)
    {
        int end = Math.Min(Rows, (tile + 1) * TileRow.RowsPerTile);
        for (int row = tile * TileRow.RowsPerTile; row < end; row++)
        {
            uint* x = (uint*)(X + (row * Stride)), y = (uint*)(Y + ((nint)row * Inputs));
            for (int k = 0; k < Inputs; k++) y[k] = BFloat16Rounding.Round(x[k]) & 0xFFFF0000;
        }
    }
}
