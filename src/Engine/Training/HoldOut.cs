// One text in three: what is learned, what is looked at on the way, and what nobody looks at until the end. Which is which is a
// function of the sources alone, so that another run, or another program, finds the same.
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Engine.Training;

/// <summary>Which part of a text that is divided.</summary>
internal enum TextPart
{
    /// <summary>Pairs of which no side is a side of a pair of the others.</summary>
    Train,

    /// <summary>For validation.</summary>
    Validation,

    /// <summary>For the figures at the end.</summary>
    Test,
}

/// <summary>How many pairs are held out.</summary>
/// <param name="Test">Pairs of the test set.</param>
/// <param name="Validation">Pairs of the validation set.</param>
internal sealed record HoldOutSettings(int Test, int Validation);

/// <summary>Divides pairs of texts.</summary>
/// <remarks>
/// The sources, each once, are put in the order of the first eight bytes, most significant first, of the SHA-256 of their UTF-8. The test set
/// is all pairs of the first of them, but those of which there are more pairs than are wanted yet; the validation set so from
/// what is left, without pairs whose target is in the test set.
/// </remarks>
internal sealed class HoldOut
{
    private readonly HashSet<string> _testSources, _testTargets, _validationSources, _validationTargets;

    /// <summary>Looks through all pairs.</summary>
    public HoldOut(IEnumerable<TextPair> pairs, HoldOutSettings settings)
    {
        var targets = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (TextPair pair in pairs)
        {
            if (!targets.TryGetValue(pair.Source, out List<string>? of)) targets.Add(pair.Source, of = []);
            of.Add(pair.Target);
        }

        (string Source, ulong Hash)[] order = [.. targets.Keys.Select(static source => (source, Hash(source)))];
        Array.Sort(order, static (x, y) => x.Hash != y.Hash ? x.Hash.CompareTo(y.Hash) : string.CompareOrdinal(x.Source, y.Source));
        _testSources = Choose(order, targets, settings.Test, [], []);
        _testTargets = TargetsOf(_testSources, targets);
        _validationSources = Choose(order, targets, settings.Validation, _testSources, _testTargets);
        _validationTargets = TargetsOf(_validationSources, targets);
    }

    /// <summary>Whether a pair belongs to a part.</summary>
    public bool IsIn(TextPart part, in TextPair pair) => part switch
    {
        TextPart.Test => _testSources.Contains(pair.Source),
        TextPart.Validation => _validationSources.Contains(pair.Source),
        _ => !_testSources.Contains(pair.Source) && !_testTargets.Contains(pair.Target)
            && !_validationSources.Contains(pair.Source) && !_validationTargets.Contains(pair.Target),
    };

    private static HashSet<string> Choose(
        (string Source, ulong Hash)[] order, Dictionary<string, List<string>> targets, int count, HashSet<string> others,
        HashSet<string> otherTargets)
    {
        var chosen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (source, _) in order)
        {
            if (count == 0) break;
            List<string> of = targets[source];
            if (of.Count > count || others.Contains(source) || of.Exists(otherTargets.Contains)) continue;
            chosen.Add(source);
            count -= of.Count;
        }

        return chosen;
    }

    private static HashSet<string> TargetsOf(HashSet<string> sources, Dictionary<string, List<string>> targets) =>
        new(sources.SelectMany(source => targets[source]), StringComparer.Ordinal);

    private static ulong Hash(string text) => BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
