// What a token is drawn by: random numbers as a function of seed, hypothesis, step and token, so that a draw depends neither on the
// batch nor on the device.
using Engine.Numerics;

namespace Engine.Backends;

/// <summary>One draw of a token from a whole vocabulary, by the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014).</summary>
/// <remarks>
/// Token t has a word of Philox4x32-10 with the seed as key and the counter (⌊t / 64⌋ · 16 + t mod 16, step, hypothesis, "draw"): word
/// ⌊t / 16⌋ mod 4. Its upper 24 bits, the last of them set, are u in steps of 2⁻²⁴: exact in float32, and never 0 or 1.
/// </remarks>
/// <param name="Seed">Key.</param>
/// <param name="Hypothesis">Which hypothesis of a sentence draws.</param>
/// <param name="Step">At which position.</param>
public readonly record struct TokenDraw(long Seed, int Hypothesis, int Step)
{
    /// <summary>Numbers of a draw: seed (lower half, upper half), hypothesis, step.</summary>
    public const int Columns = 4;

    /// <summary>Tokens that one vector of sixteen counters serves.</summary>
    public const int GroupTokens = 64;

    /// <summary>The last word of the counter: what sets these numbers apart from others with the same seed.</summary>
    public const uint Domain = 0x64726177;   // "draw"

    private const int Lanes = 16;

    /// <summary>The draw that <see cref="CopyTo"/> wrote.</summary>
    public static TokenDraw From(ReadOnlySpan<int> numbers) =>
        new((long)(((ulong)(uint)numbers[1] << 32) | (uint)numbers[0]), numbers[2], numbers[3]);

    /// <summary>Writes the <see cref="Columns"/> numbers of the draw.</summary>
    public void CopyTo(Span<int> numbers)
    {
        numbers[0] = (int)Seed;
        numbers[1] = (int)(Seed >> 32);
        numbers[2] = Hypothesis;
        numbers[3] = Step;
    }

    /// <summary>The number u of a token, above 0 and below 1.</summary>
    public float Uniform(int token)
    {
        uint counter = (uint)((token / GroupTokens * Lanes) + (token % Lanes));
        var (w0, w1, w2, w3) = Philox.Block((ulong)Seed, counter, (uint)Step, (uint)Hypothesis, Domain);
        uint word = (token / Lanes % (GroupTokens / Lanes)) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
        return ((word >> 8) | 1) * (1f / (1 << 24));
    }
}
