// The words after `./build.sh perf`.
namespace Engine.Perf;

/// <summary>What to do.</summary>
internal enum PerfMode
{
    Table,
    Micro,
    Gate,
    List,
    Help,
}

/// <summary>Options of a run.</summary>
internal sealed record PerfOptions
{
    public const string Usage = """
        ./build.sh perf [WORD...]        the table, or the lines that hold all WORDs
          --quick                        fewer and shorter measurements: under two minutes
          --filter WORD...               the same as WORDs alone
          --out DIR                      where perf.json and perf.md are written (default: artifacts/perf)
          --list                         the lines of the table, nothing is measured
          --gate                         compare the kernels with perf/baseline.json; exit code 1 if one got slower
          --gate --write-baseline        measure the baseline anew
          --roofline                     a quick run of the kernels, drawn as perf/roofline.svg
          --micro [ARGS]                 the BenchmarkDotNet benchmarks; words are filters, the rest goes to BenchmarkDotNet
        """;

    public PerfMode Mode { get; init; }

    public bool IsQuick { get; init; }

    /// <summary>Only kernels, without peers: what a roofline shows.</summary>
    public bool IsRoofline { get; init; }

    public bool WritesBaseline { get; init; }

    public string Out { get; init; } = Path.Combine("artifacts", "perf");

    /// <summary>Words that a line must hold, all of them.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>What goes to BenchmarkDotNet.</summary>
    public IReadOnlyList<string> Rest { get; init; } = [];

    /// <summary>Reads the words.</summary>
    /// <exception cref="ArgumentException">There is no such option.</exception>
    public static PerfOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new PerfOptions();
        var words = new List<string>();
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--quick": options = options with { IsQuick = true }; break;
                case "--filter": break;
                case "--list": options = options with { Mode = PerfMode.List }; break;
                case "--gate": options = options with { Mode = PerfMode.Gate }; break;
                case "--roofline": options = options with { IsRoofline = true, IsQuick = true }; break;
                case "--write-baseline": options = options with { WritesBaseline = true }; break;
                case "--help" or "-h": options = options with { Mode = PerfMode.Help }; break;
                case "--out":
                    if (++i == arguments.Count) throw new ArgumentException("--out is the last word, expected a directory after it.");
                    options = options with { Out = arguments[i] };
                    break;
                case "--micro": return options with { Mode = PerfMode.Micro, Rest = [.. arguments.Skip(i + 1)] };
                case string word when word.StartsWith('-'):
                    throw new ArgumentException($"The option is {word}, expected one of:\n{Usage}");
                case string word: words.Add(word); break;
            }
        }

        return options with { Words = words };
    }

    /// <summary>Whether a line is wanted.</summary>
    public bool Wants(string what) => Words.All(word => what.Contains(word, StringComparison.OrdinalIgnoreCase));
}
