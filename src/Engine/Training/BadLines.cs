// Lines that cannot be learned from: how many there are of each kind, and where the first few stand.
using System.Globalization;

namespace Engine.Training;

/// <summary>Counts bad lines.</summary>
internal sealed class BadLines
{
    public const string EmptySide = "with an empty side";
    public const string TooLong = "too long";
    public const string NotUtf8 = "not UTF-8";
    public const string NoColumn = "with a missing column";
    public const string NoPartner = "without a partner in the other file";

    private const int NamedOfAKind = 3;

    private readonly List<(string Kind, List<string> First, long Count)> _kinds = [];

    /// <summary>Bad lines of all kinds.</summary>
    public long Count => _kinds.Sum(static kind => kind.Count);

    /// <summary>Notes lines.</summary>
    /// <param name="kind">What is wrong, as in "12 lines with an empty side".</param>
    /// <param name="file">The file.</param>
    /// <param name="line">The first line, from 1.</param>
    /// <param name="count">How many lines in a row.</param>
    public void Add(string kind, string file, long line, long count = 1)
    {
        int index = _kinds.FindIndex(known => known.Kind == kind);
        if (index < 0)
        {
            index = _kinds.Count;
            _kinds.Add((kind, [], 0));
        }

        List<string> first = _kinds[index].First;
        for (long i = 0; i < count && first.Count < NamedOfAKind; i++)
            first.Add(string.Create(CultureInfo.InvariantCulture, $"{file}:{line + i}"));
        _kinds[index] = (kind, first, _kinds[index].Count + count);
    }

    /// <summary>A line for each kind.</summary>
    public IEnumerable<string> Describe()
    {
        foreach (var (kind, first, count) in _kinds)
        {
            string more = count > first.Count ? ", ..." : "";
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"left out {count:N0} {(count == 1 ? "line" : "lines")} {kind}: {string.Join(", ", first)}{more}");
        }
    }
}
