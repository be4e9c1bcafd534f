// The generator that numpy's default_rng(seed) is: PCG64 (O'Neill 2014, "PCG: A Family of Simple Fast Space-Efficient
// Statistically Good Algorithms", XSL-RR on 128 bits), seeded by numpy's SeedSequence, which mixes as O'Neill's randutils
// does. Draws below a bound are Lemire's (2019, "Fast Random Integer Generation in an Interval"). With it a significance test
// draws the same corpora as sacrebleu.
namespace Engine.Evaluation;

/// <summary>Random numbers as <c>numpy.random.default_rng</c> gives them.</summary>
internal sealed class NumPyRandom
{
    private static readonly UInt128 Multiplier = new(0x2360ED051FC65DA4, 0x4385DF649FCCF645);

    private readonly UInt128 _increment;
    private UInt128 _state;
    private uint _upperHalf;
    private bool _hasUpperHalf;
    private uint _bits;
    private int _bitsLeft;

    /// <summary>Seeds the generator.</summary>
    /// <param name="seed">A number that is not negative.</param>
    public NumPyRandom(long seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(seed);
        Span<ulong> words = stackalloc ulong[4];
        MixSeed((ulong)seed, words);
        _increment = (new UInt128(words[2], words[3]) << 1) | 1;
        _state = _increment + new UInt128(words[0], words[1]);
        _state = (_state * Multiplier) + _increment;
    }

    /// <summary>An integer in [0, bound), as <c>integers</c> and <c>choice</c> draw them.</summary>
    public int Below(int bound)
    {
        uint range = (uint)bound;
        if (range == 1) return 0;   // nothing is drawn for it
        ulong product = (ulong)NextHalf() * range;
        if ((uint)product < range)
        {
            uint threshold = (0 - range) % range;
            while ((uint)product < threshold) product = (ulong)NextHalf() * range;
        }

        return (int)(product >> 32);
    }

    /// <summary>A bit of a run of them, as <c>integers(2, dtype=bool)</c> draws it.</summary>
    public bool NextBit()
    {
        if (_bitsLeft == 0)
        {
            _bits = NextHalf();
            _bitsLeft = 32;
        }

        bool bit = (_bits & 1) != 0;
        _bits >>= 1;
        _bitsLeft--;
        return bit;
    }

    private uint NextHalf()
    {
        if (_hasUpperHalf)
        {
            _hasUpperHalf = false;
            return _upperHalf;
        }

        _state = (_state * Multiplier) + _increment;
        ulong folded = (ulong)(_state >> 64) ^ (ulong)_state;
        ulong word = ulong.RotateRight(folded, (int)(_state >> 122));
        (_upperHalf, _hasUpperHalf) = ((uint)(word >> 32), true);
        return (uint)word;
    }

    private static void MixSeed(ulong seed, Span<ulong> words)
    {
        uint constant = 0x43B0D7E5;
        Span<uint> pool = [Hash((uint)seed, ref constant), Hash((uint)(seed >> 32), ref constant), 0, 0];
        pool[2] = Hash(0, ref constant);
        pool[3] = Hash(0, ref constant);
        for (int from = 0; from < pool.Length; from++)
        {
            for (int to = 0; to < pool.Length; to++)
            {
                if (from == to) continue;
                uint mixed = (0xCA01F9DD * pool[to]) - (0x4973F715 * Hash(pool[from], ref constant));
                pool[to] = mixed ^ (mixed >> 16);
            }
        }

        constant = 0x8B51F9DD;
        for (int i = 0; i < words.Length; i++)
        {
            uint low = Hash(pool[2 * i % pool.Length], ref constant, 0x58F38DED);
            uint high = Hash(pool[((2 * i) + 1) % pool.Length], ref constant, 0x58F38DED);
            words[i] = ((ulong)high << 32) | low;
        }
    }

    private static uint Hash(uint value, ref uint constant, uint multiplier = 0x931E8875)
    {
        value ^= constant;
        constant *= multiplier;
        value *= constant;
        return value ^ (value >> 16);
    }
}
