// What a command touches outside itself: streams, directories, variables, models. Tests bring their own.
using System.Runtime.InteropServices;
using Engine.Cuda;
using Microsoft.Win32.SafeHandles;

namespace Engine.Cli;

/// <summary>The surroundings of a command.</summary>
internal sealed partial class Shell
{
    /// <summary>Standard input.</summary>
    public required Stream Input { get; init; }

    /// <summary>Standard output. A write to a pipe that nobody reads any more throws.</summary>
    public required Stream Output { get; init; }

    /// <summary>Standard error.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Whether standard output is a terminal.</summary>
    public bool OutputIsTerminal { get; init; }

    /// <summary>Whether standard error is a terminal.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Where relative paths begin.</summary>
    public required string CurrentDirectory { get; init; }

    /// <summary>Where the program lies.</summary>
    public required string ProgramDirectory { get; init; }

    /// <summary>An environment variable; null: not set.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>How long a command that is to stop may take before it is left where it is.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Opens a backend and loads a model on it.</summary>
    public Func<TranslationSettings, ITranslation> Load { get; init; } = Translation.Load;

    /// <summary>Looks for CUDA.</summary>
    public Func<CudaInfo> Cuda { get; init; } = CudaInfo.Find;

    /// <summary>The streams and directories that the system gave this process.</summary>
    public static Shell OfThisProcess() => new()
    {
        Input = IsClosed(0) ? new ClosedStream() : Console.OpenStandardInput(),
        Output = StandardOutput(),
        Error = IsClosed(2) ? TextWriter.Null : Console.Error,
        OutputIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        CurrentDirectory = Directory.GetCurrentDirectory(),
        ProgramDirectory = AppContext.BaseDirectory,
    };

    /// <summary>The absolute path of a path from the command line.</summary>
    public string FullPath(string path) => Path.GetFullPath(path, CurrentDirectory);

    /// <summary>An environment variable, where an empty one counts as not set.</summary>
    public string? Setting(string name) => Variable(name) is { Length: > 0 } value ? value : null;

    /// <summary>Says something in one line on standard error.</summary>
    public void Say(string message)
    {
        try
        {
            Error.WriteLine($"engine: {Failure.OneLine(message)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Where standard error cannot be written, the exit code has to say it.
        }
    }

    // The console's stream hides that a pipe was closed, so that `engine ... | head` would translate to the end for
    // nobody; a file stream tells. A file stream on a regular file in turn would not move the offset that all processes
    // share that write to it.
    private static Stream StandardOutput()
    {
        if (IsClosed(1)) return new ClosedStream();
        if (OperatingSystem.IsWindows()) return Console.OpenStandardOutput();
        try
        {
            var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            if (!stream.CanSeek) return stream;
            stream.Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A standard output that is closed or cannot be written shows itself at the first write.
        }

        return Console.OpenStandardOutput();
    }

    // Where a process begins with a standard stream closed, the runtime's own files take its number, and to read there would
    // wait for ever. They are told apart by the mark "close on exec", which a file that was handed over cannot have.
    private static bool IsClosed(int descriptor)
    {
        const int GetFlags = 1, CloseOnExec = 1;   // F_GETFD and FD_CLOEXEC, of every Unix
        if (OperatingSystem.IsWindows()) return false;
        int flags = FileControl(descriptor, GetFlags);
        return flags < 0 || (flags & CloseOnExec) != 0;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FileControl(int descriptor, int command);

    private sealed class ClosedStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw Closed();

        public override void Write(byte[] buffer, int offset, int count) => throw Closed();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private static IOException Closed() => new("the stream is closed.");
    }
}
