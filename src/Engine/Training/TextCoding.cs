// From lines of text to ids of a training: the tokenizer and the vocabularies, given, counted or learned first.
using System.Runtime.InteropServices;
using System.Text;
using Engine.Formats;
using Engine.Text;
using Engine.Text.SentencePiece;
using Engine.Text.SentencePiece.Training;

namespace Engine.Training;

/// <summary>How the texts of a training become ids.</summary>
internal sealed class TextCoding
{
    private readonly ITokenizer _sourceTokenizer;
    private readonly ITokenizer _targetTokenizer;
    private readonly string _joiner;

    private TextCoding(
        ITokenizer sourceTokenizer, ITokenizer targetTokenizer, Vocabulary source, Vocabulary target, string directory,
        string joiner)
    {
        _sourceTokenizer = sourceTokenizer;
        _targetTokenizer = targetTokenizer;
        Source = source;
        Target = target;
        Directory = directory;
        _joiner = joiner;
    }

    /// <summary>Tokens with a meaning: the source ends with the end token, as most trained models have it.</summary>
    public static SpecialTokens Tokens { get; } = new() { AddSourceEnd = true };

    /// <summary>Tokens of the source.</summary>
    public Vocabulary Source { get; }

    /// <summary>Tokens of the target; the same object where there is one for both.</summary>
    public Vocabulary Target { get; }

    /// <summary>Where the tokenizer's files are, if it has any.</summary>
    public string Directory { get; }

    /// <summary>What a translator is to use: cuts sources, joins translations.</summary>
    public ITokenizer Tokenizer => _sourceTokenizer.Word == SentencePieceTokenizer.Name
        ? Text.Tokenizer.Open(_sourceTokenizer.Word, Directory)
        : _sourceTokenizer;

    /// <summary>Makes tokenizer and vocabularies.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="directory">Where files of the tokenizer go.</param>
    /// <param name="goesOn">Whether files that are there from before are used.</param>
    /// <param name="say">Is told in words how far the work is.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static TextCoding Create(
        TrainingConfig config, string directory, bool goesOn, Action<string> say, CancellationToken cancellation)
    {
        TokenizerSettings settings = config.Tokenizer;
        if (settings.Kind == TokenizerKind.SentencePiece) return OfPieces(config, directory, goesOn, say, cancellation);
        ITokenizer tokenizer = settings.Kind == TokenizerKind.Spaces ? Text.Tokenizer.Space : Text.Tokenizer.Character;
        var source = new Dictionary<string, long>(StringComparer.Ordinal);
        Dictionary<string, long> target = settings.IsJoint ? source : new(StringComparer.Ordinal);
        foreach (TextPair pair in ParallelText.Read(config.Data.Train, bad: null))
        {
            cancellation.ThrowIfCancellationRequested();
            Count(source, tokenizer.Tokenize(pair.Source));
            Count(target, tokenizer.Tokenize(pair.Target));
        }

        Vocabulary first = Choose(source, settings);
        return new TextCoding(
            tokenizer, tokenizer, first, settings.IsJoint ? first : Choose(target, settings), directory, settings.Joiner);
    }

    /// <summary>Reads texts as ids.</summary>
    /// <param name="files">The texts.</param>
    /// <param name="maxLength">Tokens of the longest side.</param>
    /// <param name="bad">Counts lines that cannot be used.</param>
    /// <param name="texts">Takes the texts of the pairs; null: they are not wanted.</param>
    /// <param name="cancellation">Stops the work.</param>
    public SentencePairs Encode(
        TextFiles files, int maxLength, BadLines bad, List<TextPair>? texts, CancellationToken cancellation)
    {
        var pairs = new SentencePairs();
        int[] source = [], target = [];
        foreach (TextPair pair in ParallelText.Read(files, bad))
        {
            cancellation.ThrowIfCancellationRequested();
            IReadOnlyList<string> sourceTokens = _sourceTokenizer.Tokenize(pair.Source);
            IReadOnlyList<string> targetTokens = _targetTokenizer.Tokenize(pair.Target);
            if (sourceTokens.Count == 0 || targetTokens.Count == 0)
            {
                bad.Add(BadLines.EmptySide, sourceTokens.Count == 0 ? files.Source : files.Target, pair.Line);
                continue;
            }

            if (sourceTokens.Count > maxLength || targetTokens.Count > maxLength)
            {
                bad.Add(BadLines.TooLong, sourceTokens.Count > maxLength ? files.Source : files.Target, pair.Line);
                continue;
            }

            int sourceCount = ToIds(Source, sourceTokens, ref source), targetCount = ToIds(Target, targetTokens, ref target);
            pairs.Add(source.AsSpan(0, sourceCount), target.AsSpan(0, targetCount), pair.Line);
            texts?.Add(pair);
        }

        return pairs;
    }

    /// <summary>Tokens of a source, for a translator.</summary>
    public IReadOnlyList<string> SourceTokens(string text) => _sourceTokenizer.Tokenize(text);

    /// <summary>The text of tokens of the target, as a reader wants it.</summary>
    public string TargetText(IReadOnlyList<string> tokens) => Readable(_targetTokenizer.Detokenize(tokens));

    /// <summary>A reference or a source as a reader wants it: without the marks between parts of words.</summary>
    public string Readable(string text)
    {
        if (_joiner.Length == 0) return text;
        text = text.Replace(_joiner, "", StringComparison.Ordinal);
        string atEnd = _joiner.TrimEnd();   // a translation may end in the middle of a word
        return atEnd.Length > 0 && text.EndsWith(atEnd, StringComparison.Ordinal) ? text[..^atEnd.Length] : text;
    }

    private static int ToIds(Vocabulary vocabulary, IReadOnlyList<string> tokens, ref int[] ids)
    {
        if (ids.Length <= tokens.Count) ids = new int[(2 * tokens.Count) + 1];
        for (int i = 0; i < tokens.Count; i++)
        {
            // Text that looks like a token with a meaning has none.
            string token = tokens[i];
            ids[i] = token == Tokens.Begin || token == Tokens.End ? vocabulary.UnknownId : vocabulary.Id(token);
        }

        ids[tokens.Count] = vocabulary.Id(Tokens.End);
        return tokens.Count + 1;
    }

    private static void Count(Dictionary<string, long> counts, IReadOnlyList<string> tokens)
    {
        foreach (string token in tokens)
            CollectionsMarshal.GetValueRefOrAddDefault(counts, token, out _)++;
    }

    // The most frequent first, equally frequent ones by their code units.
    private static Vocabulary Choose(Dictionary<string, long> counts, TokenizerSettings settings)
    {
        string[] special = [Tokens.Unknown, Tokens.Begin, Tokens.End];
        IEnumerable<string> tokens = counts
            .Where(pair => pair.Value >= settings.MinCount && !special.Contains(pair.Key))
            .OrderByDescending(static pair => pair.Value).ThenBy(static pair => pair.Key, StringComparer.Ordinal)
            .Select(static pair => pair.Key);
        if (settings.Size > 0) tokens = tokens.Take(Math.Max(0, settings.Size - special.Length));
        return new Vocabulary(special.Concat(tokens), Tokens.Unknown);
    }

    private static TextCoding OfPieces(
        TrainingConfig config, string directory, bool goesOn, Action<string> say, CancellationToken cancellation)
    {
        TokenizerSettings settings = config.Tokenizer;
        if (!goesOn || !TokenizerFiles.AreIn(directory))
        {
            byte[] first = settings.SourceModel is { } given
                ? ReadModel(given)
                : Learn(config, withSource: true, withTarget: settings.IsJoint, say, cancellation);
            byte[] second = settings.IsJoint
                ? first
                : settings.TargetModel is { } other
                    ? ReadModel(other)
                    : Learn(config, withSource: false, withTarget: true, say, cancellation);
            TokenizerFiles.Write(directory, first, second);
        }

        var (source, target) = TokenizerFiles.Of(directory);
        SentencePieceTokenizer sourceTokenizer = SentencePieceTokenizer.Load(source);
        Vocabulary sourceVocabulary = OfModel(source);
        return source == target
            ? new TextCoding(sourceTokenizer, sourceTokenizer, sourceVocabulary, sourceVocabulary, directory, "")
            : new TextCoding(
                sourceTokenizer, SentencePieceTokenizer.Load(target), sourceVocabulary, OfModel(target), directory, "");
    }

    private static byte[] ReadModel(string file) => FileSource.ReadAll(file, FormatLimits.VocabularyBytes);

    // Ids are those of the pieces; tokens with a meaning that the model lacks come after them.
    private static Vocabulary OfModel(string file)
    {
        List<string> tokens = [.. SentencePieceModel.Load(file).Pieces];
        foreach (string token in (string[])[Tokens.Unknown, Tokens.Begin, Tokens.End])
            if (!tokens.Contains(token)) tokens.Add(token);
        return new Vocabulary(tokens, Tokens.Unknown);
    }

    private static byte[] Learn(
        TrainingConfig config, bool withSource, bool withTarget, Action<string> say, CancellationToken cancellation)
    {
        var options = new VocabularyOptions(config.Tokenizer.Size)
        {
            Type = config.Tokenizer.IsBpe ? SegmentationType.Bpe : SegmentationType.Unigram,
            CharacterCoverage = config.Tokenizer.CharacterCoverage,
        };
        return VocabularyTrainer.Train(Lines(config, withSource, withTarget), options, say, cancellation).ToModel();
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Lines(TrainingConfig config, bool withSource, bool withTarget)
    {
        foreach (TextPair pair in ParallelText.Read(config.Data.Train, bad: null))
        {
            if (withSource) yield return Encoding.UTF8.GetBytes(pair.Source);
            if (withTarget) yield return Encoding.UTF8.GetBytes(pair.Target);
        }
    }
}
