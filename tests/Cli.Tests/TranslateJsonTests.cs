// Cases in JSON: lines and lists, however they arrive, and what is wrong with them.
using System.Text;
using System.Text.Json;
using CsCheck;
using Engine.Cli;
using Engine.Decoding;
using Engine.Text;
using Xunit;

namespace Cli.Tests;

public sealed class TranslateJsonTests
{
    private const string Good = """{"id":"x","source":["a","b"]}""";
    private const string GoodAnswer = """{"id":"x","hypotheses":[["A","B"]],"scores":[-0.5]}""";

    [Fact]
    public async Task Every_option_of_a_case_arrives()
    {
        using var shell = new TestShell();
        const string Case = """
            {"source":["s"],"target_prefix":["p","q"],"options":{"beam_size":3,"patience":2,"num_hypotheses":2,"length_penalty":0.6,
            "coverage_penalty":0.2,"repetition_penalty":1.5,"no_repeat_ngram_size":4,"disable_unk":true,
            "suppress_sequences":[["o"],["t","z"]],"prefix_bias_beta":0.5,"end_token":"m","return_end_token":true,
            "max_input_length":5,"max_decoding_length":6,"min_decoding_length":7,"sampling_topk":8,"sampling_topp":0.9,
            "sampling_temperature":0.8,"seed":9000000000,"return_scores":true,"return_attention":true,"return_token_scores":true,
            "return_alternatives":true,"min_alternative_expansion_prob":0.01,"replace_unknowns":true,"use_vmap":true}}
            """;
        Assert.Equal(0, await shell.TranslateAsync(Case.ReplaceLineEndings(""), "--jsonl"));
        TranslationRequest request = Assert.Single(shell.Translation.Requests);
        DecodingOptions found = request.Options!;
        Assert.Equal(["p", "q"], request.TargetPrefix!);
        Assert.Equal([["o"], ["t", "z"]], found.SuppressSequences!);
        Assert.Equal(["m"], found.EndTokens!);
        Assert.Equal(
            new DecodingOptions
            {
                BeamSize = 3, Patience = 2, NumHypotheses = 2, LengthPenalty = 0.6f, CoveragePenalty = 0.2f, RepetitionPenalty = 1.5f,
                NoRepeatNgramSize = 4, DisableUnknown = true, PrefixBiasBeta = 0.5f, ReturnEndToken = true, MaxInputLength = 5,
                MaxDecodingLength = 6, MinDecodingLength = 7, SamplingTopK = 8, SamplingTopP = 0.9f, SamplingTemperature = 0.8f,
                Seed = 9000000000, ReturnAttention = true, ReturnTokenScores = true, ReturnAlternatives = true,
                MinAlternativeExpansionProbability = 0.01f, ReplaceUnknowns = true, UseVmap = true,
            },
            found with { SuppressSequences = null, EndTokens = null });
    }

    [Fact]
    public async Task A_case_without_options_has_those_of_the_command_line()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync(
            """{"source":["s"]}""" + "\n" + """{"source":["s"],"options":{"beam_size":4}}""", "--jsonl", "--length-penalty", "0"));
        Assert.Equal(new DecodingOptions { LengthPenalty = 0 }, shell.Translation.Requests[0].Options);
        Assert.Equal(new DecodingOptions { LengthPenalty = 0, BeamSize = 4 }, shell.Translation.Requests[1].Options);
    }

    [Fact]
    public async Task Answers_that_stand_in_the_case_are_not_echoed()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync(
            """{"id":"x","model":"m","compute_type":"float32","task":"translate","source":["a","b"],"options":{"beam_size":1},"hypotheses":[["z"]],"scores":[-9],"attention":[]}""",
            "--jsonl"));
        Assert.Equal(GoodAnswer, Assert.Single(shell.OutputLines));
    }

    [Fact]
    public async Task A_case_can_be_scored()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync(
            """{"id":7,"task":"score","source":["a"],"target":["b"],"options":{"max_input_length":9},"tokens":["z"],"tokens_score":[0]}""",
            "--jsonl"));
        Assert.Equal("""{"id":7,"tokens":["b","</s>"],"tokens_score":[-0.1,-0.2]}""", Assert.Single(shell.OutputLines));
        Assert.Equal(9, Assert.Single(shell.Translation.Scores).MaxInputLength);
    }

    [Fact]
    public async Task A_case_of_text_is_answered_with_text_too()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync(
            """{"text":"a b","target_prefix":"p q","options":{"return_token_scores":true,"return_attention":true}}""", "--jsonl"));
        Assert.Equal(
            """{"hypotheses":[["p","q","A","B"]],"texts":["p q A B"],"scores":[-0.5],"token_scores":[[-0.25,-0.25,-0.25,-0.25]],"attention":[[[0.125,0.125],[0.125,0.125],[0.125,0.125],[0.125,0.125]]]}""",
            Assert.Single(shell.OutputLines));
    }

    [Theory]
    [InlineData("{", "no JSON")]
    [InlineData("nonsense", "no JSON")]
    [InlineData("""{"source":["a"]} {"source":["b"]}""", "no JSON")]
    [InlineData("[1", "no JSON")]
    [InlineData("[1]", "the item is a list, expected an object")]
    [InlineData("3", "the item is a number, expected an object")]
    [InlineData("""{"id":"e"}""", "neither 'source' nor 'text'")]
    [InlineData("""{"id":"e","source":3}""", "source is a number, expected a list of strings")]
    [InlineData("""{"id":"e","source":["a",1]}""", "source[1] is a number, expected a string")]
    [InlineData("""{"id":"e","text":["a"]}""", "text is a list, expected a string")]
    [InlineData("""{"id":"e","task":"score","source":["a"]}""", "no 'target'")]
    [InlineData("""{"id":"e","task":"sing","source":["a"]}""", "task is 'sing'")]
    [InlineData("""{"id":"e","source":["a"],"options":[]}""", "options is a list, expected an object")]
    [InlineData("""{"id":"e","source":["a"],"options":{"beam":3}}""", "options.beam is no option")]
    [InlineData("""{"id":"e","source":["a"],"options":{"beam_size":"3"}}""", "options.beam_size is a string, expected an integer")]
    [InlineData("""{"id":"e","source":["a"],"options":{"beam_size":1.5}}""", "options.beam_size is 1.5, expected an integer")]
    [InlineData("""{"id":"e","source":["a"],"options":{"beam_size":9999999999}}""", "expected an integer")]
    [InlineData("""{"id":"e","source":["a"],"options":{"length_penalty":1e99}}""", "options.length_penalty is 1e99, expected a number")]
    [InlineData("""{"id":"e","source":["a"],"options":{"disable_unk":1}}""", "options.disable_unk is 1, expected true or false")]
    [InlineData("""{"id":"e","source":["a"],"options":{"suppress_sequences":["a"]}}""", "suppress_sequences[0] is a string")]
    [InlineData("""{"id":"e","source":["a"],"options":{"end_token":5}}""", "end_token is a number")]
    [InlineData("""{"id":"e","source":["\ud800"]}""", "")]
    [InlineData("""{"id":"e","source":["wrong"]}""", "wrong, said the translator")]
    public async Task A_wrong_case_is_answered_with_an_error_and_the_others_go_on(string wrong, string message)
    {
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Check = request =>
                {
                    if (request.Source[0] == "wrong") throw new ArgumentException("wrong, said the translator", nameof(request));
                },
            },
        };
        Assert.Equal(1, await shell.TranslateAsync($"{Good}\n{wrong}\n{Good}\n", "--jsonl"));
        Assert.Equal(GoodAnswer, shell.OutputLines[0]);
        Assert.Equal(GoodAnswer, shell.OutputLines[2]);
        using var answer = JsonDocument.Parse(shell.OutputLines[1]);
        string error = answer.RootElement.GetProperty("error").GetString()!;
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Equal(wrong.Contains("\"e\"", StringComparison.Ordinal), answer.RootElement.TryGetProperty("id", out _));
        Assert.Equal("engine: 1 of 3 items failed; their answers say why.", Assert.Single(shell.ErrorLines));
    }

    [Theory]
    [InlineData("\"text\"")]
    [InlineData("12345678901234567890.5e400")]
    [InlineData("""{"a":[1,2],"b":null}""")]
    [InlineData("null")]
    [InlineData("true")]
    public async Task An_id_is_given_back_as_it_came(string id)
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync($$"""[{"source":["a"],"id": {{id.Replace(",", ",\n  ", StringComparison.Ordinal)}} }]""", "--jsonl"));
        Assert.StartsWith($"{{\"id\":{id},", Assert.Single(shell.OutputLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", 0, 0)]
    [InlineData(" \n\t[ ] \n", 0, 0)]
    [InlineData("[{},{}]", 2, 2)]
    [InlineData("[G,G\n,\n  G ]", 3, 0)]
    [InlineData("[G]\n[G,G] [G]\n", 4, 0)]
    [InlineData("[G,]", 2, 1)]
    [InlineData("[,G]", 2, 1)]
    [InlineData("[G,{\"source\": [\"]\", \"}\", \"\\\"[{,\\\\\"]},G]", 3, 0)]
    [InlineData("[G,7,[1,[2]],\"a,]\",G]", 5, 3)]
    [InlineData("[G", 2, 1)]
    [InlineData("[G,", 2, 1)]
    [InlineData("[G,{\"source\":[", 3, 2)]
    [InlineData("[G,}},G]", 3, 1)]
    [InlineData("[1,2,3]\nG\n", 2, 1)]
    [InlineData("[broken\nG\n", 2, 1)]
    [InlineData(" [\"a\"\nG\n", 2, 1)]
    [InlineData("[", 1, 1)]
    [InlineData("\uFEFF[G]", 1, 0)]
    [InlineData("\n\nG\n\nG", 2, 0)]
    [InlineData("G\r\nG\r\n", 2, 0)]
    [InlineData("", 0, 0)]
    public void Lists_and_lines_are_cut_apart_however_the_bytes_arrive(string input, int cases, int wrong)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(input.Replace("G", Good, StringComparison.Ordinal));
        Gen.Int[1, 7].Array[16].Sample(
            sizes =>
            {
                int turn = 0;
                List<JsonCase> found = Read(new PiecewiseStream(bytes, () => sizes[turn++ % sizes.Length]));
                Assert.Equal(cases, found.Count);
                Assert.Equal(wrong, found.Count(item => item.Error is not null));
            },
            iter: 20);
    }

    [Fact]
    public void A_list_that_does_not_end_says_so() =>
        Assert.Equal("the input: the list ends without ']'.", Read(new MemoryStream("[{}, {\"a"u8.ToArray()))[^1].Error);

    [Fact]
    public void Bytes_that_are_no_text_are_replaced()
    {
        byte[] bytes = [.. "{\"source\":[\"a"u8, 0xFF, .. "\"]}"u8];
        Assert.Equal(["a\uFFFD"], Assert.Single(Read(new MemoryStream(bytes))).Source);
    }

    [Fact]
    public void Elements_come_before_the_list_ends()
    {
        using var stream = new StoppingStream(Encoding.UTF8.GetBytes($"[\n{Good},\n{Good},\n"));
        using IEnumerator<JsonCase> cases = new JsonCases(Tokenizer.Space, new DecodingOptions())
            .Read(new InputBuffer(stream, "the input")).GetEnumerator();
        Assert.True(cases.MoveNext());
        Assert.True(cases.MoveNext());
        Assert.Null(cases.Current.Error);
        Assert.Throws<NotSupportedException>(() => cases.MoveNext());
    }

    [Theory]
    [InlineData("aren-transliteration.expected.json", 780)]
    [InlineData("aren-v6.expected.json", 1560)]
    public async Task A_file_of_cases_runs_as_it_is(string file, int cases)
    {
        using var shell = new TestShell();
        string path = Path.Combine(TestData.Directory, "ct2", file);
        Assert.Equal(0, await shell.RunAsync("translate", "--jsonl", path));
        Assert.Equal(cases, shell.OutputLines.Length);
        using var expected = JsonDocument.Parse(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken));
        foreach ((JsonElement question, string line) in expected.RootElement.EnumerateArray().Zip(shell.OutputLines))
        {
            using var answer = JsonDocument.Parse(line);
            Assert.Equal(question.GetProperty("id").GetString(), answer.RootElement.GetProperty("id").GetString());
            string key = question.GetProperty("task").GetString() == "score" ? "tokens_score" : "scores";
            Assert.True(answer.RootElement.TryGetProperty(key, out _));
        }
    }

    private static List<JsonCase> Read(Stream stream) =>
        [.. new JsonCases(Tokenizer.Space, new DecodingOptions()).Read(new InputBuffer(stream, "the input"))];

    private sealed class StoppingStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer)
        {
            int count = base.Read(buffer);
            return count > 0 ? count : throw new NotSupportedException("read too far");
        }
    }
}
