// All sentences of a training as ids, side by side in two arrays: millions of small arrays would cost more than the ids.
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Engine.Training;

/// <summary>Pairs of sentences as ids.</summary>
internal sealed class SentencePairs
{
    private readonly Side _sources = new();
    private readonly Side _targets = new();
    private readonly List<int> _lines = [];

    /// <summary>How many pairs there are.</summary>
    public int Count => _lines.Count;

    /// <summary>Ids of all sources.</summary>
    public long SourceTokens => _sources.Tokens;

    /// <summary>Ids of all targets, end tokens included.</summary>
    public long TargetTokens => _targets.Tokens;

    /// <summary>Ids of the longest side.</summary>
    public int Longest { get; private set; }

    /// <summary>Ids of the longest source, but for one in a thousand, and at least 16: what a model learns to translate as one.</summary>
    public int UsualSourceTokens
    {
        get
        {
            int[] lengths = [.. Enumerable.Range(0, Count).Select(pair => Source(pair).Length)];
            Array.Sort(lengths);
            return Math.Max(16, lengths.Length == 0 ? 0 : lengths[(int)((lengths.Length - 1) * 0.999)]);
        }
    }

    /// <summary>Appends a pair.</summary>
    /// <param name="source">The source as the encoder sees it.</param>
    /// <param name="target">The target with its end token.</param>
    /// <param name="line">Where it stands in its file, from 1.</param>
    public void Add(ReadOnlySpan<int> source, ReadOnlySpan<int> target, int line)
    {
        _sources.Add(source);
        _targets.Add(target);
        _lines.Add(line);
        Longest = Math.Max(Longest, Math.Max(source.Length, target.Length));
    }

    /// <summary>The source of a pair.</summary>
    public ReadOnlySpan<int> Source(int index) => _sources[index];

    /// <summary>The target of a pair, end token included.</summary>
    public ReadOnlySpan<int> Target(int index) => _targets[index];

    /// <summary>Line of a pair in its file, from 1.</summary>
    public int Line(int index) => _lines[index];

    /// <summary>Adds all ids to a hash.</summary>
    public void AppendTo(IncrementalHash hash)
    {
        _sources.AppendTo(hash);
        _targets.AppendTo(hash);
    }

    private sealed class Side
    {
        private readonly List<long> _ends = [];
        private int[] _ids = new int[1 << 10];

        public long Tokens => _ends.Count == 0 ? 0 : _ends[^1];

        public ReadOnlySpan<int> this[int index]
        {
            get
            {
                int start = index == 0 ? 0 : (int)_ends[index - 1];
                return _ids.AsSpan(start, (int)_ends[index] - start);
            }
        }

        public void Add(ReadOnlySpan<int> ids)
        {
            long end = Tokens + ids.Length;
            if (end > Array.MaxLength)
                throw new InvalidDataException($"The texts have {end:N0} tokens or more, expected at most {Array.MaxLength:N0}.");
            if (end > _ids.Length) Array.Resize(ref _ids, (int)Math.Min(Array.MaxLength, Math.Max(end, 2L * _ids.Length)));
            ids.CopyTo(_ids.AsSpan((int)Tokens));
            _ends.Add(end);
        }

        public void AppendTo(IncrementalHash hash)
        {
            const int Part = 1 << 24;
            for (int start = 0; start < Tokens; start += Part)
                hash.AppendData(MemoryMarshal.AsBytes(_ids.AsSpan(start, (int)Math.Min(Part, Tokens - start))));
            hash.AppendData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_ends)));
        }
    }
}
