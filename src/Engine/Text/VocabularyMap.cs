// Which target tokens may translate a source: CTranslate2's vocabulary map, so that the output layer is computed for some
// hundreds of tokens instead of all.
namespace Engine.Text;

/// <summary>From tokens of a source, and runs of them, to the target tokens that may stand in its translation.</summary>
public sealed class VocabularyMap
{
    private readonly Dictionary<string, int[]>[] _rules;
    private readonly int[] _always;

    /// <summary>Makes a map.</summary>
    /// <param name="rules">
    /// Target ids by source tokens, joined by single spaces; those of the empty string are always candidates. Of rules with
    /// the same key the last counts.
    /// </param>
    /// <param name="always">Further ids that are always candidates: unknown, begin, end.</param>
    public VocabularyMap(IEnumerable<KeyValuePair<string, int[]>> rules, IEnumerable<int> always)
    {
        var byLength = new List<Dictionary<string, int[]>>();
        foreach (var (key, ids) in rules)
        {
            int spaces = key.AsSpan().Count(' ');
            while (byLength.Count <= spaces) byLength.Add(new Dictionary<string, int[]>(StringComparer.Ordinal));
            byLength[spaces][key] = ids;
        }

        _rules = [.. byLength];
        IEnumerable<int> common = _rules.Length > 0 ? _rules[0].GetValueOrDefault("", []) : [];
        _always = [.. always.Concat(common).Distinct().Order()];
    }

    /// <summary>The rules, for whoever writes them.</summary>
    public IEnumerable<KeyValuePair<string, int[]>> Rules => _rules.SelectMany(static rules => rules);

    /// <summary>The candidates for one source, ascending.</summary>
    /// <param name="source">Its tokens as they were given, without those that the model adds.</param>
    /// <param name="given">Target ids that must be among them: start token and target prefix.</param>
    public int[] Candidates(IReadOnlyList<string> source, ReadOnlySpan<int> given)
    {
        var candidates = new HashSet<int>(_always);
        foreach (int id in given) candidates.Add(id);
        for (int start = 0; start < source.Count; start++)
        {
            string key = "";
            for (int length = 1; length <= _rules.Length && start + length <= source.Count; length++)
            {
                key = length == 1 ? source[start] : $"{key} {source[start + length - 1]}";
                if (_rules[length - 1].TryGetValue(key, out int[]? ids)) candidates.UnionWith(ids);
            }
        }

        return [.. candidates.Order()];
    }
}
