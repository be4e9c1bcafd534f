// What sacrebleu 2.6.0 answers: for invented sentences with odd characters, empty lines and several references, and for the
// made systems of the Multi30k test set where that is beside the repository.
using System.Text.Json;
using Engine.Evaluation;
using Xunit;

namespace Engine.Tests.Evaluation;

public sealed class SacreBleuTests
{
    // exp and log of two C libraries may differ in the last place, of numbers up to 100; a perfect score is off by as much.
    private const double Tolerance = 1e-11;

    // Sums of 1,000 such numbers.
    private const double ToleranceOfMeans = 1e-10;

    public static TheoryData<string> Files =>
        [.. Directory.GetFiles(TestData.TryFind("evaluation")!, "*.json").Select(path => Path.GetFileName(path)).Order()];

    [Theory, MemberData(nameof(Files))]
    public void Corpora_and_sentences_score_as_in_sacrebleu(string file)
    {
        using JsonDocument document = Read($"evaluation/{file}");
        string[] hypotheses = Strings(document.RootElement.GetProperty("hypotheses"))!;
        foreach (JsonElement expected in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            Metric metric = Make(expected);
            IReadOnlyList<IReadOnlyList<string?>> references = References(document, expected);
            MetricScore found = metric.Score(hypotheses, references);
            Compare(expected, found);
            Assert.Equal(expected.GetProperty("sig").GetString(), found.Signature);
            if (!expected.TryGetProperty("sentences", out JsonElement sentences)) continue;
            IReadOnlyList<MetricScore> scores = metric.ScoreSentences(hypotheses, references);
            for (int i = 0; i < hypotheses.Length; i++)
            {
                string[] ofSentence = [.. references.Select(stream => stream[i]).OfType<string>()];
                MetricScore alone = metric.ScoreSentence(hypotheses[i], ofSentence);
                Compare(sentences[i], alone);
                Compare(sentences[i], scores[i]);
                Assert.Equal(alone.Signature, scores[i].Signature);
            }
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Tests_of_significance_draw_as_in_sacrebleu(string file)
    {
        using JsonDocument document = Read($"evaluation/{file}");
        string[] hypotheses = Strings(document.RootElement.GetProperty("hypotheses"))!;
        string[] baseline = Strings(document.RootElement.GetProperty("baseline"))!;
        foreach (JsonElement expected in document.RootElement.GetProperty("tests").EnumerateArray())
        {
            int samples = expected.GetProperty("samples").GetInt32(), interval = expected.GetProperty("interval").GetInt32();
            var options = new PairedTestOptions
            {
                Samples = samples == 0 ? null : samples,
                Seed = expected.GetProperty("seed").GetInt64(),
                IntervalSamples = Math.Max(0, interval),
            };
            bool bootstrap = expected.GetProperty("test").GetString() == "bs";
            Metric metric = Make(expected);
            PairedTestResult found = bootstrap
                ? PairedTest.Bootstrap(metric, baseline, hypotheses, References(document, expected), options)
                : PairedTest.Randomization(metric, baseline, hypotheses, References(document, expected), options);
            JsonElement system = expected.GetProperty("system"), other = expected.GetProperty("baseline");
            Assert.Equal(expected.GetProperty("sig").GetString(), found.Signature);
            Assert.Equal(system.GetProperty("p_value").GetDouble(), found.PValue);
            Assert.Equal(system.GetProperty("score").GetDouble(), found.System.Value, Tolerance);
            Assert.Equal(other.GetProperty("score").GetDouble(), found.Baseline.Value, Tolerance);
            Compare(system, found.SystemInterval);
            Compare(other, found.BaselineInterval);
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Intervals_are_written_as_in_sacrebleu(string file)
    {
        using JsonDocument document = Read($"evaluation/{file}");
        string[] hypotheses = Strings(document.RootElement.GetProperty("hypotheses"))!;
        string?[][] references = [Strings(document.RootElement.GetProperty("references")[0])!];
        foreach (JsonElement expected in document.RootElement.GetProperty("confidence").EnumerateArray())
        {
            Metric metric = Make(expected);
            var interval = ConfidenceInterval.Estimate(
                metric, hypotheses, references, ConfidenceInterval.DefaultSamples, 12345, out string signature);
            string found = metric.Score(hypotheses, references).Format(2, signature, interval);
            Assert.Equal(expected.GetProperty("str").GetString(), found);
        }
    }

    [Fact]
    public void Systems_of_Multi30k_score_as_in_sacrebleu()
    {
        using JsonDocument document = Read("bleu/m30k_expected.json");
        string[][] references = [File.ReadAllLines(TestData.Find("multi30k/test_2016_flickr.de"))];
        foreach (JsonProperty system in document.RootElement.EnumerateObject())
        {
            string folder = Path.GetDirectoryName(TestData.Find("bleu/m30k_expected.json"))!;
            string file = Directory.GetFiles(folder, $"m30k_{system.Name}.*").Single();
            string[] hypotheses = File.ReadAllLines(file);
            foreach (JsonProperty expected in system.Value.EnumerateObject())
            {
                Metric metric = expected.Name switch
                {
                    "bleu" => new Bleu(),
                    "bleu_lc" => new Bleu(new BleuOptions { Lowercase = true }),
                    "bleu_none" => new Bleu(new BleuOptions { Tokenizer = BleuTokenizer.None }),
                    "bleu_intl" => new Bleu(new BleuOptions { Tokenizer = BleuTokenizer.International }),
                    "bleu_char" => new Bleu(new BleuOptions { Tokenizer = BleuTokenizer.Characters }),
                    "chrf" => new ChrF(),
                    "chrfpp" => new ChrF(new ChrFOptions { WordOrder = 2 }),
                    _ => throw new InvalidDataException($"{expected.Name} is no metric of this test."),
                };
                MetricScore found = metric.Score(hypotheses, references);
                Compare(expected.Value, found);
                Assert.Equal(expected.Value.GetProperty("sig").GetString(), found.Signature);
            }
        }
    }

    private static void Compare(JsonElement expected, MetricScore found)
    {
        Assert.Equal(expected.GetProperty("str").GetString(), found.ToString());
        Assert.Equal(expected.GetProperty("score").GetDouble(), found.Value, Tolerance);
        if (!expected.TryGetProperty("counts", out JsonElement counts)) return;
        BleuScore bleu = Assert.IsType<BleuScore>(found);
        Assert.Equal(counts.EnumerateArray().Select(count => count.GetDouble()), bleu.Counts);
        Assert.Equal(expected.GetProperty("totals").EnumerateArray().Select(total => total.GetDouble()), bleu.Totals);
        Assert.Equal(expected.GetProperty("bp").GetDouble(), bleu.BrevityPenalty, Tolerance);
        Assert.Equal(expected.GetProperty("sys_len").GetInt64(), bleu.HypothesisLength);
        Assert.Equal(expected.GetProperty("ref_len").GetInt64(), bleu.ReferenceLength);
        if (!expected.TryGetProperty("precisions", out JsonElement precisions)) return;
        Assert.Equal(precisions.EnumerateArray().Select(precision => precision.GetDouble()), bleu.Precisions);
    }

    private static void Compare(JsonElement expected, ConfidenceInterval? found)
    {
        JsonElement mean = expected.GetProperty("mean");
        Assert.Equal(mean.ValueKind != JsonValueKind.Null, found is not null);
        if (found is not { } interval) return;
        Assert.Equal(mean.GetDouble(), interval.Mean, ToleranceOfMeans);
        Assert.Equal(expected.GetProperty("ci").GetDouble(), interval.HalfWidth, ToleranceOfMeans);
    }

    private static Metric Make(JsonElement question)
    {
        JsonElement options = question.GetProperty("options");
        bool Yes(string name) => options.TryGetProperty(name, out JsonElement value) && value.GetBoolean();
        int Number(string name, int standard) =>
            options.TryGetProperty(name, out JsonElement value) ? value.GetInt32() : standard;
        string Word(string name) => options.TryGetProperty(name, out JsonElement value) ? value.GetString()! : "";
        if (question.GetProperty("metric").GetString() == "chrf")
        {
            return new ChrF(new ChrFOptions
            {
                CharacterOrder = Number("char_order", 6),
                WordOrder = Number("word_order", 0),
                Beta = Number("beta", 2),
                Lowercase = Yes("lowercase"),
                Whitespace = Yes("whitespace"),
                EpsilonSmoothing = Yes("eps_smoothing"),
            });
        }

        return new Bleu(new BleuOptions
        {
            Tokenizer = Word("tokenize") switch
            {
                "intl" => BleuTokenizer.International,
                "char" => BleuTokenizer.Characters,
                "zh" => BleuTokenizer.Chinese,
                "none" => BleuTokenizer.None,
                _ => BleuTokenizer.V13a,
            },
            Smoothing = Word("smooth_method") switch
            {
                "none" => BleuSmoothing.None,
                "floor" => BleuSmoothing.Floor,
                "add-k" => BleuSmoothing.AddK,
                _ => BleuSmoothing.Exponential,
            },
            SmoothValue = options.TryGetProperty("smooth_value", out JsonElement value) ? value.GetDouble() : null,
            MaxOrder = Number("max_ngram_order", 4),
            Lowercase = Yes("lowercase"),
            EffectiveOrder = Yes("effective_order"),
        });
    }

    private static string?[][] References(JsonDocument document, JsonElement question) =>
        [.. question.GetProperty("references").EnumerateArray()
            .Select(stream => Strings(document.RootElement.GetProperty("references")[stream.GetInt32()]))];

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(text => text.GetString()!)];

    private static JsonDocument Read(string relative) => JsonDocument.Parse(File.ReadAllBytes(TestData.Find(relative)));
}
