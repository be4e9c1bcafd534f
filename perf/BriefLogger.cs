// Of all that BenchmarkDotNet says: which case is running, what went wrong, and the table.
using BenchmarkDotNet.Loggers;

namespace Engine.Perf;

internal sealed class BriefLogger : ILogger
{
    public string Id => nameof(BriefLogger);

    public int Priority => 0;

    public void Write(LogKind logKind, string text)
    {
        if (IsWanted(logKind, text)) ConsoleLogger.Default.Write(logKind, text);
    }

    public void WriteLine() => ConsoleLogger.Default.WriteLine();

    public void WriteLine(LogKind logKind, string text)
    {
        if (IsWanted(logKind, text)) ConsoleLogger.Default.WriteLine(logKind, text);
    }

    public void Flush() => ConsoleLogger.Default.Flush();

    private static bool IsWanted(LogKind kind, string text) =>
        kind is LogKind.Error or LogKind.Statistic or LogKind.Help || text.StartsWith("// Benchmark:", StringComparison.Ordinal);
}
