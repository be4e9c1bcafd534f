// A deliberate slowdown, so that the gate can be shown to catch one: ENGINE_PERF_SLOWDOWN=10 computes a tenth of the rows of
// every matrix product twice.
using System.Globalization;

namespace Engine.Perf.Kernels;

/// <summary>Reads the variable.</summary>
internal static class Slowdown
{
    public const string Variable = "ENGINE_PERF_SLOWDOWN";

    private static readonly int Percent = int.TryParse(
        Environment.GetEnvironmentVariable(Variable), CultureInfo.InvariantCulture, out int percent) ? percent : 0;

    /// <summary>How many of so many rows are computed twice; one row cannot be cut.</summary>
    public static int Of(int rows) => Math.Min(rows, ((rows * Percent) + 50) / 100);
}
