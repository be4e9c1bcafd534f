// Draws by their place: so a draw depends on nothing but the seed.
using Engine.Numerics;

namespace Engine.Studies;

/// <summary>Draws of mean 0 and variance 1 (Box and Muller 1958), and whole numbers.</summary>
/// <param name="seed">Decides all draws.</param>
/// <param name="stream">Draws of different streams have nothing to do with each other.</param>
internal sealed class StudyRandom(int seed, uint stream)
{
    private const uint Domain = 0x79647473;   // "stdy"
    private const double Words = 1L << 32;

    private uint _block;

    /// <summary>Draws of the same seed from another stream.</summary>
    public StudyRandom Other(uint other) => new(seed, other);

    /// <summary>Fills an array with normal deviates.</summary>
    public void Fill(Span<float> values)
    {
        for (int i = 0; i < values.Length; i += 4)
        {
            var (w0, w1, w2, w3) = Next();
            Pair(w0, w1, values[i..]);
            if (i + 2 < values.Length) Pair(w2, w3, values[(i + 2)..]);
        }
    }

    /// <summary>A whole number, 0 .. count − 1.</summary>
    public int Below(int count)
    {
        uint word = Next().Item1;
        return (int)((ulong)word * (ulong)count >> 32);
    }

    private (uint, uint, uint, uint) Next() => Philox.Block((ulong)seed, _block++, stream, 0, Domain);

    private static void Pair(uint first, uint second, Span<float> values)
    {
        double radius = Math.Sqrt(-2 * Math.Log((first + 0.5) / Words));
        (double sine, double cosine) = Math.SinCos(2 * Math.PI * second / Words);
        values[0] = (float)(radius * cosine);
        if (values.Length > 1) values[1] = (float)(radius * sine);
    }
}
