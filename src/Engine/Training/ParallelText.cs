// Two texts line by line, from two files or two columns of one; what is no pair of texts is counted and passed by.
using System.Text;
using System.Text.Unicode;
using Engine.Formats;

namespace Engine.Training;

/// <summary>A pair of texts.</summary>
/// <param name="Source">The source.</param>
/// <param name="Target">The target.</param>
/// <param name="Line">Where it stands, from 1.</param>
internal readonly record struct TextPair(string Source, string Target, int Line);

/// <summary>Reads pairs of texts.</summary>
internal static class ParallelText
{
    // Far more than a sentence; a line that is longer is passed by without being read to its end at once.
    private const int MostLineBytes = 1 << 20;

    /// <summary>The pairs of files, in their order. They are read while the pairs are asked for.</summary>
    /// <param name="files">The files.</param>
    /// <param name="bad">Counts lines that are no pair; null: they were counted before.</param>
    /// <exception cref="ModelFormatException">A file is missing or cannot be read.</exception>
    public static IEnumerable<TextPair> Read(TextFiles files, BadLines? bad) =>
        files.HoldOut is null ? ReadAll(files, bad) : ReadPart(files, files.HoldOut, bad);

    private static IEnumerable<TextPair> ReadPart(TextFiles files, HoldOutSettings settings, BadLines? bad)
    {
        var holdOut = new HoldOut(ReadAll(files, bad: null), settings);
        foreach (TextPair pair in ReadAll(files, bad))
            if (holdOut.IsIn(files.Part, pair)) yield return pair;
    }

    private static IEnumerable<TextPair> ReadAll(TextFiles files, BadLines? bad) =>
        files.HasColumns ? ReadColumns(files, bad) : ReadFiles(files, bad);

    private static IEnumerable<TextPair> ReadFiles(TextFiles files, BadLines? bad)
    {
        using var sources = new LineReader(files.Source);
        using var targets = new LineReader(files.Target);
        while (true)
        {
            bool hasSource = sources.MoveNext(), hasTarget = targets.MoveNext();
            if (hasSource != hasTarget)
            {
                LineReader longer = hasSource ? sources : targets;
                int first = longer.Line, count = 1;
                while (longer.MoveNext()) count++;
                bad?.Add(BadLines.NoPartner, longer.File, first, count);
                yield break;
            }

            if (!hasSource) yield break;
            string? source = Decode(sources, bad), target = source is null ? null : Decode(targets, bad);
            if (source is null || target is null) continue;
            if (source.Length == 0) bad?.Add(BadLines.EmptySide, sources.File, sources.Line);
            else if (target.Length == 0) bad?.Add(BadLines.EmptySide, targets.File, targets.Line);
            else yield return new TextPair(source, target, sources.Line);
        }
    }

    private static IEnumerable<TextPair> ReadColumns(TextFiles files, BadLines? bad)
    {
        using var lines = new LineReader(files.Source);
        while (lines.MoveNext())
        {
            if (Decode(lines, bad) is not { } line) continue;
            string[] columns = line.Split('\t');
            if (columns.Length < Math.Max(files.SourceColumn, files.TargetColumn))
            {
                bad?.Add(BadLines.NoColumn, lines.File, lines.Line);
                continue;
            }

            string source = columns[files.SourceColumn - 1].Trim(), target = columns[files.TargetColumn - 1].Trim();
            if (source.Length == 0 || target.Length == 0) bad?.Add(BadLines.EmptySide, lines.File, lines.Line);
            else yield return new TextPair(source, target, lines.Line);
        }
    }

    private static string? Decode(LineReader reader, BadLines? bad)
    {
        ReadOnlyMemory<byte> line = reader.Current;
        if (reader.IsTooLong) bad?.Add(BadLines.TooLong, reader.File, reader.Line);
        else if (!Utf8.IsValid(line.Span)) bad?.Add(BadLines.NotUtf8, reader.File, reader.Line);
        else return Encoding.UTF8.GetString(line.Span).Trim(' ', '\r');
        return null;
    }

    // Only \n ends a line, so that line n of one file stays beside line n of the other whatever characters they hold.
    private sealed class LineReader : IDisposable
    {
        private readonly FileStream _stream;
        private byte[] _bytes = new byte[1 << 16];
        private int _start;
        private int _end;

        public LineReader(string file)
        {
            File = file;
            try
            {
                if (Directory.Exists(file)) throw new ModelFormatException(file, "the file", "a directory", "a file with text");
                _stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                throw new ModelFormatException(file, "the file", "missing", "a file with text", e);
            }
        }

        public string File { get; }

        public int Line { get; private set; }

        public bool IsTooLong { get; private set; }

        public ReadOnlyMemory<byte> Current { get; private set; }

        public bool MoveNext()
        {
            IsTooLong = false;
            int seen = 0;
            while (true)
            {
                int end = _bytes.AsSpan(_start + seen, _end - _start - seen).IndexOf((byte)'\n');
                if (end >= 0) return Take(seen + end, 1);
                seen = _end - _start;
                if (seen > MostLineBytes)
                {
                    IsTooLong = true;
                    _start = _end;
                    seen = 0;
                }

                if (!Fill()) return (seen > 0 || IsTooLong) && Take(seen, 0);
            }
        }

        public void Dispose() => _stream.Dispose();

        private bool Take(int count, int ending)
        {
            Line++;
            Current = _bytes.AsMemory(_start, count);
            if (Line == 1 && Current.Span.StartsWith("\uFEFF"u8)) Current = Current[3..];
            _start += count + ending;
            return true;
        }

        private bool Fill()
        {
            _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
            (_start, _end) = (0, _end - _start);
            if (_end == _bytes.Length) Array.Resize(ref _bytes, 2 * _bytes.Length);
            int count = _stream.Read(_bytes, _end, _bytes.Length - _end);
            _end += count;
            return count > 0;
        }
    }
}
