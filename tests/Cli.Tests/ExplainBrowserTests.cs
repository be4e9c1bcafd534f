// The page of `engine explain` in a real browser: what is shown is what the engine computed, by pointer and by keyboard alone.
using System.Globalization;
using System.Text.Json;
using Engine.Explaining;
using Xunit;

namespace Cli.Tests;

public sealed class ExplainBrowserTests
{
    private const string Text = "محمد";
    private const string ArrowUp = "\uE013", ArrowRight = "\uE014", ArrowDown = "\uE015", Tab = "\uE004", Escape = "\uE00C";
    private const double HalfOfLastPlace = 0.5e-4 + 1e-5;    // shown to four decimals, of weights that are 0.0000077 wrong at most
    private static readonly string Model = Path.Combine(TestData.Root, "models", "arabic-names");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_table_shows_the_weights_of_its_head()
    {
        using var shell = new TestShell { LoadsModels = true };
        using Browser browser = await ShowAsync(shell, 1280);
        Explanation expected = await ExplainTests.ExplainAsync(Text, beam: 2);
        await browser.RunAsync("document.getElementById('details').open = true", Cancellation);
        AttentionMap[] maps =
        [
            expected.Encoder, expected.Decoder, expected.Cross, expected.Alignment, expected.EncoderRollout, expected.SourceRollout,
            expected.TargetRollout,
        ];
        for (int i = 0; i < maps.Length; i++)
        {
            await browser.RunAsync(
                $"const s = document.getElementById('map'); s.value = {i}; s.dispatchEvent(new Event('change'))", Cancellation);
            for (int layer = 0; layer < maps[i].Layers; layer += 3)
            {
                for (int head = 0; head < maps[i].Heads; head += 5)
                {
                    await ClickAsync(browser, "layers", layer);
                    await ClickAsync(browser, "heads", maps[i].Heads > 1 ? head + 1 : 0);      // the first is the mean
                    await AssertTableAsync(browser, maps[i], layer, head);
                }
            }
        }
    }

    [Fact]
    public async Task Arrow_keys_choose_head_layer_and_word()
    {
        using var shell = new TestShell { LoadsModels = true };
        using Browser browser = await ShowAsync(shell, 1280);
        await browser.RunAsync("document.getElementById('heatbox').focus()", Cancellation);
        await browser.PressAsync(ArrowRight, Cancellation);
        await browser.PressAsync(ArrowRight, Cancellation);
        await browser.PressAsync(ArrowUp, Cancellation);
        Assert.StartsWith("Cross attention, layer 5, head 2", await TextAsync(browser, "#status"), StringComparison.Ordinal);

        Explanation expected = await ExplainTests.ExplainAsync(Text, beam: 2);
        await browser.RunAsync("document.querySelector('#queries button').focus()", Cancellation);
        await browser.PressAsync(ArrowDown, Cancellation);
        string said = await TextAsync(browser, "#status");
        float[] weights = expected.Cross.Row(4, 1, 1).ToArray();
        int best = Array.IndexOf(weights, weights.Max());
        Assert.StartsWith(
            $"Cross attention, layer 5, head 2: {expected.TargetTokens[1]} looks at {expected.SourceTokens[best]} ", said,
            StringComparison.Ordinal);
        int lines = (await browser.RunAsync("return document.querySelectorAll('#lines svg line').length", Cancellation)).GetInt32();
        Assert.Equal(weights.Count(static weight => weight >= 0.005f), lines);
        await browser.PressAsync(Escape, Cancellation);
        Assert.EndsWith("No word is chosen.", await TextAsync(browser, "#status"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_can_be_reached_by_the_keyboard()
    {
        using var shell = new TestShell { LoadsModels = true };
        using Browser browser = await ShowAsync(shell, 1280);
        var reached = new List<string>();
        for (int i = 0; i < 12; i++)
        {
            await browser.PressAsync(Tab, Cancellation);
            reached.Add((await browser.RunAsync(
                "const e = document.activeElement.closest('[id]'); return e ? e.id : ''", Cancellation)).GetString()!);
        }

        foreach (string wanted in new[] { "map", "layers", "heads", "queries", "keys", "heatbox", "details" })
            Assert.Contains(wanted, reached);
    }

    [Fact]
    public async Task The_pointer_on_a_cell_tells_its_weight()
    {
        using var shell = new TestShell { LoadsModels = true };
        using Browser browser = await ShowAsync(shell, 1280);
        JsonElement place = await browser.RunAsync(
            "document.getElementById('heat').scrollIntoView(); const b = document.getElementById('heat').getBoundingClientRect();"
            + "return [b.left + grid.left + 1.5 * grid.cell, b.top + grid.top + 2.5 * grid.cell]", Cancellation);
        await browser.PointAsync((int)place[0].GetDouble(), (int)place[1].GetDouble(), Cancellation);
        Explanation expected = await ExplainTests.ExplainAsync(Text, beam: 2);
        double mean = Enumerable.Range(0, 8).Average(head => expected.Cross.Row(5, head, 2)[1]);
        string said = await TextAsync(browser, "#legend");
        string words = $"Cross attention, layer 6, mean of heads: {expected.TargetTokens[2]} looks at {expected.SourceTokens[1]}: ";
        Assert.StartsWith(words, said, StringComparison.Ordinal);
        Assert.Equal(mean, double.Parse(said[words.Length..], CultureInfo.InvariantCulture), HalfOfLastPlace);
    }

    [Theory]
    [InlineData(1280, "light")]
    [InlineData(1280, "dark")]
    [InlineData(500, "light")]
    [InlineData(500, "dark")]
    public async Task The_page_fits_its_window_and_follows_the_colours_of_the_system(int width, string scheme)
    {
        using var shell = new TestShell { LoadsModels = true };
        using Browser browser = await ShowAsync(shell, width);
        await browser.PreferAsync(scheme, Cancellation);
        JsonElement found = await browser.RunAsync(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth,"
            + "getComputedStyle(document.body).backgroundColor]", Cancellation);
        Assert.Equal(found[1].GetInt32(), found[0].GetInt32());
        Assert.Equal(scheme == "dark" ? "rgb(22, 24, 28)" : "rgb(255, 255, 255)", found[2].GetString());
    }

    private static async Task<Browser> ShowAsync(TestShell shell, int width)
    {
        Assert.SkipWhen(Browser.Missing is not null, Browser.Missing ?? "");
        Assert.Equal(0, await shell.RunAsync("explain", Text, "--model", Model, "--backend", "cpu", "--quiet", "--out", "page.html"));
        Browser browser = await Browser.OpenAsync(width, 900, Cancellation);
        try
        {
            await browser.ShowAsync(Path.Combine(shell.Directory, "page.html"), Cancellation);
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }

    private static async Task ClickAsync(Browser browser, string box, int number) => await browser.RunAsync(
        $"const b = document.querySelectorAll('#{box} button')[{number}]; if (b) b.click()", Cancellation);

    private static async Task<string> TextAsync(Browser browser, string selector) =>
        (await browser.RunAsync($"return document.querySelector('{selector}').textContent", Cancellation)).GetString()!;

    private static async Task AssertTableAsync(Browser browser, AttentionMap map, int layer, int head)
    {
        JsonElement rows = await browser.RunAsync(
            "return [...document.querySelectorAll('#table tr')].slice(1).map(r => [...r.querySelectorAll('td')].map(c => c.textContent))",
            Cancellation);
        Assert.Equal(map.Queries, rows.GetArrayLength());
        for (int i = 0; i < map.Queries * map.Keys; i++)
        {
            double found = double.Parse(rows[i / map.Keys][i % map.Keys].GetString()!, CultureInfo.InvariantCulture);
            Assert.Equal(map.Row(layer, head, i / map.Keys)[i % map.Keys], found, HalfOfLastPlace);
        }
    }
}
