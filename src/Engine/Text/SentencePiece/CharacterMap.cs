// The precompiled character map of a SentencePiece model: strings and what they are replaced by, in Darts-clone's format.
using System.Buffers.Binary;
using Engine.Formats;

namespace Engine.Text.SentencePiece;

/// <summary>Replacements of the normaliser.</summary>
/// <remarks>
/// The size of the trie in bytes (u32), its units (u32 each), and the replacements, each ended by a zero byte. A unit: label (bits
/// 0..7, and 31 in a leaf), whether a string ends here (8), whether the offset is shifted by 8 (9), offset (10..30). A leaf has
/// the place of its replacement.
/// </remarks>
internal sealed class CharacterMap
{
    private const uint LabelMask = 0x800000FF;

    private readonly uint[] _units;
    private readonly byte[] _replacements;
    private readonly bool[] _isPlain = new bool[128];

    private CharacterMap(uint[] units, byte[] replacements)
    {
        _units = units;
        _replacements = replacements;
        Span<byte> pair = stackalloc byte[2];
        for (int first = 0; first < _isPlain.Length; first++)
        {
            pair[0] = (byte)first;
            _isPlain[first] = !StartsString(pair[..1], out bool goesOn);
            for (int second = 0; goesOn && second < _isPlain.Length && _isPlain[first]; second++)
            {
                pair[1] = (byte)second;
                _isPlain[first] = !StartsString(pair, out bool goesOnPair) && !goesOnPair;
            }
        }
    }

    /// <summary>A map that replaces nothing.</summary>
    public static CharacterMap Empty { get; } = new([], []);

    /// <summary>Reads a map; no bytes are an empty one.</summary>
    /// <exception cref="ModelFormatException">The sizes do not fit, or a replacement is outside or does not end.</exception>
    public static CharacterMap Read(ReadOnlySpan<byte> data, string file)
    {
        const string Field = "normalizer_spec.precompiled_charsmap";
        if (data.IsEmpty) return Empty;
        uint bytes = data.Length < sizeof(uint) ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(data);
        if (bytes == 0 || bytes % sizeof(uint) != 0 || bytes > data.Length - sizeof(uint))
            throw new ModelFormatException(
                file, Field, $"{data.Length} bytes with a trie of {bytes}", "a trie of 4, 8, 12 ... bytes within it");
        var units = new uint[bytes / sizeof(uint)];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(data[(sizeof(uint) * (i + 1))..]);
        byte[] replacements = data[(sizeof(uint) + (int)bytes)..].ToArray();
        if (replacements.Length > 0 && replacements[^1] != 0)
            throw new ModelFormatException(file, Field, "a last replacement without an end", "a zero byte at the end");
        return new CharacterMap(units, replacements);
    }

    /// <summary>Whether text that begins with this byte, and another below 128 or the end after it, begins with no string of the map.</summary>
    public bool IsPlain(byte ascii) => _isPlain[ascii];

    /// <summary>The longest string of the map that a text begins with: its length, and what replaces it; 0 if there is none.</summary>
    public int Longest(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        uint[] units = _units;
        if (units.Length == 0) return 0;
        int length = 0;
        uint place = 0, at = Offset(units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            at ^= text[i];
            if (at >= (uint)units.Length) break;
            uint unit = units[at];
            if ((unit & LabelMask) != text[i]) break;
            at ^= Offset(unit);
            if ((unit & 0x100) == 0) continue;
            if (at >= (uint)units.Length) break;
            (length, place) = (i + 1, units[at] & 0x7FFFFFFF);
        }

        if (length == 0 || place >= (uint)_replacements.Length) return 0;
        ReadOnlySpan<byte> rest = _replacements.AsSpan((int)place);
        replacement = rest[..rest.IndexOf((byte)0)];
        return length;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    // Whether the string is in the map, and whether one begins with it.
    private bool StartsString(ReadOnlySpan<byte> text, out bool goesOn)
    {
        goesOn = false;
        if (_units.Length == 0) return false;
        uint at = Offset(_units[0]), unit = 0;
        foreach (byte b in text)
        {
            at ^= b;
            if (at >= (uint)_units.Length) return false;
            unit = _units[at];
            if ((unit & LabelMask) != b) return false;
            at ^= Offset(unit);
        }

        goesOn = true;
        return (unit & 0x100) != 0;
    }
}
