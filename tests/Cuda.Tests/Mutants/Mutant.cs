// A fault that is planted in the committed PTX: one line of one kernel, in other words.
using System.Text.RegularExpressions;
using Engine.Cuda;

namespace Cuda.Tests.Mutants;

/// <summary>One planted fault.</summary>
/// <param name="Family">The file of PTX.</param>
/// <param name="Kernel">The kernel in it.</param>
/// <param name="Pattern">A regular expression of a line, which has single spaces.</param>
/// <param name="Occurrence">Which of the kernel's lines that match, from 1.</param>
/// <param name="Replacement">The line's new words, with groups of the pattern; empty: the line is dropped.</param>
/// <param name="Kind">What was done, in a word.</param>
/// <param name="Case">The operators that must notice.</param>
internal sealed partial record Mutant(
    string Family, string Kernel, string Pattern, int Occurrence, string Replacement, string Kind, string Case)
{
    /// <summary>Plants it in modules that are loaded from now on.</summary>
    /// <exception cref="InvalidOperationException">The kernel has no such line: the table must follow the PTX.</exception>
    public void Plant()
    {
        string[] lines = Lines();
        int found = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = Spaces().Replace(lines[i], " ");
            if (!Regex.IsMatch(line, Pattern) || ++found != Occurrence) continue;
            string changed = Replacement.Length == 0 ? "" : Regex.Replace(line, Pattern, Replacement);
            if (changed == line) throw new InvalidOperationException($"{this} changes nothing in '{line}'.");
            StandIn.Mutate(Kernel, lines[i], lines.Take(i + 1).Count(other => other == lines[i]), changed);
            return;
        }

        throw new InvalidOperationException(
            $"{this}: {Family}.ptx has {found} such lines in {Kernel}, expected at least {Occurrence}.");
    }

    public override string ToString() =>
        $"{Kind} in {Kernel}: line {Occurrence} of /{Pattern}/ {(Replacement.Length == 0 ? "dropped" : $"to '{Replacement}'")}";

    // The kernel's lines without the space around them.
    private string[] Lines()
    {
        using Stream ptx = typeof(CudaBackend).Assembly.GetManifestResourceStream($"{Family}.ptx")
            ?? throw new InvalidOperationException($"There is no {Family}.ptx.");
        using var reader = new StreamReader(ptx);
        return [.. Body(reader).Select(static line => line.Trim())];
    }

    private IEnumerable<string> Body(StreamReader reader)
    {
        bool isInside = false;
        while (reader.ReadLine() is { } line)
        {
            isInside |= line.Contains($".entry {Kernel}(", StringComparison.Ordinal);
            if (isInside && line.StartsWith('}')) yield break;
            if (isInside) yield return line;
        }
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
