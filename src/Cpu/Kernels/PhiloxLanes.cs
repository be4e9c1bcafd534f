// Philox4x32-10 (Engine.Numerics.Philox) of sixteen counters side by side. Integers are the same on every rung, so there is one body, in
// vectors of 512 bits.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Four words each of sixteen counters that differ in their first word only.</summary>
/// <remarks>Fields and no array: the words stay in registers.</remarks>
internal readonly struct PhiloxLanes
{
    public readonly Vector512<uint> W0, W1, W2, W3;

    /// <summary>The words of the counters (16 · group + lane, c1, c2, c3).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PhiloxLanes(ulong key, int group, uint word1, uint word2, uint word3)
    {
        Vector512<uint> lanes = Vector512.Create(0u, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        Vector512<uint> c0 = lanes + Vector512.Create((uint)(group * Lanes.Count));
        Vector512<uint> c1 = Vector512.Create(word1), c2 = Vector512.Create(word2), c3 = Vector512.Create(word3);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            Multiply(c0, 0xD2511F53u, out Vector512<uint> low0, out Vector512<uint> high0);
            Multiply(c2, 0xCD9E8D57u, out Vector512<uint> low1, out Vector512<uint> high1);
            c0 = high1 ^ c1 ^ Vector512.Create(k0);
            c1 = low1;
            c2 = high0 ^ c3 ^ Vector512.Create(k1);
            c3 = low0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }

        (W0, W1, W2, W3) = (c0, c1, c2, c3);
    }

    // 32 × 32 bits are 64: the even lanes, and the odd ones moved to even places.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(Vector512<uint> x, uint factor, out Vector512<uint> low, out Vector512<uint> high)
    {
        Vector512<ulong> even = Product(x.AsUInt64(), factor), odd = Product(x.AsUInt64() >>> 32, factor);
        Vector512<ulong> upper = Vector512.Create(0xFFFFFFFF00000000ul);
        low = ((even & ~upper) | (odd << 32)).AsUInt32();
        high = ((even >>> 32) | (odd & upper)).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Product(Vector512<ulong> x, uint factor)
    {
        if (Avx512F.IsSupported) return Avx512F.Multiply(x.AsUInt32(), Vector512.Create((ulong)factor).AsUInt32());
        if (Avx2.IsSupported)
        {
            Vector256<uint> f = Vector256.Create((ulong)factor).AsUInt32();
            return Vector512.Create(Avx2.Multiply(x.GetLower().AsUInt32(), f), Avx2.Multiply(x.GetUpper().AsUInt32(), f));
        }

        return (x & Vector512.Create(0xFFFFFFFFul)) * Vector512.Create((ulong)factor);
    }
}
