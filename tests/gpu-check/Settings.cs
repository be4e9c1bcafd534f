// What the program is asked: sizes, time, where the results go, and models beside those that it carries.
using System.Globalization;

namespace Engine.GpuCheck;

/// <summary>The command line.</summary>
internal sealed record Settings
{
    /// <summary>What may be said.</summary>
    public const string Usage = """
        GpuCheck [--small] [--seconds N] [--only PART[:TEXT]] [--output DIR] [MODEL...]

          --small       sizes for the stand-in, where a launch takes as long as a step of a GPU; every 25th case
          --seconds N   nothing begins later than this [default: 540]
          --only PART   the part of this name alone, such as attention; of its measures those with a text: transformers:batch 64
          --output DIR  where results.json and report.txt are written [default: here]
          MODEL         a model's directory; sentences to translate are the lines of check.txt in it, or those of the program
        """;

    /// <summary>Whether sizes are small and only some of the cases run.</summary>
    public bool IsSmall { get; init; }

    /// <summary>Nothing begins later.</summary>
    public int Seconds { get; init; } = 540;

    /// <summary>The part that runs; null: all.</summary>
    public string? Only { get; init; }

    /// <summary>What the names of measures have in them; empty: all run.</summary>
    public string Text { get; init; } = "";

    /// <summary>Where the results go.</summary>
    public string Output { get; init; } = ".";

    /// <summary>Models beside those that the program carries.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>1 for all cases, n for every n-th.</summary>
    public int EveryCase => IsSmall ? 25 : 1;

    /// <summary>Reads the command line.</summary>
    /// <exception cref="ArgumentException">It has what is not known.</exception>
    public static Settings Parse(ReadOnlySpan<string> arguments)
    {
        var settings = new Settings();
        var models = new List<string>();
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--small": settings = settings with { IsSmall = true }; break;
                case "--seconds": settings = settings with { Seconds = Number(Next(arguments, ref i)) }; break;
                case "--only":
                    string[] parts = Next(arguments, ref i).Split(':', 2);
                    settings = settings with { Only = parts[0], Text = parts.Length == 2 ? parts[1] : "" };
                    break;
                case "--output": settings = settings with { Output = Next(arguments, ref i) }; break;
                case string flag when flag.StartsWith('-'): throw new ArgumentException($"{flag} is not known.");
                case string model when Directory.Exists(model): models.Add(model); break;
                case string other: throw new ArgumentException($"{other} is no directory.");
            }
        }

        return settings with { Models = models };
    }

    private static string Next(ReadOnlySpan<string> arguments, ref int i) =>
        ++i < arguments.Length ? arguments[i] : throw new ArgumentException($"{arguments[i - 1]} needs a value.");

    private static int Number(string text) => int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number > 0
        ? number
        : throw new ArgumentException($"--seconds is '{text}', expected a whole number from 1.");
}
