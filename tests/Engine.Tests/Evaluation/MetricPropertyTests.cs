// What must hold for any text, and what is refused.
using Engine.Evaluation;
using Xunit;

namespace Engine.Tests.Evaluation;

public sealed class MetricPropertyTests
{
    private static readonly string[] Words = ["the", "a", "cat", "dog", "sat", "on", "mat", "log", ",", ".", "3.5", "(hi)"];

    public static TheoryData<string> Metrics => ["bleu", "bleu-char", "chrf", "chrf++"];

    [Theory, MemberData(nameof(Metrics))]
    public void Identical_text_scores_a_hundred(string metric)
    {
        string[] text = Sentences(50, seed: 1);
        Assert.Equal(100, Make(metric).Score(text, [text]).Value, 1e-10);
        Assert.Equal(100, Make(metric).ScoreSentence(text[0], [text[0]]).Value, 1e-10);
    }

    [Theory, MemberData(nameof(Metrics))]
    public void Empty_hypotheses_score_zero(string metric)
    {
        string[] references = Sentences(5, seed: 2);
        Assert.Equal(0, Make(metric).Score(["", "", " ", "\t", ""], [references]).Value);
        Assert.Equal(0, Make(metric).ScoreSentence("", [references[0]]).Value);
        Assert.Equal(0, Make(metric).ScoreSentence("", [""]).Value);
        Assert.Equal(0, Make(metric).ScoreSentence("cat", [""]).Value);
    }

    [Theory, MemberData(nameof(Metrics))]
    public void The_order_of_segments_does_not_count(string metric)
    {
        string[] hypotheses = Sentences(200, seed: 3), references = Sentences(200, seed: 4);
        double expected = Make(metric).Score(hypotheses, [references]).Value;
        double found = Make(metric).Score([.. hypotheses.Reverse()], [[.. references.Reverse()]]).Value;
        Assert.Equal(expected, found);   // sums of integers, so not a bit differs
    }

    [Theory, MemberData(nameof(Metrics))]
    public void A_reference_twice_is_as_once(string metric)
    {
        string[] hypotheses = Sentences(100, seed: 5), references = Sentences(100, seed: 6);
        double expected = Make(metric).Score(hypotheses, [references]).Value;
        Assert.Equal(expected, Make(metric).Score(hypotheses, [references, references]).Value);
    }

    [Theory, MemberData(nameof(Metrics))]
    public void A_sentence_alone_is_a_corpus_of_one(string metric)
    {
        string[] hypotheses = Sentences(20, seed: 7), references = Sentences(20, seed: 8);
        for (int i = 0; i < hypotheses.Length; i++)
        {
            MetricScore alone = Make(metric).ScoreSentence(hypotheses[i], [references[i]]);
            Assert.Equal(Make(metric).Score([hypotheses[i]], [[references[i]]]).ToString(), alone.ToString());
        }
    }

    [Theory, MemberData(nameof(Metrics))]
    public void A_system_is_as_sure_as_itself_and_less_than_the_references(string metric)
    {
        string[] hypotheses = Sentences(30, seed: 9), references = Sentences(30, seed: 10);
        PairedTestResult bootstrap = PairedTest.Bootstrap(Make(metric), hypotheses, hypotheses, [references]);
        Assert.Equal(bootstrap.BaselineInterval, bootstrap.SystemInterval);
        PairedTestResult better = PairedTest.Randomization(Make(metric), hypotheses, references, [references]);
        Assert.Equal(1.0 / 10001, better.PValue);   // no exchange makes so large a difference
    }

    [Fact]
    public void A_long_sentence_needs_more_room_than_the_tables_begin_with()
    {
        string text = string.Join(' ', Enumerable.Range(0, 5000).Select(i => $"w{i}"));
        Assert.Equal(100, new Bleu().ScoreSentence(text, [text]).Value, 1e-10);
        Assert.Equal(100, new ChrF().ScoreSentence(text, [text]).Value, 1e-10);
        Assert.Equal(0.0, new Bleu().ScoreSentence("x", [text]).Value);
    }

    [Theory]
    [InlineData(6.25, 1, "6.2")]
    [InlineData(18.75, 1, "18.8")]
    [InlineData(0.125, 2, "0.12")]
    [InlineData(0.375, 2, "0.38")]
    [InlineData(2.5, 0, "2")]
    [InlineData(3.5, 0, "4")]
    [InlineData(0.15, 1, "0.1")]   // stored as less than 0.15
    [InlineData(100.00000000000004, 2, "100.00")]
    [InlineData(99.996, 2, "100.00")]
    public void Numbers_are_rounded_as_in_Python(double value, int digits, string expected) =>
        Assert.Equal(expected, PythonText.Fixed(value, digits));

    [Theory]
    [InlineData("ΟΔΥΣΣΕΥΣ", "οδυσσευς")]
    [InlineData("Σ", "σ")]
    [InlineData("ΑΣ.", "ας.")]
    [InlineData("ΑΣ.Β", "ασ.β")]
    [InlineData("A\u0301Σ\u0301", "a\u0301ς\u0301")]
    [InlineData("İZMİR", "i\u0307zmi\u0307r")]
    [InlineData("𐐀Σ", "𐐨ς")]
    [InlineData("ẞ Ꭰ Ა Ⓐ Ⅷ", "ß ꭰ ა ⓐ ⅷ")]
    public void Lower_case_is_that_of_Python(string text, string expected) => Assert.Equal(expected, PythonText.Lower(text));

    [Fact]
    public void What_cannot_be_scored_is_refused()
    {
        var bleu = new Bleu();
        Assert.Equal(
            "The stream of references 2 has 1 segments, expected 2 as the hypotheses have. (Parameter 'references')",
            Assert.Throws<ArgumentException>(() => bleu.Score(["a", "b"], [["a", "b"], ["a"]])).Message);
        Assert.Throws<ArgumentException>(() => bleu.Score([], [[]]));
        Assert.Throws<ArgumentException>(() => bleu.Score(["a"], []));
        Assert.Throws<ArgumentException>(() => bleu.ScoreSentence("a", []));
        Assert.Equal(
            "The segment 2 has no reference, expected one. (Parameter 'references')",
            Assert.Throws<ArgumentException>(() => bleu.Score(["a", "b"], [["a", null]])).Message);
        Assert.Throws<ArgumentException>(() => new Bleu(new BleuOptions { MaxOrder = 0 }));
        Assert.Throws<ArgumentException>(() => new Bleu(new BleuOptions { SmoothValue = -1 }));
        Assert.Throws<ArgumentException>(() => new ChrF(new ChrFOptions { CharacterOrder = 0 }));
        Assert.Throws<ArgumentException>(
            () => PairedTest.Bootstrap(bleu, ["a"], ["a"], [["a"]], new PairedTestOptions { Samples = 0 }));
        Assert.Throws<ArgumentException>(
            () => PairedTest.Bootstrap(bleu, ["a"], ["a"], [["a"]], new PairedTestOptions { Seed = -1 }));
    }

    [Fact]
    public void The_number_of_references_is_in_the_signature()
    {
        Assert.StartsWith("nrefs:2|", new ChrF().Score(["a"], [["a"], ["b"]]).Signature, StringComparison.Ordinal);
        MetricScore some = new ChrF().Score(["a", "b"], [["a", "b"], [null, "b"]]);
        Assert.StartsWith("nrefs:var|", some.Signature, StringComparison.Ordinal);
    }

    private static Metric Make(string word) => word switch
    {
        "bleu" => new Bleu(),
        "bleu-char" => new Bleu(new BleuOptions { Tokenizer = BleuTokenizer.Characters, EffectiveOrder = true }),
        "chrf" => new ChrF(),
        _ => new ChrF(new ChrFOptions { WordOrder = 2 }),
    };

    // Six words and more, so that BLEU has 4-grams to count.
    private static string[] Sentences(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => string.Join(' ', random.GetItems(Words, random.Next(6, 20))))];
    }
}
