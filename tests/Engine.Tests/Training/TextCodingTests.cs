// From text to ids: vocabularies that are counted, given or learned, and models whose tokenizer comes with them.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Text.SentencePiece;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class TextCodingTests : IDisposable
{
    private readonly TrainingFolder _folder = TrainingFolder.OfDigits(reversed: false);

    public TextCodingTests()
    {
        _folder.Write("train.src", "the cat saw the dog\nthe dog saw a <s>\nno\n");
        _folder.Write("train.tgt", "die Katze sah den Hund\nder Hund sah die Katze\nno no\n");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_joint_vocabulary_has_both_sides_the_most_frequent_first()
    {
        TextCoding coding = Create("tokenizer={\"kind\":\"spaces\",\"vocabulary\":{\"minCount\":2}}");
        Assert.Same(coding.Source, coding.Target);
        Assert.Equal(["<unk>", "<s>", "</s>", "no", "the", "Hund", "Katze", "die", "dog", "sah", "saw"], coding.Source.Tokens);
    }

    [Fact]
    public void Separate_vocabularies_have_a_side_each_and_a_size_cuts_them()
    {
        TextCoding coding = Create("tokenizer={\"kind\":\"spaces\",\"vocabulary\":{\"sides\":\"separate\",\"size\":5}}");
        Assert.Equal(["<unk>", "<s>", "</s>", "the", "dog"], coding.Source.Tokens);
        Assert.Equal(["<unk>", "<s>", "</s>", "Hund", "Katze"], coding.Target.Tokens);
    }

    [Fact]
    public void Ids_end_with_the_end_token_and_text_cannot_say_one()
    {
        TextCoding coding = Create();
        TrainingConfig config = _folder.Load();
        SentencePairs pairs = coding.Encode(
            config.Data.Train, 100, new BadLines(), null, TestContext.Current.CancellationToken);
        Assert.Equal(3, pairs.Count);
        int the = coding.Source.Id("the");
        Assert.Equal([the, coding.Source.Id("dog"), coding.Source.Id("saw"), coding.Source.Id("a"), 0, 2], pairs.Source(1));
        Assert.Equal([coding.Target.Id("no"), coding.Target.Id("no"), 2], pairs.Target(2));
    }

    [Fact]
    public void A_joiner_is_removed_for_readers()
    {
        TextCoding coding = Create("tokenizer.joiner=@@ ");
        Assert.Equal("ein lastwagen", coding.TargetText(["ein", "last@@", "wagen"]));
        Assert.Equal("ein last", coding.TargetText(["ein", "last@@"]));
        Assert.Equal("a b", coding.Readable("a b"));
    }

    [Fact]
    public void Pieces_are_learned_and_the_model_brings_them()
    {
        _folder.WriteDigits("train", 100, 6, reversed: false, seed: 1);
        var record = new TrainingFolder.Record();
        string model = _folder.Train(
            record, resume: false, threads: 2,
            "tokenizer={\"kind\":\"sentencepiece\",\"vocabulary\":{\"size\":24,\"type\":\"bpe\"}}", "training.steps=4").Model;
        Assert.Equal((24, 24), (record.Start!.SourceVocabulary, record.Start.TargetVocabulary));
        using var backend = new CpuBackend(new BackendOptions { Threads = 1 });
        using var translator = Translator.Load(model, new TranslatorOptions(backend));
        Assert.Equal(SentencePieceTokenizer.Name, translator.Tokenizer.Word);
        Assert.Equal("1 2 3", translator.Tokenizer.Detokenize(translator.Tokenizer.Tokenize("1 2 3")));
        _ = translator.Translate("1 2 3");
    }

    [Fact]
    public void Models_that_are_given_serve_a_side_each()
    {
        _folder.WriteDigits("train", 100, 6, reversed: false, seed: 1);
        string first = _folder.Train(
            "tokenizer={\"kind\":\"sentencepiece\",\"vocabulary\":{\"size\":24,\"type\":\"bpe\"}}", "training.steps=1",
            "output=first").Model;
        string second = _folder.Train(
            "tokenizer={\"kind\":\"sentencepiece\",\"vocabulary\":{\"size\":20}}", "training.steps=1", "output=second").Model;
        var record = new TrainingFolder.Record();
        string model = _folder.Train(
            record, resume: false, threads: 2, "tokenizer={\"kind\":\"sentencepiece\"}",
            $"tokenizer.sourceModel={first}/sentencepiece.model", $"tokenizer.targetModel={second}/sentencepiece.model",
            "training.steps=1").Model;
        Assert.Equal((24, 20), (record.Start!.SourceVocabulary, record.Start.TargetVocabulary));
        Assert.True(File.Exists(Path.Combine(model, "source.spm")));
        Assert.True(File.Exists(Path.Combine(model, "target.spm")));
    }

    private TextCoding Create(params string[] changes) =>
        TextCoding.Create(_folder.Load(changes), _folder.File("tokenizer"), false, _ => { }, default);
}
