// Thirty-two 16-bit factors or sixteen 32-bit sums: what integer products are made of. Their sums are exact, so that
// nothing need be said about order.
namespace Engine.Cpu.Simd;

/// <summary>64 bytes: thirty-two 16-bit factors, or sixteen 32-bit sums of pairs of products.</summary>
internal unsafe interface IIntegers<TSelf> where TSelf : unmanaged, IIntegers<TSelf>
{
    static abstract TSelf Zero { get; }

    /// <summary>Loads thirty-two 8-bit numbers and widens them to 16 bits.</summary>
    static abstract TSelf WidenInt8(sbyte* source);

    /// <summary>Loads thirty-two 16-bit numbers.</summary>
    static abstract TSelf LoadInt16(short* source);

    /// <summary>Four 16-bit numbers, eight times.</summary>
    static abstract TSelf BroadcastFour(short* source);

    /// <summary>Sum i += a[2i] · b[2i] + a[2i + 1] · b[2i + 1], modulo 2³².</summary>
    static abstract void AddProducts(ref TSelf sums, TSelf a, TSelf b);

    /// <summary>Adds sums 2i and 2i + 1 of two vectors, and stores the sixteen results as the nearest floats.</summary>
    static abstract void StorePairs(TSelf low, TSelf high, float* destination);
}
