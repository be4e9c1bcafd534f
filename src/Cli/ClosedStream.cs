// Standard streams that whoever started the process closed. Their numbers are then free, and the runtime's own files get
// them: to read or write those would hang, or worse.
namespace Engine.Cli;

/// <summary>A standard stream that is closed: every use fails.</summary>
internal sealed class ClosedStream : Stream
{
    private const int CloseOnExecute = 0x80000;   // O_CLOEXEC of Linux, 02000000 in octal

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// Whether a standard stream was closed when the process began. Known on Linux only: what a process inherits is never
    /// marked to be closed on execution, and what the runtime opens always is.
    /// </summary>
    /// <param name="number">0, 1 or 2.</param>
    public static bool IsClosed(int number)
    {
        const string Descriptors = "/proc/self/fdinfo", Flags = "flags:";
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Descriptors)) return false;
        string? line = Array.Find(
            SystemFiles.Lines($"{Descriptors}/{number}"), line => line.StartsWith(Flags, StringComparison.Ordinal));
        return line is null || (Convert.ToInt32(line[Flags.Length..].Trim(), 8) & CloseOnExecute) != 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw Closed();

    public override int Read(Span<byte> buffer) => throw Closed();

    public override void Write(byte[] buffer, int offset, int count) => throw Closed();

    public override void Write(ReadOnlySpan<byte> buffer) => throw Closed();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static IOException Closed() => new("It is closed.");
}
