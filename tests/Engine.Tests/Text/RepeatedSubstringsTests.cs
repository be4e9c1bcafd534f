// The suffix array against sorting whole suffixes, and the repeated substrings against counting every one.
using Engine.Text.SentencePiece.Training;
using Xunit;

namespace Engine.Tests.Text;

public class RepeatedSubstringsTests
{
    public static TheoryData<int, int, int> Texts => new()
    {
        { 0, 2, 4 }, { 1, 2, 4 }, { 2, 1, 4 }, { 17, 1, 16 }, { 200, 2, 5 }, { 500, 3, 16 }, { 2000, 70_000, 3 }, { 3000, 4, 40 },
    };

    [Theory, MemberData(nameof(Texts))]
    public void Suffixes_are_in_order_as_deep_as_was_asked_for(int length, int alphabet, int depth)
    {
        int[] text = Text(length, alphabet);
        int[] suffixes = RepeatedSubstrings.Sort(text, depth);
        Assert.Equal(Enumerable.Range(0, length), suffixes.Order());
        for (int i = 1; i < length; i++)
            Assert.True(Prefix(text, suffixes[i - 1], depth).SequenceCompareTo(Prefix(text, suffixes[i], depth)) <= 0);
    }

    [Theory, MemberData(nameof(Texts))]
    public void Every_string_with_two_continuations_is_found_with_its_count(int length, int alphabet, int most)
    {
        int[] text = Text(length, alphabet);
        var counts = new Dictionary<string, (int Count, HashSet<int> Next)>(StringComparer.Ordinal);
        for (int start = 0; start < length; start++)
        {
            for (int size = 1; size <= most && start + size <= length; size++)
            {
                string key = string.Join(' ', text[start..(start + size)]);
                if (!counts.TryGetValue(key, out var known)) known = (0, []);
                known.Next.Add(start + size < length ? text[start + size] : -1);
                counts[key] = (known.Count + 1, known.Next);
            }
        }

        Assert.Equal(
            counts.Where(static pair => pair.Value.Next.Count > 1).Select(static pair => (pair.Key, pair.Value.Count)).Order(),
            RepeatedSubstrings.Find(text, most)
                .Select(found => (string.Join(' ', text[found.Start..(found.Start + found.Length)]), found.Count)).Order());
    }

    private static ReadOnlySpan<int> Prefix(int[] text, int start, int depth) =>
        text.AsSpan(start, Math.Min(depth, text.Length - start));

    private static int[] Text(int length, int alphabet)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(alphabet))];
    }
}
