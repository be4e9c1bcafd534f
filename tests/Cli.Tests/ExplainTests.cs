// The page of `engine explain` holds the engine's own numbers, and nothing of a text becomes markup.
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Engine.Backends;
using Engine.Cli;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Explaining;
using Xunit;

namespace Cli.Tests;

public sealed partial class ExplainTests
{
    private static readonly string Model = Path.Combine(TestData.Root, "models", "arabic-names");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_numbers_of_the_page_are_those_of_the_engine()
    {
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(0, await shell.RunAsync("explain", "محمد", "--model", Model, "--backend", "cpu", "--beam", "3", "--quiet"));
        (JsonElement data, string page) = Read(shell.Output);
        Explanation expected = await ExplainAsync("محمد", beam: 3);
        Assert.Equal("محمد", data.GetProperty("text").GetString());
        Assert.Equal(expected.SourceTokens, Strings(data, "source"));
        Assert.Equal(expected.InputTokens, Strings(data, "input"));
        Assert.Equal(expected.TargetTokens, Strings(data, "target"));
        Assert.Equal(expected.TokenScores, data.GetProperty("scores").EnumerateArray().Select(static one => one.GetSingle()));
        Assert.Equal(
            expected.Hypotheses.Select(static one => one.Score),
            data.GetProperty("hypotheses").EnumerateArray().Select(static one => one.GetProperty("score").GetSingle()));
        Assert.Equal(3, expected.Hypotheses.Count);
        Assert.Equal(
            expected.Candidates.Select(static place => string.Join(' ', place.Select(static one => one.Token))),
            data.GetProperty("candidates").EnumerateArray().Select(static place =>
                string.Join(' ', place.EnumerateArray().Select(static one => one.GetProperty("token").GetString()))));
        foreach ((string id, AttentionMap map) in new[]
        {
            ("encoder", expected.Encoder), ("decoder", expected.Decoder), ("cross", expected.Cross), ("alignment", expected.Alignment),
            ("encoder-rollout", expected.EncoderRollout), ("source-rollout", expected.SourceRollout),
            ("target-rollout", expected.TargetRollout),
        })
        {
            JsonElement described = data.GetProperty("maps").EnumerateArray().Single(one => one.GetProperty("id").GetString() == id);
            Assert.Equal(
                (map.Layers, map.Heads, map.Queries, map.Keys),
                (described.GetProperty("layers").GetInt32(), described.GetProperty("heads").GetInt32(),
                    described.GetProperty("queries").GetInt32(), described.GetProperty("keys").GetInt32()));
            AssertWeights(page, id, map);
        }
    }

    [Fact]
    public async Task Markup_in_a_text_stays_text()
    {
        const string Text = "</script><script>alert(1)</script>&<!--";
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(0, await shell.RunAsync("explain", Text, "--model", Model, "--backend", "cpu", "--quiet"));
        (JsonElement data, string page) = Read(shell.Output);
        Assert.Equal(Text, data.GetProperty("text").GetString());
        Assert.DoesNotContain("alert(1)</script>", page, StringComparison.Ordinal);
        Assert.Equal(Scripts().Count(page), page.Split("</script>").Length - 1);
    }

    [Fact]
    public async Task A_page_asks_the_network_for_nothing()
    {
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(0, await shell.RunAsync("explain", "علي", "--model", Model, "--backend", "cpu", "--quiet", "--out", "page.html"));
        Assert.Empty(shell.Output);
        string page = await File.ReadAllTextAsync(Path.Combine(shell.Directory, "page.html"), Cancellation);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"(src|href|action)\s*=\s*[""']|url\(|@import|fetch\(|XMLHttpRequest", page);
    }

    [Theory]
    [InlineData("encoder")]
    [InlineData("decoder")]
    [InlineData("cross")]
    public async Task A_picture_has_a_cell_for_each_weight(string kind)
    {
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(
            0, await shell.RunAsync("explain", "محمد", "--model", Model, "--backend", "cpu", "--quiet", "--svg", "2.8", "--kind", kind));
        Explanation expected = await ExplainAsync("محمد", beam: new DecodingOptions().BeamSize);
        AttentionMap map = kind switch
        {
            "encoder" => expected.Encoder,
            "decoder" => expected.Decoder,
            _ => expected.Cross,
        };
        XNamespace svg = "http://www.w3.org/2000/svg";
        float[] found = [.. XDocument.Parse(shell.Output).Descendants(svg + "rect").Skip(1)
            .Select(static one => float.Parse(one.Attribute("fill-opacity")!.Value, CultureInfo.InvariantCulture))];
        Assert.Equal(map.Queries * map.Keys, found.Length);
        for (int i = 0; i < found.Length; i++) Assert.Equal(map.Row(1, 7, i / map.Keys)[i % map.Keys], found[i]);
    }

    [Theory]
    [InlineData("engine: --svg is '0.1', expected a layer and a head from 1, as in 2.3. See 'engine explain --help'.", "--svg", "0.1")]
    [InlineData("engine: --svg is '3', expected a layer and a head from 1, as in 2.3. See 'engine explain --help'.", "--svg", "3")]
    [InlineData("engine: --kind is for --svg. See 'engine explain --help'.", "--kind", "cross")]
    [InlineData("engine: --svg is '7.1', expected at most '6.8', as the model has for cross. See 'engine explain --help'.", "--svg", "7.1")]
    public async Task What_cannot_be_drawn_is_refused(string message, params string[] arguments)
    {
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(2, await shell.RunAsync(["explain", "علي", "--model", Model, "--backend", "cpu", "--quiet", .. arguments]));
        Assert.Equal(message, Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task An_empty_text_is_refused()
    {
        using var shell = new TestShell { LoadsModels = true };
        Assert.Equal(2, await shell.RunAsync("explain", "", "--model", Model, "--backend", "cpu", "--quiet"));
        Assert.StartsWith("engine: TEXT is empty, expected a sentence.", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }

    internal static async Task<Explanation> ExplainAsync(string text, int beam)
    {
        using var backend = new CpuBackend(new BackendOptions());
        using Translator translator = Translator.Load(Model, new TranslatorOptions(backend));
        var request = new TranslationRequest(translator.Tokenizer.Tokenize(text))
        {
            Options = new DecodingOptions { BeamSize = beam, NumHypotheses = beam },
        };
        return await translator.ExplainAsync(request, Cancellation);
    }

    private static (JsonElement Data, string Page) Read(string page)
    {
        Match data = Regex.Match(page, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline);
        return (JsonDocument.Parse(data.Groups[1].Value).RootElement, page);
    }

    private static void AssertWeights(string page, string id, AttentionMap map)
    {
        for (int layer = 0; layer < map.Layers; layer++)
        {
            Match block = Regex.Match(page, $"<script type=\"text/plain\" id=\"weights-{id}-{layer}\">([A-Za-z0-9+/=]*)</script>");
            byte[] bytes = Convert.FromBase64String(block.Groups[1].Value);
            Assert.Equal(2 * map.Heads * map.Queries * map.Keys, bytes.Length);
            for (int i = 0; i < bytes.Length / 2; i++)
            {
                float expected = map.Row(layer, i / map.Keys / map.Queries, i / map.Keys % map.Queries)[i % map.Keys];
                double found = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2 * i)) / (double)ExplanationPage.Parts;
                Assert.Equal(expected, found, 0.5001 / ExplanationPage.Parts);
            }
        }
    }

    private static IEnumerable<string?> Strings(JsonElement data, string name) =>
        data.GetProperty(name).EnumerateArray().Select(static one => one.GetString());

    [GeneratedRegex("<script[ >]")]
    private static partial Regex Scripts();
}
