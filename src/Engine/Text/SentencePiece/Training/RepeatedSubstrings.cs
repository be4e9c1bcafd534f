// All strings that stand more than once in a text, by a suffix array (Manber & Myers 1990) that is sorted no deeper than needed.
using System.Numerics;

namespace Engine.Text.SentencePiece.Training;

/// <summary>A string that stands several times in a text.</summary>
/// <param name="Start">One of its places.</param>
/// <param name="Length">Its length.</param>
/// <param name="Count">How often it stands there.</param>
internal readonly record struct RepeatedSubstring(int Start, int Length, int Count);

/// <summary>Finds the inner nodes of a text's suffix tree: strings with at least two different continuations.</summary>
internal static class RepeatedSubstrings
{
    /// <summary>All of them up to a length, ordered by where their group of suffixes ends, and the longer first.</summary>
    /// <param name="text">Characters, none below 0.</param>
    /// <param name="mostLength">The longest that are wanted.</param>
    public static IEnumerable<RepeatedSubstring> Find(int[] text, int mostLength)
    {
        int depth = mostLength + 1;
        int[] suffixes = Sort(text, depth);

        // Open nodes: where their group begins, and how many characters its suffixes share (Abouelhoda et al. 2004).
        var open = new Stack<(int First, int Length)>();
        for (int i = 0; i <= suffixes.Length; i++)
        {
            int shared = i == 0 || i == suffixes.Length ? 0 : Shared(text, suffixes[i - 1], suffixes[i], depth);
            int first = i - 1;
            while (open.TryPeek(out (int First, int Length) node) && node.Length > shared)
            {
                open.Pop();
                if (node.Length <= mostLength) yield return new RepeatedSubstring(suffixes[node.First], node.Length, i - node.First);
                first = node.First;
            }

            if (shared > (open.TryPeek(out (int First, int Length) parent) ? parent.Length : 0)) open.Push((first, shared));
        }
    }

    /// <summary>The places of a text in the order of what begins there, of which so many characters count.</summary>
    internal static int[] Sort(int[] text, int depth)
    {
        var suffixes = new int[text.Length];
        for (int i = 0; i < suffixes.Length; i++) suffixes[i] = i;
        if (text.Length == 0) return suffixes;

        // As many characters as fit, numbered densely, make the first key.
        int[] codes = Dense(text, out int bits);
        int packed = Math.Max(1, 63 / bits);
        var keys = new ulong[text.Length];
        ulong key = 0;
        for (int i = text.Length - 1; i >= 0; i--)
        {
            key = (key >> bits) | ((ulong)codes[i] << ((packed - 1) * bits));
            keys[i] = key;
        }

        Array.Sort(keys, suffixes);
        var ranks = codes;   // not needed any more
        bool isDone = Rank(keys, suffixes, ranks, 0, text.Length);

        // Suffixes that agree so far are in the order of what follows: each round doubles what is known.
        for (int known = packed; known < depth && !isDone; known *= 2)
        {
            var groups = new List<(int First, int End)>();
            for (int first = 0, end; first < suffixes.Length; first = end)
            {
                int rank = ranks[suffixes[first]];
                for (end = first + 1; end < suffixes.Length && ranks[suffixes[end]] == rank; end++)
                {
                }

                if (end - first > 1) groups.Add((first, end));
            }

            foreach (var (first, end) in groups)
            {
                for (int i = first; i < end; i++)
                {
                    int next = suffixes[i] + known;
                    keys[i] = next < text.Length ? (ulong)ranks[next] + 1 : 0;
                }

                keys.AsSpan(first, end - first).Sort(suffixes.AsSpan(first, end - first));
            }

            isDone = true;
            foreach (var (first, end) in groups) isDone &= Rank(keys, suffixes, ranks, first, end);
        }

        return suffixes;
    }

    // Gives suffixes with the same key the number of the first of them; whether no two have the same.
    private static bool Rank(ulong[] keys, int[] suffixes, int[] ranks, int first, int end)
    {
        bool areDifferent = true;
        for (int i = first, rank = first; i < end; i++)
        {
            if (i > first && keys[i] != keys[i - 1]) rank = i;
            else areDifferent &= i == first;
            ranks[suffixes[i]] = rank;
        }

        return areDifferent;
    }

    // Numbers the characters from 1 in their order.
    private static int[] Dense(int[] text, out int bits)
    {
        var numbers = new SortedSet<int>(text).Select(static (character, i) => (character, i)).ToDictionary(
            static pair => pair.character, static pair => pair.i + 1);
        bits = BitOperations.Log2((uint)numbers.Count) + 1;
        return Array.ConvertAll(text, character => numbers[character]);
    }

    private static int Shared(int[] text, int a, int b, int most)
    {
        most = Math.Min(most, text.Length - Math.Max(a, b));
        int length = 0;
        while (length < most && text[a + length] == text[b + length]) length++;
        return length;
    }
}
