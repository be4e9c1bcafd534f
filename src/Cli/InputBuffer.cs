// Bytes of an input as they come: what has arrived is used at once, and an item may be as long as the limit allows.
namespace Engine.Cli;

/// <summary>A growing window on a stream.</summary>
internal sealed class InputBuffer(Stream stream, string name)
{
    /// <summary>The longest line, or element of a JSON array: far more than a sentence, far less than memory.</summary>
    public const int MaxItemBytes = 64 << 20;

    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];
    private byte[] _bytes = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _started;

    /// <summary>What the input is called in messages.</summary>
    public string Name => name;

    /// <summary>What has arrived and is not yet used.</summary>
    public ReadOnlySpan<byte> Available => _bytes.AsSpan(_start, _end - _start);

    /// <summary>The first bytes of <see cref="Available"/>; valid until the next call.</summary>
    public ReadOnlyMemory<byte> Peek(int count) => _bytes.AsMemory(_start, count);

    /// <summary>Marks bytes as used.</summary>
    public void Advance(int count) => _start += count;

    /// <summary>Waits for more bytes.</summary>
    /// <returns>False at the end of the input.</returns>
    /// <exception cref="InvalidDataException">An item is longer than <see cref="MaxItemBytes"/>.</exception>
    public bool Fill()
    {
        if (_start > 0)
        {
            Available.CopyTo(_bytes);
            _end -= _start;
            _start = 0;
        }

        if (_end == _bytes.Length)
        {
            if (_end >= MaxItemBytes)
                throw new InvalidDataException($"{name}: an item is longer than {MaxItemBytes:N0} bytes.");
            Array.Resize(ref _bytes, _bytes.Length * 2);
        }

        int count = Read(_bytes.AsSpan(_end));
        _end += count;
        if (!_started) SkipByteOrderMark();
        return count > 0;
    }

    /// <summary>The next line without its end, LF or CR LF; valid until the next call.</summary>
    /// <returns>False at the end of the input; a last line without an end counts.</returns>
    public bool TryReadLine(out ReadOnlyMemory<byte> line)
    {
        int seen = 0;
        while (true)
        {
            int end = Available[seen..].IndexOf((byte)'\n');
            if (end >= 0)
            {
                line = WithoutReturn(Peek(seen + end));
                Advance(seen + end + 1);
                return true;
            }

            seen = Available.Length;
            if (Fill()) continue;
            line = WithoutReturn(Peek(seen));
            Advance(seen);
            return seen > 0;
        }
    }

    private static ReadOnlyMemory<byte> WithoutReturn(ReadOnlyMemory<byte> line) =>
        line.Span is [.., (byte)'\r'] ? line[..^1] : line;

    private int Read(Span<byte> destination)
    {
        try
        {
            return stream.Read(destination);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{name}: {e.Message}", e);
        }
    }

    private void SkipByteOrderMark()
    {
        // It may arrive in pieces.
        while (_end < ByteOrderMark.Length && ByteOrderMark.AsSpan().StartsWith(Available))
        {
            int count = Read(_bytes.AsSpan(_end));
            if (count == 0) break;
            _end += count;
        }

        _started = true;
        if (Available.StartsWith(ByteOrderMark)) Advance(ByteOrderMark.Length);
    }
}
