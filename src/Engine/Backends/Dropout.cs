// Which numbers of a tensor are dropped: a function of key, site, row and column, so that the mask is never stored, and depends
// neither on threads nor on what was drawn before.
using Engine.Numerics;

namespace Engine.Backends;

/// <summary>Dropout (Srivastava et al. 2014): a number becomes 0 or is multiplied by <see cref="Scale"/>.</summary>
/// <remarks>
/// Column c of row r has sixteen random bits u of Philox4x32-10 with the key and the counter (⌊c / 128⌋ · 16 + c mod 16, r mod 2³²,
/// ⌊r / 2³²⌋, site): with n = ⌊c / 16⌋ mod 8, the lower half of word n / 2 for an even n, the upper half for an odd one. It is
/// kept if u is at least <see cref="Threshold"/>.
/// </remarks>
/// <param name="Rate">The share that is dropped, 0 .. below 1; in steps of 2⁻¹⁶.</param>
/// <param name="Key">Seed and step.</param>
/// <param name="Site">Which of the tensors of a step.</param>
public readonly record struct Dropout(float Rate, ulong Key, int Site)
{
    /// <summary>Columns that one vector of sixteen counters serves.</summary>
    public const int GroupColumns = 128;

    private const int Lanes = 16;
    private const int Values = 1 << 16;

    /// <summary>Nothing is dropped.</summary>
    public static Dropout None => default;

    /// <summary>Whether nothing is dropped.</summary>
    public bool IsNone => Threshold == 0;

    /// <summary>Of 65,536 values, how many mean that a number is dropped.</summary>
    public int Threshold => (int)MathF.Round(Rate * Values);

    /// <summary>What a kept number is multiplied by, so that the expectation stays.</summary>
    public float Scale => (float)Values / (Values - Threshold);

    /// <summary>Whether a number is kept.</summary>
    public bool Keeps(long row, int column)
    {
        uint lane = (uint)((column / GroupColumns * Lanes) + (column % Lanes));
        var (w0, w1, w2, w3) = Philox.Block(Key, lane, (uint)row, (uint)(row >> 32), (uint)Site);
        int n = column / Lanes % (GroupColumns / Lanes);
        uint word = (n / 2) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
        return (n % 2 == 0 ? word & 0xFFFF : word >> 16) >= Threshold;
    }
}
