// Vocabularies against those that google/sentencepiece learned from the same text: a small one of this project, and Multi30k where it is.
using System.Globalization;
using System.Text;
using Engine.Text.SentencePiece;
using Engine.Text.SentencePiece.Training;
using Xunit;

namespace Engine.Tests.Text;

public class VocabularyTrainerTests
{
    private static readonly VocabularyOptions Bpe = new(400) { Type = SegmentationType.Bpe };
    private static readonly VocabularyOptions Unigram = new(300);

    // Coverage 0.98 leaves characters out, so that all of bytes, unknown characters and special pieces matter.
    private static readonly VocabularyOptions Varied = new(500)
    {
        CharacterCoverage = 0.98f,
        HasByteFallback = true,
        UserDefined = ["lamp", "keeper"],
        Control = ["<2de>", "<2en>"],
        PadId = 3,
        SplitsDigits = true,
        MaxPieceLength = 6,
    };

    public static TheoryData<string, VocabularyOptions> BpeCases => new()
    {
        { "bpe", Bpe },
        { "bpe-overlaps", Bpe with { CountsOverlaps = true } },
        { "bpe-options", Varied with { Size = 600, Type = SegmentationType.Bpe, Normalization = CharacterMaps.Identity } },
    };

    public static TheoryData<string, VocabularyOptions> UnigramCases => new()
    {
        { "unigram", Unigram },
        { "unigram-options", Varied },
    };

    public static TheoryData<VocabularyOptions> AllOptions => [Bpe, Unigram, Varied, Varied with { Size = 600, Type = SegmentationType.Bpe }];

    [Theory, MemberData(nameof(BpeCases))]
    public void Bpe_pieces_and_their_order_are_those_of_the_reference(string name, VocabularyOptions options)
    {
        string[] expected = File.ReadAllLines(TestData.Find($"vocabulary/{name}.vocab"));
        using var found = new StringWriter();
        Train(options).WriteTo(found);
        Assert.Equal(expected, found.ToString().Split('\n')[..^1]);
    }

    [Theory, MemberData(nameof(UnigramCases))]
    public void Unigram_pieces_are_those_of_the_reference(string name, VocabularyOptions options)
    {
        Dictionary<string, float> expected = File.ReadLines(TestData.Find($"vocabulary/{name}.vocab"))
            .Select(static line => line.Split('\t'))
            .ToDictionary(static pair => pair[0], static pair => float.Parse(pair[1], CultureInfo.InvariantCulture));
        TrainedVocabulary found = Train(options);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), found.Pieces.Select(static piece => piece.Text).Order(StringComparer.Ordinal));

        // The reference sums in float32, and the file has six digits.
        Assert.All(found.Pieces, piece => Assert.Equal(expected[piece.Text], piece.Score, 1e-3f));
    }

    [Theory, MemberData(nameof(AllOptions))]
    public void A_written_model_is_read_again_equal(VocabularyOptions options)
    {
        TrainedVocabulary trained = Train(options);
        SentencePieceModel model = SentencePieceModel.Read(trained.ToModel(), "trained");
        Assert.Equal(options.Type, model.Segmentation);
        Assert.Equal(options.Normalization, model.Normalization);
        Assert.Equal(options.HasByteFallback, model.HasByteFallback);
        Assert.Equal(options.UnknownId, model.UnknownId);
        Assert.Equal(trained.Pieces.Select(static piece => piece.Text), model.Pieces);
        Assert.Equal(trained.Pieces.Select(static piece => piece.Score), model.Scores);
        Assert.Equal(trained.Pieces.Select(static piece => piece.Type), model.Types);
        var tokenizer = new SentencePieceTokenizer(model);
        const string Text = "The keeper of the lighthouse counts 17 gulls.";
        Assert.Equal(Text, tokenizer.Detokenize(tokenizer.Tokenize(Text)));
    }

    [Theory, MemberData(nameof(AllOptions))]
    public void Any_number_of_threads_gives_the_same_bits(VocabularyOptions options)
    {
        byte[] expected = Train(options with { Threads = 1 }).ToModel();
        foreach (int threads in (int[])[2, 3, 8, 17])
            Assert.Equal(expected, Train(options with { Threads = threads }).ToModel());
    }

    // What the reference says of the same text: 1,704 and 353 pieces at most, 118 at least.
    [Theory]
    [InlineData(SegmentationType.Bpe, 100_000, "1,704")]
    [InlineData(SegmentationType.Unigram, 100_000, "353")]
    [InlineData(SegmentationType.Bpe, 50, "118")]
    [InlineData(SegmentationType.Unigram, 50, "118")]
    public void A_size_that_cannot_be_is_told_with_one_that_can(SegmentationType type, int size, string possible)
    {
        var options = new VocabularyOptions(size) { Type = type, CountsOverlaps = true };
        Assert.Contains(possible, Assert.Throws<InvalidDataException>(() => Train(options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Special_pieces_that_clash_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Train(Bpe with { BeginId = 0 }));
        Assert.Throws<ArgumentException>(() => Train(Bpe with { UnknownId = -1 }));
        Assert.Throws<ArgumentException>(() => Train(Bpe with { EndId = 400 }));
        Assert.Throws<ArgumentException>(() => Train(Bpe with { Control = ["<a>"], UserDefined = ["<a>"] }));
        Assert.Throws<ArgumentException>(() => Train(Bpe with { UserDefined = ["<unk>"] }));
        Assert.Throws<ArgumentException>(() => Train(Bpe with { UserDefined = [""] }));
        Assert.Throws<InvalidDataException>(() => VocabularyTrainer.Train([], Bpe, cancellation: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_piece_with_a_role_may_be_user_defined_and_keeps_its_id()
    {
        TrainedVocabulary trained = Train(Bpe with { UserDefined = ["<s>"] });
        Assert.Equal(new TrainedPiece("<s>", 0, PieceType.UserDefined), trained.Pieces[1]);
    }

    [Fact]
    public void Multi30k_gives_the_merges_of_the_reference()
    {
        SentencePieceModel expected = SentencePieceModel.Load(TestData.Find("sentencepiece/m30k.bpe8k.model"));
        var options = new VocabularyOptions(expected.Count) { Type = SegmentationType.Bpe, CharacterCoverage = 1 };
        TrainedVocabulary found = VocabularyTrainer.Train(
            Multi30k("train.en", "train.de"), options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(expected.Pieces, found.Pieces.Select(static piece => piece.Text));
        Assert.Equal(expected.Scores, found.Pieces.Select(static piece => piece.Score));
        Assert.Equal(expected.Types, found.Pieces.Select(static piece => piece.Type));
    }

    [Fact]
    public void Multi30k_held_out_text_is_as_probable_as_by_the_reference()
    {
        SentencePieceModel reference = SentencePieceModel.Load(TestData.Find("sentencepiece/m30k.uni8k.model"));
        var options = new VocabularyOptions(reference.Count) { CharacterCoverage = 1 };
        TrainedVocabulary trained = VocabularyTrainer.Train(
            Multi30k("train.en", "train.de"), options, cancellation: TestContext.Current.CancellationToken);
        SentencePieceModel found = SentencePieceModel.Read(trained.ToModel(), "trained");
        string[] lines = [.. Multi30k("val.en", "val.de").Select(static line => Encoding.UTF8.GetString(line.Span))];
        double expected = LogLikelihood(reference, lines), logLikelihood = LogLikelihood(found, lines);
        TestContext.Current.TestOutputHelper?.WriteLine($"{logLikelihood:F1}, reference {expected:F1}");
        Assert.InRange(logLikelihood / expected, 0.995, 1.005);
    }

    private static double LogLikelihood(SentencePieceModel model, string[] lines)
    {
        var tokenizer = new SentencePieceTokenizer(model);
        return lines.Sum(line => (double)tokenizer.Best(line, 1)[0].Score);
    }

    private static TrainedVocabulary Train(VocabularyOptions options) =>
        VocabularyTrainer.Train(Lines(TestData.Find("vocabulary/tiny.txt")), options, cancellation: TestContext.Current.CancellationToken);

    private static IEnumerable<ReadOnlyMemory<byte>> Multi30k(params string[] names) =>
        names.SelectMany(static name => Lines(TestData.Find($"multi30k/{name}")));

    private static List<ReadOnlyMemory<byte>> Lines(string file)
    {
        var lines = new List<ReadOnlyMemory<byte>>();
        ReadOnlyMemory<byte> rest = File.ReadAllBytes(file);
        for (int end; (end = rest.Span.IndexOf((byte)'\n')) >= 0; rest = rest[(end + 1)..]) lines.Add(rest[..end]);
        return lines;
    }
}
