// Of all that BenchmarkDotNet says while it runs: which case is running, and what went wrong.
using BenchmarkDotNet.Loggers;

namespace Engine.Perf.Micro;

internal sealed class BriefLogger : ILogger
{
    public string Id => nameof(BriefLogger);

    public int Priority => 0;

    public void Write(LogKind logKind, string text)
    {
        if (IsWanted(logKind, text)) ConsoleLogger.Default.Write(logKind, text);
    }

    public void WriteLine()
    {
    }

    public void WriteLine(LogKind logKind, string text)
    {
        if (IsWanted(logKind, text)) ConsoleLogger.Default.WriteLine(logKind, text);
    }

    public void Flush() => ConsoleLogger.Default.Flush();

    private static bool IsWanted(LogKind kind, string text) =>
        kind is LogKind.Error or LogKind.Help || text.StartsWith("// Benchmark:", StringComparison.Ordinal);
}
