// Answers, a line each, gathered until they are flushed. A reader that went away and a full disk are told apart here.
using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Engine.Cli;

/// <summary>Writes lines of text and of JSON.</summary>
internal sealed class AnswerStream : IDisposable
{
    private const int FlushBytes = 1 << 16;

    // Only what JSON itself asks for is escaped, so that text stays readable. The output is no HTML.
    private static readonly JsonWriterOptions JsonOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly Stream _stream;
    private readonly string _name;
    private readonly ArrayBufferWriter<byte> _buffer = new(FlushBytes);
    private readonly Utf8JsonWriter _json;
    private readonly bool _owned;
    private bool _isBroken;

    private AnswerStream(Stream stream, string name, bool owned)
    {
        _stream = stream;
        _name = name;
        _owned = owned;
        _json = new Utf8JsonWriter(_buffer, JsonOptions);
    }

    /// <summary>Opens a file, or standard output where none is named.</summary>
    public static AnswerStream Open(Shell shell, string? file)
    {
        if (file is null or Inputs.Standard) return new AnswerStream(shell.Output, "standard output", owned: false);
        var stream = new FileStream(
            shell.FullPath(file), FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        return new AnswerStream(stream, file, owned: true);
    }

    /// <summary>Writes a line of text. Line breaks inside it become spaces, so that a line stays a line.</summary>
    public void Line(string text)
    {
        if (text.AsSpan().ContainsAny('\n', '\r')) text = text.Replace('\n', ' ').Replace('\r', ' ');
        Encoding.UTF8.GetBytes(text, _buffer);
        EndLine();
    }

    /// <summary>Writes numbers, separated by spaces, on a line.</summary>
    public void Line(IReadOnlyList<int> numbers)
    {
        const int MostDigits = 11;
        for (int i = 0; i < numbers.Count; i++)
        {
            Span<byte> space = _buffer.GetSpan(MostDigits + 1);
            int start = i == 0 ? 0 : 1;
            space[0] = (byte)' ';
            numbers[i].TryFormat(space[start..], out int digits, default, CultureInfo.InvariantCulture);
            _buffer.Advance(start + digits);
        }

        EndLine();
    }

    /// <summary>Writes a JSON object on a line.</summary>
    public void Line(Action<Utf8JsonWriter> write)
    {
        _json.Reset();
        _json.WriteStartObject();
        write(_json);
        _json.WriteEndObject();
        _json.Flush();
        EndLine();
    }

    /// <summary>Hands everything to the system; nothing more after a failure, which was told.</summary>
    /// <exception cref="OutputClosedException">Nobody reads any more.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Flush()
    {
        if (_isBroken || _buffer.WrittenCount == 0) return;
        _isBroken = true;   // unless all goes well: nobody knows how much of it was written
        try
        {
            _stream.Write(_buffer.WrittenSpan);
            _stream.Flush();
            _isBroken = false;
        }
        catch (IOException e) when (Failure.IsClosedPipe(e))
        {
            throw new OutputClosedException(e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{_name}: {e.Message}", e);
        }

        _buffer.ResetWrittenCount();
    }

    /// <summary>Closes the file. What was not flushed is lost, as after an error it must be.</summary>
    public void Dispose()
    {
        _json.Dispose();
        if (_owned) _stream.Dispose();
    }

    private void EndLine()
    {
        _buffer.GetSpan(1)[0] = (byte)'\n';
        _buffer.Advance(1);
        if (_buffer.WrittenCount >= FlushBytes) Flush();
    }
}
