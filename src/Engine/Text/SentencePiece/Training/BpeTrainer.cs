// Byte-pair encoding (Sennrich et al. 2016): the most frequent pair of neighbours becomes a piece, again and again.
using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Text.SentencePiece.Training;

/// <summary>Learns merges.</summary>
/// <remarks>
/// The order is that of google/sentencepiece: the most frequent pair, of equals the shorter piece, then the one whose bytes come
/// first. Pairs that stand nowhere any more come last, but they come. The reference looks only among the 5 % most frequent
/// pairs, chosen anew every 100 pieces; here all pairs wait in one queue. Both find the same, except where so many pairs are
/// equally rare that which of them the reference considers is left to its hash table.
/// </remarks>
internal sealed class BpeTrainer
{
    private const int None = -1;
    private const int StepsOfProgress = 1000;

    private readonly VocabularyCorpus _corpus;
    private readonly PieceRules _rules;
    private readonly bool _countsOverlaps;
    private readonly List<Symbol> _symbols = [];
    private readonly Dictionary<int, int> _characters = [];
    private readonly Dictionary<(int Left, int Right), int> _pairs = [];
    private readonly PriorityQueue<int, Rank> _queue = new(new BestFirst());

    // The words one after another: the symbol that begins at each place, its neighbours' places, and how often the word stands.
    private int[] _text = [];
    private int[] _next = [];
    private int[] _previous = [];
    private long[] _counts = [];

    public BpeTrainer(VocabularyCorpus corpus, VocabularyOptions options) =>
        (_corpus, _rules, _countsOverlaps) = (corpus, new PieceRules(options), options.CountsOverlaps);

    /// <summary>Learns so many pieces, the merges first and then the single characters; fewer, if there are no more.</summary>
    public List<(byte[] Text, float Score)> Train(int count, Action<string>? progress, CancellationToken cancellation)
    {
        ReadWords();
        var pieces = new List<(byte[] Text, float Score)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        int merges = count - _corpus.Required.Count;
        while (pieces.Count < merges && _queue.TryDequeue(out int pair, out Rank rank))
        {
            cancellation.ThrowIfCancellationRequested();
            Symbol symbol = _symbols[pair];

            // Counts only become smaller, so a pair is counted again no sooner than it seems to be the best.
            if (symbol.IsStale)
            {
                Count(symbol);
                _queue.Enqueue(pair, rank with { Count = symbol.Count });
                continue;
            }

            // The same piece may come from two pairs, as "aaa" from "aa" + "a" and "a" + "aa": the first has it.
            if (!seen.Add(Convert.ToHexString(symbol.Utf8))) continue;
            pieces.Add((symbol.Utf8, -(float)pieces.Count));
            if (pieces.Count % StepsOfProgress == 0) progress?.Invoke($"{pieces.Count:N0} of {merges:N0} pairs joined.");
            Merge(pair);
        }

        foreach (var (character, _) in _corpus.Required) pieces.Add((Characters.ToUtf8([character]), -(float)pieces.Count));
        return pieces;
    }

    private void ReadWords()
    {
        List<CountedWord> words = _corpus.Words();
        int length = words.Sum(static word => Encoding.UTF8.GetCharCount(word.Text));
        (_text, _next, _previous, _counts) = (new int[length], new int[length], new int[length], new long[length]);
        int at = 0;
        foreach (CountedWord word in words)
        {
            int first = at;
            ReadOnlySpan<byte> rest = word.Text;
            while (!rest.IsEmpty)
            {
                Rune.DecodeFromUtf8(rest, out Rune character, out int bytes);
                rest = rest[bytes..];
                _text[at] = OfCharacter(character.Value);
                _counts[at] = word.Count;
                _previous[at] = at == first ? None : at - 1;
                _next[at] = rest.IsEmpty ? None : at + 1;
                at++;
            }
        }

        for (int place = 0; place < at; place++) AddPair(place, _next[place]);
        Enqueue(0);
    }

    private int OfCharacter(int character)
    {
        if (_characters.TryGetValue(character, out int symbol)) return symbol;
        _symbols.Add(new Symbol([character], Characters.ToUtf8([character]), None, None));
        return _characters[character] = _symbols.Count - 1;
    }

    // Notes that two places are neighbours; their pair becomes a symbol if it may be a piece.
    private void AddPair(int left, int right)
    {
        if (left == None || right == None) return;
        int pair = OfPair(_text[left], _text[right]);
        if (pair != None) _symbols[pair].Places.Add(left);
    }

    private int OfPair(int left, int right)
    {
        if (_pairs.TryGetValue((left, right), out int pair)) return pair;
        int[] characters = [.. _symbols[left].Characters, .. _symbols[right].Characters];
        pair = None;
        if (_rules.Allow(characters))
        {
            pair = _symbols.Count;
            _symbols.Add(new Symbol(characters, [.. _symbols[left].Utf8, .. _symbols[right].Utf8], left, right));
        }

        return _pairs[(left, right)] = pair;
    }

    // Symbols from this one on are new.
    private void Enqueue(int first)
    {
        for (int pair = first; pair < _symbols.Count; pair++)
        {
            Symbol symbol = _symbols[pair];
            if (symbol.Left == None) continue;
            Count(symbol);
            _queue.Enqueue(pair, new Rank(symbol.Count, symbol.Characters.Length, symbol.Utf8, pair));
        }
    }

    // In "aaa" the first "aa" counts, for only it can be joined; google/sentencepiece counts both from its version 0.1.99 on.
    private void Count(Symbol symbol)
    {
        symbol.Count = 0;
        symbol.IsStale = false;
        int kept = 0, taken = None;
        Span<int> places = CollectionsMarshal.AsSpan(symbol.Places);
        foreach (int place in places)
        {
            bool isOverlap = place == taken && !_countsOverlaps;
            taken = None;
            if (isOverlap || !Stands(symbol, place)) continue;
            taken = _next[place];
            symbol.Count += _counts[place];
            places[kept++] = place;
        }

        symbol.Places.RemoveRange(kept, symbol.Places.Count - kept);
    }

    private bool Stands(Symbol pair, int place) =>
        _text[place] == pair.Left && _next[place] is int right and not None && _text[right] == pair.Right;

    private void Merge(int pair)
    {
        Symbol symbol = _symbols[pair];
        int first = _symbols.Count;
        foreach (int left in symbol.Places)
        {
            if (!Stands(symbol, left)) continue;   // its left half was joined just before, as in "aaa"
            int right = _next[left], previous = _previous[left], next = _next[right];
            MakeStale(previous, left);
            MakeStale(right, next);
            _text[left] = pair;
            _text[right] = None;
            _next[left] = next;
            if (next != None) _previous[next] = left;
            AddPair(previous, left);
            AddPair(left, next);
        }

        symbol.Places = [];
        Enqueue(first);
    }

    private void MakeStale(int left, int right)
    {
        if (left != None && right != None && _pairs.TryGetValue((_text[left], _text[right]), out int pair) && pair != None)
            _symbols[pair].IsStale = true;
    }

    private readonly record struct Rank(long Count, int Length, byte[] Utf8, int Symbol);

    private sealed class BestFirst : IComparer<Rank>
    {
        public int Compare(Rank x, Rank y)
        {
            if (x.Count != y.Count) return y.Count.CompareTo(x.Count);
            if (x.Length != y.Length) return x.Length.CompareTo(y.Length);
            int order = x.Utf8.AsSpan().SequenceCompareTo(y.Utf8);
            return order != 0 ? order : x.Symbol.CompareTo(y.Symbol);
        }
    }

    // A character, or two symbols side by side; then Places says where the left one may stand, in increasing order.
    private sealed class Symbol(int[] characters, byte[] utf8, int left, int right)
    {
        public int[] Characters { get; } = characters;

        public byte[] Utf8 { get; } = utf8;

        public int Left { get; } = left;

        public int Right { get; } = right;

        public List<int> Places { get; set; } = [];

        public long Count { get; set; }

        public bool IsStale { get; set; }
    }
}
