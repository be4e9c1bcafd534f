// The tables of the normaliser that a new model can carry, as google/sentencepiece compiles them.
using System.IO.Compression;

namespace Engine.Text.SentencePiece.Training;

/// <summary>Normalisations by name.</summary>
public static class CharacterMaps
{
    /// <summary>Unicode's NFKC with the changes for machine translation: what SentencePiece itself takes if nothing is said.</summary>
    public const string NmtNfkc = "nmt_nfkc";

    /// <summary>Text as it is.</summary>
    public const string Identity = "identity";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [NmtNfkc, Identity];

    /// <summary>The bytes of <c>precompiled_charsmap</c>; none for <see cref="Identity"/>.</summary>
    /// <exception cref="ArgumentException">There is no such normalisation.</exception>
    internal static byte[] Get(string name)
    {
        if (name == Identity) return [];
        if (name != NmtNfkc)
            throw new ArgumentException($"the normalization is '{name}', expected {string.Join(" or ", Names)}.", nameof(name));
        using Stream packed = typeof(CharacterMaps).Assembly.GetManifestResourceStream($"{NmtNfkc}.br")!;
        using var unpacked = new BrotliStream(packed, CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        unpacked.CopyTo(bytes);
        return bytes.ToArray();
    }
}
