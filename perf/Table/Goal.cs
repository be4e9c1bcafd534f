// What a figure should reach: a share of the machine's limit, a multiple of a peer, or both.
using System.Globalization;

namespace Engine.Perf.Table;

/// <summary>A promise in words, and how it is judged.</summary>
/// <param name="Text">The words.</param>
/// <param name="Judge">True: it holds; null: it cannot be told.</param>
internal sealed record Goal(string Text, Func<Result, bool?> Judge)
{
    /// <summary>No promise.</summary>
    public static Goal None { get; } = new("", static _ => null);

    /// <summary>At least so many percent of the floor.</summary>
    public static Goal Share(double percent) =>
        new(Words($"≥ {percent} %"), result => result.Share is { } share ? share >= percent / 100 : null);

    /// <summary>At least so many times as fast as the peers whose names begin so, all of them that ran.</summary>
    public static Goal Times(double ratio, string peer) => new(Words($"≥ {ratio}× {peer}"), result =>
    {
        PeerFigure[] peers =
            [.. result.Peers.Where(found => found.Name.StartsWith(peer, StringComparison.Ordinal) && !double.IsNaN(found.Ratio))];
        return peers.Length == 0 ? null : peers.All(found => found.Ratio >= ratio);
    });

    /// <summary>At most so much of the unit.</summary>
    public static Goal AtMost(double figure, string words) => new(words, result => result.Figure <= figure);

    /// <summary>Both.</summary>
    public static Goal operator &(Goal left, Goal right)
    {
        if (left.Text.Length == 0) return right;
        if (right.Text.Length == 0) return left;
        return new($"{left.Text}, {right.Text}", result => (left.Judge(result), right.Judge(result)) switch
        {
            (false, _) or (_, false) => false,
            (true, true) => true,
            _ => null,
        });
    }

    private static string Words(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
