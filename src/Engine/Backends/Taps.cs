// Which positions a convolution sees: a value, so that contiguous, dilated and causal ones are one operator.
namespace Engine.Backends;

/// <summary>The positions that a filter is laid on: tap j of position p is position p + (j − Before) · Dilation.</summary>
/// <param name="Count">Taps: the width k of the filter, at least 1.</param>
/// <param name="Before">How many of them stand before the position itself; negative: all stand after it.</param>
/// <param name="Dilation">From a tap to the next, at least 1; 1: contiguous (Yu and Koltun 2016).</param>
public readonly record struct Taps(int Count, int Before, int Dilation = 1)
{
    /// <summary>The position before, such as a recurrent layer starts from.</summary>
    public static Taps Previous => new(1, 1);

    /// <summary>A filter whose last tap is the position itself.</summary>
    public static Taps Causal(int count, int dilation = 1) => new(count, count - 1, dilation);

    /// <summary>A filter that looks to both sides; of an even width, one position further ahead than back.</summary>
    public static Taps Centered(int count, int dilation = 1) => new(count, (count - 1) / 2, dilation);

    /// <summary>From a position to that of a tap.</summary>
    public long Offset(int tap) => ((long)tap - Before) * Dilation;
}
