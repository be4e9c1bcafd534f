// What goes wrong, in one line and with an exit code: 0 all is well, 1 the work failed, 2 the command was wrong.
using System.Text.RegularExpressions;
using Engine.Models;

namespace Engine.Cli;

/// <summary>Exit codes.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failed = 1;
    public const int WrongUsage = 2;
}

/// <summary>A command that parses, but cannot be meant.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The reader of the output went away: no error, but the end of the work.</summary>
internal sealed class OutputClosedException(Exception inner) : Exception("The output was closed.", inner);

/// <summary>Words for exceptions.</summary>
internal static partial class Failure
{
    private const int BrokenPipe = 32;             // EPIPE of Linux and macOS
    private const int BrokenPipeOfWindows = 109;   // ERROR_BROKEN_PIPE
    private const int NoDataOfWindows = 232;       // ERROR_NO_DATA: the pipe is being closed

    /// <summary>One line for an exception.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        ArgumentException { ParamName: { } name } =>
            OneLine(exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal)),
        Formats.ModelFormatException or Backends.BackendUnavailableException or SequenceTooLongException
            or ArgumentException or IOException or UnauthorizedAccessException or InvalidDataException or UsageException
            or NotSupportedException or Training.TrainingDivergedException or Cuda.CudaException => OneLine(exception.Message),
        OutOfMemoryException => OneLine($"There is not enough memory: {exception.Message}"),
        _ => OneLine($"unexpected {exception.GetType().Name}: {exception.Message}"),
    };

    /// <summary>
    /// Whether the fault is that of one sentence or its options, so that the others can go on. Memory that lacks is: a translator
    /// has tried the sentence alone.
    /// </summary>
    public static bool IsOfOneLine(Exception exception) =>
        exception is SequenceTooLongException or ArgumentException or OutOfMemoryException;

    /// <summary>Whether a write failed because nobody reads any more.</summary>
    public static bool IsClosedPipe(IOException exception)
    {
        int code = exception.HResult & 0xFFFF;
        return OperatingSystem.IsWindows() ? code is BrokenPipeOfWindows or NoDataOfWindows : code == BrokenPipe;
    }

    /// <summary>Line breaks and what is around them become one space.</summary>
    public static string OneLine(string message) => LineBreaks().Replace(message.Trim(), " ");

    [GeneratedRegex(@"\s*[\r\n]\s*")]
    private static partial Regex LineBreaks();
}
