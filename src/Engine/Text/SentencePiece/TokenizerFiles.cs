// The SentencePiece models that lie in the directory of a translation model.
using Engine.Formats;

namespace Engine.Text.SentencePiece;

/// <summary>Finds, opens and copies them.</summary>
internal static class TokenizerFiles
{
    private const string Source = "source.spm";
    private const string Target = "target.spm";

    // Names that one model for both languages has in published models.
    private static readonly string[] Shared =
        ["sentencepiece.model", "spm.model", "sentencepiece.bpe.model", "tokenizer.model", "spiece.model"];

    /// <summary>Whether the directory has any.</summary>
    public static bool AreIn(string directory) => Find(directory) is not null;

    /// <summary>The tokenizer of a directory: one model for both languages, or one for each.</summary>
    /// <exception cref="ModelFormatException">A file is broken, or none is there.</exception>
    public static ITokenizer Open(string directory)
    {
        var (source, target) = Of(directory);
        SentencePieceTokenizer first = SentencePieceTokenizer.Load(source);
        return source == target ? first : new Pair(first, SentencePieceTokenizer.Load(target));
    }

    /// <summary>The files of a directory.</summary>
    /// <exception cref="ModelFormatException">There are none.</exception>
    public static (string Source, string Target) Of(string directory) => Find(directory) ?? throw new ModelFormatException(
        directory, "the SentencePiece model", "missing", $"{Source} and {Target}, or {string.Join(" or ", Shared)}");

    /// <summary>Copies them to another directory.</summary>
    /// <exception cref="ModelFormatException">There are none.</exception>
    public static void Copy(string from, string to)
    {
        var (source, target) = Of(from);
        foreach (string file in new[] { source, target }.Distinct())
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    private static (string Source, string Target)? Find(string directory)
    {
        string source = Path.Combine(directory, Source), target = Path.Combine(directory, Target);
        if (File.Exists(source) && File.Exists(target)) return (source, target);
        string? shared = Shared.Select(name => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
        return shared is null ? null : (shared, shared);
    }

    /// <summary>Writes models to a directory, where the functions above find them.</summary>
    /// <param name="directory">The directory; made if it is not there.</param>
    /// <param name="source">The model of the source.</param>
    /// <param name="target">That of the target; the same object: one model for both.</param>
    public static void Write(string directory, byte[] source, byte[] target)
    {
        Directory.CreateDirectory(directory);
        foreach (string name in (string[])[Source, Target, .. Shared]) File.Delete(Path.Combine(directory, name));
        (string Name, byte[] Bytes)[] files = source == target ? [(Shared[0], source)] : [(Source, source), (Target, target)];
        foreach (var (name, bytes) in files)
        {
            string file = Path.Combine(directory, name), temporary = file + ".tmp";
            File.WriteAllBytes(temporary, bytes);
            File.Move(temporary, file, overwrite: true);
        }
    }

    // Sources are cut by one model, translations joined by another.
    private sealed class Pair(SentencePieceTokenizer source, SentencePieceTokenizer target) : ITokenizer
    {
        public string Word => SentencePieceTokenizer.Name;

        public IReadOnlyList<string> Tokenize(string text) => source.Tokenize(text);

        public string Detokenize(IReadOnlyList<string> tokens) => target.Detokenize(tokens);
    }
}
