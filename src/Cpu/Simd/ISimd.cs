// Sixteen float lanes in fixed positions: the numerics contract as a type, so that a kernel cannot break it by chance.
namespace Engine.Cpu.Simd;

/// <summary>Sixteen float lanes in fixed positions. Every rung of the ladder gives the same bits.</summary>
internal unsafe interface ISimd<TSelf> where TSelf : unmanaged, ISimd<TSelf>
{
    /// <summary>Whether this machine runs it in hardware: a constant of the JIT.</summary>
    static abstract bool IsSupported { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Broadcast(float value);

    static abstract TSelf Load(float* source);

    /// <summary>Loads sixteen bfloat16 numbers and widens them, which is exact.</summary>
    static abstract TSelf LoadBFloat16(ushort* source);

    /// <summary>Loads sixteen finite binary16 numbers and widens them, which is exact.</summary>
    static abstract TSelf LoadFloat16(ushort* source);

    static abstract void Store(TSelf value, float* destination);

    /// <summary>Stores past the caches; the destination is aligned to 64 bytes.</summary>
    static abstract void StoreThrough(TSelf value, float* destination);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf left, TSelf right);

    static abstract TSelf operator *(TSelf left, TSelf right);

    static abstract TSelf operator /(TSelf left, TSelf right);

    /// <summary>a · b + c with one rounding.</summary>
    static abstract TSelf Fma(TSelf a, TSelf b, TSelf c);

    /// <summary>
    /// sum = a · b + sum with one rounding, in place: written so, the JIT adds in the register of the sum and copies
    /// nothing.
    /// </summary>
    static abstract void Accumulate(ref TSelf sum, TSelf a, TSelf b);

    /// <summary>left &gt; right ? left : right; so right where either is NaN, as vmaxps has it.</summary>
    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>left &lt; right ? left : right; so right where either is NaN, as vminps has it.</summary>
    static abstract TSelf Min(TSelf left, TSelf right);

    /// <summary>Square root, correctly rounded.</summary>
    static abstract TSelf Sqrt(TSelf value);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf value);

    /// <summary>To the next integer below.</summary>
    static abstract TSelf Floor(TSelf value);

    /// <summary>value · 2ⁿ, rounded once, for whole numbers n in −126 .. 127; NaN for a NaN.</summary>
    static abstract TSelf Scale(TSelf value, TSelf n);

    /// <summary>value = mantissa · 2ⁿ with a mantissa of √½ to below √2, for a value that is positive, finite and normal.</summary>
    static abstract void Split(TSelf value, out TSelf mantissa, out TSelf n);

    /// <summary>|value|, by clearing the sign bit.</summary>
    static abstract TSelf Abs(TSelf value);

    /// <summary>The magnitude of the first with the sign bit of the second.</summary>
    static abstract TSelf CopySign(TSelf magnitude, TSelf sign);

    /// <summary>left &lt; right ? then : otherwise, lane by lane; otherwise where either is NaN.</summary>
    static abstract TSelf SelectLess(TSelf left, TSelf right, TSelf then, TSelf otherwise);

    /// <summary>Sum of the lanes by halves: 16 → 8 → 4 → 2 → 1, lane i with lane i + half.</summary>
    static abstract float Sum(TSelf value);

    /// <summary>Largest lane; the order does not matter when no lane is NaN.</summary>
    static abstract float MaxLane(TSelf value);
}
