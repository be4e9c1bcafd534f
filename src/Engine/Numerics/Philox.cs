// Philox4x32-10 (Salmon et al. 2011): random numbers as a function of a key and a counter, so that a draw depends neither on
// the batch nor on what was drawn before.
namespace Engine.Numerics;

/// <summary>A counter-based random generator.</summary>
internal static class Philox
{
    /// <summary>Four random words.</summary>
    public static (uint W0, uint W1, uint W2, uint W3) Block(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = Math.BigMul(0xD2511F53u, c0);
            ulong p1 = Math.BigMul(0xCD9E8D57u, c2);
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>A number in [0, 1) with 24 random bits.</summary>
    /// <param name="seed">Key.</param>
    /// <param name="hypothesis">Counter: which hypothesis of the sentence.</param>
    /// <param name="step">Counter: which position.</param>
    /// <param name="draw">Counter: which draw of the step.</param>
    public static float Uniform(long seed, int hypothesis, int step, int draw) =>
        (Block((ulong)seed, (uint)draw, (uint)step, (uint)hypothesis, 0).W0 >> 8) * (1f / (1 << 24));
}
