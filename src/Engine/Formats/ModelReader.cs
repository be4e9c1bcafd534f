// Finds out what format a path holds, and reads it.
namespace Engine.Formats;

/// <summary>Reads a model of any format that the engine knows.</summary>
public static class ModelReader
{
    private const string Expected =
        $"{CTranslate2Reader.FileName} of CTranslate2, or {OwnFormat.FileName} with {OwnFormat.ConfigName}";

    /// <summary>Reads shape, vocabularies and the list of weights; their numbers are read on packing.</summary>
    /// <remarks>
    /// Everything but the weights' numbers is checked here: sizes against the file's length, shapes against each other,
    /// vocabularies against the embeddings. The file stays open until the model is disposed.
    /// </remarks>
    /// <param name="path">A directory, or the file <c>model.bin</c> or <c>model.safetensors</c> in it.</param>
    /// <exception cref="ModelFormatException">It holds no model, or a broken one.</exception>
    public static ModelData Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
        {
            string directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
            return Path.GetFileName(path) switch
            {
                CTranslate2Reader.FileName => CTranslate2Reader.Open(directory),
                OwnFormat.FileName => OwnFormat.Open(directory),
                string name => throw new ModelFormatException(path, "the name of the file", Quote.Text(name),
                    $"{CTranslate2Reader.FileName} or {OwnFormat.FileName}"),
            };
        }
        if (!Directory.Exists(path))
            throw new ModelFormatException(path, "the directory", "missing", $"one with {Expected}");

        bool isCTranslate2 = File.Exists(Path.Combine(path, CTranslate2Reader.FileName));
        bool isOwn = File.Exists(Path.Combine(path, OwnFormat.FileName));
        return (isCTranslate2, isOwn) switch
        {
            (true, false) => CTranslate2Reader.Open(path),
            (false, true) => OwnFormat.Open(path),
            (true, true) => throw new ModelFormatException(path, "the directory",
                $"one with both {CTranslate2Reader.FileName} and {OwnFormat.FileName}",
                "one of them, or the path of the file itself"),
            _ => throw new ModelFormatException(path, "the content of the directory", Content(path), Expected),
        };
    }

    private static string Content(string directory)
    {
        const int shown = 10;
        try
        {
            string[] names = [.. new DirectoryInfo(directory).EnumerateFileSystemInfos().Take(shown + 1)
                .Select(entry => entry.Name)];
            Array.Sort(names, StringComparer.Ordinal);
            return names.Length == 0
                ? "nothing"
                : string.Join(", ", names.Take(shown)) + (names.Length > shown ? ", ..." : "");
        }
        catch (Exception e) when (FileSource.IsAccessError(e))
        {
            return $"unreadable ({e.Message})";
        }
    }
}
