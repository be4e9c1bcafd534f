// Text to the pieces of a SentencePiece model and back, as google/sentencepiece does it.
using System.Text;

namespace Engine.Text.SentencePiece;

/// <summary>Cuts text by a SentencePiece model, on any number of threads at once.</summary>
public sealed class SentencePieceTokenizer : ITokenizer
{
    /// <summary>The word that configurations call it by.</summary>
    public const string Name = "sentencepiece";

    // The reference gives no more.
    private const int MostBest = 1024;

    private readonly PieceTable _table;
    private readonly BpeMerges? _merges;
    private readonly Normalizer _normalizer;
    private readonly Normalizer? _denormalizer;
    private Workspace? _spare;

    /// <summary>Makes a tokenizer.</summary>
    public SentencePieceTokenizer(SentencePieceModel model)
    {
        Model = model;
        _table = new PieceTable(model);
        _merges = model.Segmentation == SegmentationType.Bpe ? new BpeMerges(_table) : null;
        _normalizer = new Normalizer(model.Normalizer, _table.UserDefined, model.HasSpaceAsSuffix);
        if (model.Denormalizer is { } rules && rules.Map != CharacterMap.Empty)
            _denormalizer = new Normalizer(rules, userDefined: null, hasSpaceAsSuffix: false);
    }

    /// <summary>The model.</summary>
    public SentencePieceModel Model { get; }

    /// <inheritdoc />
    public string Word => Name;

    /// <summary>Reads a model file and makes its tokenizer.</summary>
    /// <exception cref="Engine.Formats.ModelFormatException">It is no SentencePiece model.</exception>
    public static SentencePieceTokenizer Load(string file) => new(SentencePieceModel.Load(file));

    /// <summary>The model files in the directory of a translation model, for its source and its target; they may be the same.</summary>
    /// <exception cref="Engine.Formats.ModelFormatException">There is none.</exception>
    public static (string Source, string Target) FilesOf(string directory) => TokenizerFiles.Of(directory);

    /// <inheritdoc />
    public IReadOnlyList<string> Tokenize(string text)
    {
        using Lease lease = Normalize(text);
        lease.Workspace.Cut();
        return lease.Workspace.Pieces();
    }

    /// <summary>Ids of a line of text.</summary>
    public int[] Encode(string text)
    {
        using Lease lease = Normalize(text);
        lease.Workspace.Cut();
        return lease.Workspace.Ids();
    }

    /// <summary>Ids of a line of text in UTF-8, added to a list: nothing else is allocated.</summary>
    public void Encode(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        using var lease = new Lease(this);
        lease.Workspace.Normalize(utf8);
        lease.Workspace.Cut();
        foreach (Segment segment in lease.Workspace.Result.Span) ids.Add(segment.Id);
    }

    /// <summary>The most probable ways to cut a line, best first (Unigram).</summary>
    /// <param name="text">A line.</param>
    /// <param name="count">How many at most; the reference gives 1,024 at most, and so does this.</param>
    /// <exception cref="NotSupportedException">The model is not a Unigram model.</exception>
    public IReadOnlyList<ScoredPieces> Best(string text, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        using Lease lease = Normalize(text);
        return lease.Workspace.Best(Math.Min(count, MostBest));
    }

    /// <summary>A line cut at random: subword regularisation (Kudo 2018), or BPE-dropout (Provilkov et al. 2020).</summary>
    /// <param name="text">A line.</param>
    /// <param name="alpha">
    /// Unigram: a path is drawn with probability proportional to exp(alpha · score). BPE: each merge is left out with this probability.
    /// </param>
    /// <param name="best">Unigram: draw among so many of the most probable ways; 0: among all.</param>
    /// <param name="seed">The same seed and line number give the same draw.</param>
    /// <param name="line">Number of the line.</param>
    /// <exception cref="NotSupportedException">The model's type has one way to cut a text.</exception>
    public IReadOnlyList<string> Sample(string text, double alpha, int best = 0, long seed = 0, int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(best);
        if (!double.IsFinite(alpha)) throw new ArgumentException($"alpha is {alpha}, expected a finite number.", nameof(alpha));
        using Lease lease = Normalize(text);
        var random = new SampleSource(seed, line);
        if (best == 0 || Model.Segmentation != SegmentationType.Unigram)
        {
            lease.Workspace.Sample(alpha, ref random);
            return lease.Workspace.Pieces();
        }

        List<ScoredPieces> ways = lease.Workspace.Best(Math.Min(best, MostBest));
        double[] weights = [.. ways.Select(way => Math.Exp(alpha * (way.Score - ways[0].Score)))];
        double rest = random.Next() * weights.Sum();
        int drawn = Array.FindIndex(weights, weight => (rest -= weight) < 0);
        return ways[drawn < 0 ? ways.Count - 1 : drawn].Pieces;
    }

    /// <inheritdoc />
    public string Detokenize(IReadOnlyList<string> tokens)
    {
        var text = new PieceDecoder(Model);
        foreach (string token in tokens) text.Add(Model.Id(token), token);
        return Finish(text);
    }

    /// <summary>The text of ids.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is none of the model's.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var text = new PieceDecoder(Model);
        foreach (int id in ids)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(id);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, Model.Count);
            text.Add(id, Model.Pieces[id]);
        }

        return Finish(text);
    }

    private string Finish(PieceDecoder decoder)
    {
        ReadOnlySpan<byte> text = decoder.Finish();
        if (_denormalizer is null) return Encoding.UTF8.GetString(text);
        byte[] buffer = [];
        int count = _denormalizer.Run(text, ref buffer);
        return Encoding.UTF8.GetString(buffer, 0, count);
    }

    private Lease Normalize(string text)
    {
        var lease = new Lease(this);
        lease.Workspace.Normalize(text);
        return lease;
    }

    // A workspace for a call. One is kept from call to call; calls at the same time make their own.
    private readonly struct Lease(SentencePieceTokenizer owner) : IDisposable
    {
        public Workspace Workspace { get; } = Interlocked.Exchange(ref owner._spare, null) ?? new Workspace(owner);

        public void Dispose() => owner._spare = Workspace;
    }

    private sealed class Workspace
    {
        private readonly SentencePieceTokenizer _owner;
        private readonly ISegmenter _segmenter;
        private readonly Segments _raw = new();
        private byte[] _utf8 = new byte[1024];
        private byte[] _text = new byte[4096];
        private int _length;

        public Workspace(SentencePieceTokenizer owner)
        {
            _owner = owner;
            _segmenter = owner.Model.Segmentation switch
            {
                SegmentationType.Unigram => new UnigramSegmenter(owner._table),
                SegmentationType.Bpe => new BpeSegmenter(owner._merges!),
                SegmentationType.Word => new WholeSegmenter(owner._table, isByWord: true),
                _ => new WholeSegmenter(owner._table, isByWord: false),
            };
        }

        public Segments Result { get; } = new();

        private ReadOnlySpan<byte> Text => _text.AsSpan(0, _length);

        public void Normalize(string text)
        {
            int most = Encoding.UTF8.GetMaxByteCount(text.Length);
            if (_utf8.Length < most) _utf8 = new byte[Math.Max(most, 2 * _utf8.Length)];
            Normalize(_utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, _utf8)));
        }

        public void Normalize(ReadOnlySpan<byte> utf8) => _length = _owner._normalizer.Run(utf8, ref _text);

        public void Cut()
        {
            _raw.Clear();
            _segmenter.Run(Text, _raw);
            Finish(_raw.Span);
        }

        public void Sample(double alpha, ref SampleSource random)
        {
            _raw.Clear();
            if (_length > 0) _segmenter.Sample(Text, alpha, ref random, _raw);
            Finish(_raw.Span);
        }

        public List<ScoredPieces> Best(int count)
        {
            if (_segmenter is not UnigramSegmenter unigram)
                throw new NotSupportedException(
                    $"{_owner.Model.Path}: a model of type {_owner.Model.Segmentation} has no list of best ways, expected {SegmentationType.Unigram}.");
            var ways = new List<ScoredPieces>();
            foreach (var (segments, score) in unigram.Best(Text, count))
            {
                Finish(segments);
                ways.Add(new ScoredPieces(Pieces(), Ids(), score));
            }

            return ways;
        }

        public int[] Ids()
        {
            ReadOnlySpan<Segment> segments = Result.Span;
            var ids = new int[segments.Length];
            for (int i = 0; i < ids.Length; i++) ids[i] = segments[i].Id;
            return ids;
        }

        public string[] Pieces()
        {
            ReadOnlySpan<Segment> segments = Result.Span;
            var pieces = new string[segments.Length];
            for (int i = 0; i < pieces.Length; i++)
            {
                pieces[i] = segments[i].Id == _owner.Model.UnknownId
                    ? Encoding.UTF8.GetString(_text, segments[i].Start, segments[i].End - segments[i].Start)
                    : _owner.Model.Pieces[segments[i].Id];
            }

            return pieces;
        }

        // Unknown characters become bytes, or one unknown piece if they are neighbours.
        private void Finish(ReadOnlySpan<Segment> raw)
        {
            Result.Clear();
            int unknown = _owner.Model.UnknownId, from = -1;
            for (int i = 0; i < raw.Length; i++)
            {
                Segment segment = raw[i];
                if (segment.Id != unknown)
                {
                    Result.Add(segment);
                }
                else if (_owner.Model.HasByteFallback)
                {
                    foreach (byte b in Text[segment.Start..segment.End])
                        Result.Add(new Segment(_owner.Model.BytePieces[b], segment.Start, segment.Start));
                }
                else
                {
                    if (i == 0 || raw[i - 1].Id != unknown) from = segment.Start;
                    if (i + 1 == raw.Length || raw[i + 1].Id != unknown) Result.Add(segment with { Start = from });
                }
            }
        }
    }
}
