// The files of a command line, one after another; `-` and no file mean standard input.
using System.Text;

namespace Engine.Cli;

/// <summary>A line of text.</summary>
/// <param name="Place">File and number, for messages.</param>
/// <param name="Text">The line without its end; bytes that are no UTF-8 are U+FFFD.</param>
/// <param name="Bytes">How many bytes it was, the end included.</param>
internal readonly record struct TextLine(string Place, string Text, long Bytes);

/// <summary>Inputs by name.</summary>
internal sealed class Inputs(Shell shell, IReadOnlyList<string> files)
{
    public const string Standard = "-";

    private const int BytesOfOnePlace = 1 << 14;   // longer than sentences are

    private readonly IReadOnlyList<string> _files = files.Count == 0 ? [Standard] : files;

    /// <summary>Bytes of all inputs; null where one has no length, such as a pipe.</summary>
    public long? TotalBytes
    {
        get
        {
            long total = 0;
            foreach (string file in _files)
            {
                if (file == Standard || !File.Exists(shell.FullPath(file))) return null;
                long length = new FileInfo(shell.FullPath(file)).Length;
                if (length == 0) return null;   // empty, or a device
                total += length;
            }

            return total;
        }
    }

    /// <summary>Places of the window for so many bytes: very long lines are not all in memory at once.</summary>
    public static int Weight(long bytes) => (int)Math.Min(1 + (bytes / BytesOfOnePlace), int.MaxValue);

    /// <summary>Whether a path is one of the files, or a link to one, or one of them a link to it.</summary>
    public bool Contains(string path)
    {
        string target = Target(path);
        return _files.Any(file => file != Standard && Target(shell.FullPath(file)) == target);
    }

    /// <summary>Refuses files that are not there, before a model is loaded.</summary>
    /// <exception cref="IOException">A file is missing, or a directory.</exception>
    /// <exception cref="UsageException">Standard input is named twice.</exception>
    public void Check()
    {
        if (_files.Count(file => file == Standard) > 1)
            throw new UsageException($"'{Standard}', standard input, is named more than once.");
        foreach (string file in _files)
        {
            if (file == Standard) continue;
            string path = shell.FullPath(file);
            if (Directory.Exists(path)) throw new IOException($"{file} is a directory, expected a file.");
            if (!File.Exists(path)) throw new FileNotFoundException($"{file} was not found.");
        }
    }

    /// <summary>The lines of all inputs.</summary>
    public IEnumerable<TextLine> Lines()
    {
        foreach (InputBuffer input in Open())
        {
            for (long number = 1; input.TryReadLine(out ReadOnlyMemory<byte> line); number++)
            {
                string text = Encoding.UTF8.GetString(line.Span);
                yield return new TextLine($"{input.Name}:{number}", text, line.Length + 1);
            }
        }
    }

    /// <summary>The inputs, each closed when the next is asked for.</summary>
    public IEnumerable<InputBuffer> Open()
    {
        foreach (string file in _files)
        {
            if (file == Standard)
            {
                yield return new InputBuffer(shell.Input, "standard input");
            }
            else
            {
                using FileStream stream = new(
                    shell.FullPath(file), FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
                yield return new InputBuffer(stream, file);
            }
        }
    }

    private static string Target(string path)
    {
        try
        {
            return File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return path;   // what cannot be followed is told when it is opened
        }
    }
}
