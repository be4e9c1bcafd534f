// From lines of text to a vocabulary: the corpus, one of two ways to choose the pieces, and the ids.
using System.Text;

namespace Engine.Text.SentencePiece.Training;

/// <summary>Learns subword vocabularies as google/sentencepiece does.</summary>
public static class VocabularyTrainer
{
    /// <summary>Learns a vocabulary.</summary>
    /// <param name="lines">Lines in UTF-8 without their ends; each is used before the next is asked for.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Is told in words how far the work is.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two special pieces clash.</exception>
    /// <exception cref="InvalidDataException">The text is too little, or too varied, for the size.</exception>
    public static TrainedVocabulary Train(
        IEnumerable<ReadOnlyMemory<byte>> lines, VocabularyOptions options, Action<string>? progress = null,
        CancellationToken cancellation = default)
    {
        Check(options);
        var special = new SpecialPieces(options);
        VocabularyCorpus corpus = VocabularyCorpus.Read(lines, options, special);
        string leftOut = corpus.LeftOutCount == 0 ? "" : $", {corpus.LeftOutCount:N0} left out";
        progress?.Invoke($"{corpus.LineCount:N0} lines{leftOut}; {corpus.Required.Count:N0} characters must be pieces.");
        int least = special.Count + corpus.Required.Count;
        if (options.Size < least)
            throw new InvalidDataException(
                $"the size is {options.Size:N0}, expected at least {least:N0}: {special.Count:N0} special pieces and "
                + $"{corpus.Required.Count:N0} characters, of which a smaller character coverage asks for fewer.");
        int wanted = options.Size - special.Count;
        List<(byte[] Text, float Score)> learned = options.Type == SegmentationType.Bpe
            ? new BpeTrainer(corpus, options).Train(wanted, progress, cancellation)
            : new UnigramTrainer(corpus, options).Train(wanted, progress, cancellation);
        if (learned.Count < wanted)
            throw new InvalidDataException(
                $"the size is {options.Size:N0}, but this text has no more than {learned.Count + special.Count:N0} pieces.");
        return new TrainedVocabulary(Arrange(learned, special, options.Size), options);
    }

    private static TrainedPiece[] Arrange(List<(byte[] Text, float Score)> learned, SpecialPieces special, int size)
    {
        var pieces = new TrainedPiece[size];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int id = 0, next = 0; id < size; id++)
        {
            pieces[id] = special.TryGet(id, out var fixedPiece)
                ? new TrainedPiece(fixedPiece.Piece, 0, fixedPiece.Type)
                : new TrainedPiece(Encoding.UTF8.GetString(learned[next].Text), learned[next++].Score, PieceType.Normal);
            if (!seen.Add(pieces[id].Text))
                throw new ArgumentException($"the piece '{pieces[id].Text}' is a special piece, but the text has it too.");
        }

        return pieces;
    }

    private static void Check(VocabularyOptions options)
    {
        if (options.Type is not (SegmentationType.Unigram or SegmentationType.Bpe))
            throw new ArgumentException($"the type is {options.Type}, expected Unigram or Bpe.", nameof(options));
        Expect(options.Size, 1, PieceTrie.MostValues, "size");
        Expect(options.MaxPieceLength, 1, VocabularyOptions.MostPieceLength, "longest piece");
        Expect(options.MaxLineBytes, 10, 1 << 30, "longest line");
        Expect(options.SeedSize, 1, PieceTrie.MostValues / 2, "number of seeds");
        Expect(options.Threads, 0, 1024, "number of threads");
        if (options.CharacterCoverage is not (>= 0.98f and <= 1))
            throw new ArgumentException($"the character coverage is {options.CharacterCoverage}, expected 0.98 to 1.", nameof(options));
        _ = CharacterMaps.Get(options.Normalization);
    }

    private static void Expect(int value, int least, int most, string what)
    {
        if (value < least || value > most)
            throw new ArgumentException($"the {what} is {value:N0}, expected {least:N0} to {most:N0}.");
    }
}
