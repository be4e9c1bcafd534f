// What there is of machine code in this process, in words.
namespace Engine.Cpu.Assembler;

/// <summary>How it stands with the tiles of one kind.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="IsSupported">Whether the processor has the instructions.</param>
/// <param name="Refusal">Why there are none; empty: there are.</param>
internal readonly record struct TileState(TileKind Kind, bool IsSupported, string Refusal);

/// <summary>Tells which tiles are there and why others are not.</summary>
internal static class TileReport
{
    /// <summary>The kinds of this process; makes those that are not made yet.</summary>
    public static IReadOnlyList<TileState> States() =>
    [
        .. Enum.GetValues<TileKind>().Select(
            static kind => new TileState(kind, TileSet.IsSupported(kind), TileSet.Of(kind).Refusal)),
    ];

    /// <summary>In one line: the kinds that are there, then why others are not.</summary>
    public static string Describe(IReadOnlyList<TileState> states)
    {
        string made = Kinds(states.Where(static state => state.Refusal.Length == 0));
        string missing = Reasons(states);
        if (missing.Length == 0) return made;
        return made.Length == 0 ? $"none, {missing}" : $"{made}; {missing}";
    }

    /// <summary>In one line: what the processor could do and is not done; null: nothing.</summary>
    public static string? Fault(IReadOnlyList<TileState> states)
    {
        string reasons = Reasons(states.Where(static state => state.IsSupported));
        return reasons.Length == 0 ? null : reasons;
    }

    private static string Reasons(IEnumerable<TileState> states) => string.Join("; ", states
        .Where(static state => state.Refusal.Length > 0)
        .GroupBy(static state => state.Refusal)
        .Select(static group => $"not {Kinds(group)}: {group.Key}"));

    private static string Kinds(IEnumerable<TileState> states) =>
        string.Join(", ", states.Select(static state => state.Kind.ToString().ToLowerInvariant()));
}
