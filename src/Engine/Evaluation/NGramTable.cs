// N-grams as a tree: a node is an n-gram, its children are those that are longer by a symbol. A symbol is a code point or the
// node of a word in another table, so no string is made and nothing can collide.
namespace Engine.Evaluation;

/// <summary>Counts n-grams of the sequences of one segment.</summary>
internal sealed class NGramTable
{
    /// <summary>The empty n-gram.</summary>
    public const int Root = 0;

    private const int Missing = -1;

    // Open addressing. A key is a node and a symbol; 0 is an empty place, which no key is.
    private ulong[] _keys = new ulong[1 << 10];
    private int[] _children = new int[1 << 10];

    // By node; a table is at most half full.
    private int[] _places = new int[1 << 9];
    private int[] _counts = new int[1 << 9];
    private int[] _available = new int[1 << 9];
    private int _lastNode;

    /// <summary>Forgets all n-grams.</summary>
    public void Clear()
    {
        for (int node = 1; node <= _lastNode; node++)
        {
            _keys[_places[node]] = 0;
            _counts[node] = 0;
            _available[node] = 0;
        }

        _lastNode = 0;
    }

    /// <summary>The n-gram that is longer by a symbol.</summary>
    public int Extend(int node, int symbol)
    {
        int place = Find(Key(node, symbol));
        return _keys[place] != 0 ? _children[place] : Add(Key(node, symbol));
    }

    /// <summary>Counts the n-grams of a reference up to an order.</summary>
    public void Add(ReadOnlySpan<int> symbols, int maxOrder)
    {
        for (int start = 0; start < symbols.Length; start++)
        {
            int node = Root;
            foreach (int symbol in symbols.Slice(start, Math.Min(maxOrder, symbols.Length - start)))
            {
                node = Extend(node, symbol);
                _counts[node]++;
            }
        }
    }

    /// <summary>Ends a reference: of each n-gram there is as much as in the reference that has most of it.</summary>
    public void EndReference()
    {
        for (int node = 1; node <= _lastNode; node++)
        {
            _available[node] = Math.Max(_available[node], _counts[node]);
            _counts[node] = 0;
        }
    }

    /// <summary>
    /// Adds to <paramref name="matches"/>, by order, how many n-grams are in the references. Each of theirs is matched once,
    /// so the table is spent after it.
    /// </summary>
    public void Match(ReadOnlySpan<int> symbols, Span<int> matches)
    {
        for (int start = 0; start < symbols.Length; start++)
        {
            int node = Root;
            int orders = Math.Min(matches.Length, symbols.Length - start);
            for (int order = 0; order < orders; order++)
            {
                int place = Find(Key(node, symbols[start + order]));
                node = _keys[place] == 0 ? Missing : _children[place];
                if (node == Missing) break;   // nor is one that is longer
                if (_available[node] == 0) continue;
                _available[node]--;
                matches[order]++;
            }
        }
    }

    private static ulong Key(int node, int symbol) => ((ulong)(node + 1) << 32) | (uint)symbol;

    private int Find(ulong key)
    {
        int mask = _keys.Length - 1;
        int place = (int)((key * 0x9E3779B97F4A7C15) >> 32) & mask;   // Fibonacci hashing (Knuth, vol. 3, 6.4)
        while (_keys[place] != 0 && _keys[place] != key) place = (place + 1) & mask;
        return place;
    }

    private int Add(ulong key)
    {
        if (_lastNode + 1 == _places.Length) Grow();
        int place = Find(key);
        _keys[place] = key;
        _children[place] = ++_lastNode;
        _places[_lastNode] = place;
        return _lastNode;
    }

    private void Grow()
    {
        (ulong[] keys, int[] places) = (_keys, _places);
        _keys = new ulong[keys.Length * 2];
        _children = new int[keys.Length * 2];
        _places = new int[places.Length * 2];
        Array.Resize(ref _counts, places.Length * 2);
        Array.Resize(ref _available, places.Length * 2);
        for (int node = 1; node <= _lastNode; node++)
        {
            int place = Find(keys[places[node]]);
            _keys[place] = keys[places[node]];
            _children[place] = node;
            _places[node] = place;
        }
    }
}
