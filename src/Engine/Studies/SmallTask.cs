// Tasks that a small model learns in a minute, made by rules: so the answer to any source is known, and nothing is learned by heart.
namespace Engine.Studies;

/// <summary>A source and what it is to become; tokens with spaces between.</summary>
internal readonly record struct TaskPair(string Source, string Target);

/// <summary>Makes pairs.</summary>
internal static class SmallTask
{
    private const uint TableStream = 1000;

    /// <summary>The sequence as it is.</summary>
    public static TaskPair[] Copy(StudyRandom random, int count, int shortest, int longest, int symbols) =>
        Make(random, count, shortest, longest, symbols, static symbols => symbols.Select(static one => $"{one}"));

    /// <summary>The sequence from its end.</summary>
    public static TaskPair[] Reversal(StudyRandom random, int count, int shortest, int longest, int symbols) =>
        Make(random, count, shortest, longest, symbols, static symbols => symbols.Reverse().Select(static one => $"{one}"));

    /// <summary>For each place a token that names what stands before it, there and after it, with a dot beyond the ends.</summary>
    public static TaskPair[] Neighbours(StudyRandom random, int count, int shortest, int longest, int symbols) =>
        Make(random, count, shortest, longest, symbols, static symbols => symbols.Select((one, i) =>
            $"{(i == 0 ? "." : $"{symbols[i - 1]}")}{one}{(i == symbols.Length - 1 ? "." : $"{symbols[i + 1]}")}"));

    /// <summary>
    /// What a table says for each symbol and the one after it; after the last symbol comes the first again. The table is drawn once for
    /// each seed, so that tests have the table that was learned.
    /// </summary>
    public static TaskPair[] Lookups(StudyRandom random, int count, int shortest, int longest, int symbols)
    {
        StudyRandom drawn = random.Other(TableStream);
        int[] table = [.. Enumerable.Range(0, symbols * symbols).Select(_ => drawn.Below(symbols))];
        return Make(random, count, shortest, longest, symbols, sequence =>
            sequence.Select((one, i) => $"{table[(one * symbols) + sequence[(i + 1) % sequence.Length]]}"));
    }

    private static TaskPair[] Make(
        StudyRandom random, int count, int shortest, int longest, int symbols, Func<int[], IEnumerable<string>> answer)
    {
        var pairs = new TaskPair[count];
        for (int i = 0; i < count; i++)
        {
            var sequence = new int[shortest + random.Below(longest - shortest + 1)];
            for (int j = 0; j < sequence.Length; j++) sequence[j] = random.Below(symbols);
            pairs[i] = new TaskPair(string.Join(' ', sequence), string.Join(' ', answer(sequence)));
        }

        return pairs;
    }
}
