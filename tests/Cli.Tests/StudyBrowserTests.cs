// The page of `engine study` in a real browser: it fits a phone, follows the colours of the system, prints dark on light.
using System.Text.Json;
using Engine.Studies;
using Xunit;

namespace Cli.Tests;

public sealed class StudyBrowserTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(360, "light")]
    [InlineData(360, "dark")]
    [InlineData(1280, "light")]
    public async Task The_page_fits_and_its_words_can_be_read(int width, string scheme)
    {
        using var shell = new TestShell();
        using Browser browser = await ShowAsync(shell);
        await browser.ResizeAsync(width, 740, Cancellation);
        await browser.PreferAsync(scheme, Cancellation);
        JsonElement found = await browser.RunAsync(
            """
            const page = document.documentElement;
            const sizes = [...document.querySelectorAll('.plot text')].map(t => t.getBoundingClientRect().height);
            const beyond = [...document.querySelectorAll('.plot text')].filter(t => {
              const box = t.getBoundingClientRect(), plot = t.ownerSVGElement.getBoundingClientRect();
              return box.left < plot.left - 1 || box.right > plot.right + 1 || box.top < plot.top - 1 || box.bottom > plot.bottom + 1;
            });
            const back = getComputedStyle(document.body).backgroundColor;
            return [page.scrollWidth, page.clientWidth, Math.min(...sizes), beyond.map(t => t.textContent), back, innerWidth];
            """, Cancellation);
        Assert.Equal(width, found[5].GetInt32());   // with the bar that scrolls
        Assert.Equal(found[1].GetInt32(), found[0].GetInt32());
        Assert.True(found[2].GetDouble() >= 10, $"the smallest word is {found[2]} pixels high");
        Assert.Empty(found[3].EnumerateArray());
        Assert.Equal(scheme == "dark" ? "rgb(22, 24, 28)" : "rgb(255, 255, 255)", found[4].GetString());
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public async Task Colours_of_curves_differ_and_stand_out(string scheme)
    {
        using var shell = new TestShell();
        using Browser browser = await ShowAsync(shell);
        await browser.PreferAsync(scheme, Cancellation);
        JsonElement found = await browser.RunAsync(
            """
            const light = c => { const [r, g, b] = c.match(/\d+/g).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
              return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const back = light(getComputedStyle(document.body).backgroundColor);
            const colours = [...document.querySelectorAll('figure:nth-of-type(2) .plot > g')].map(g => getComputedStyle(g).color);
            return [colours, colours.map(c => (Math.max(light(c), back) + 0.05) / (Math.min(light(c), back) + 0.05))];
            """, Cancellation);
        Assert.Equal(7, found[0].EnumerateArray().Select(static colour => colour.GetString()).Distinct().Count());
        Assert.All(found[1].EnumerateArray(), static contrast => Assert.True(contrast.GetDouble() >= 3, $"{contrast}"));   // WCAG 2.1, 1.4.11
    }

    [Fact]
    public async Task Paper_is_white_whatever_the_screen_is()
    {
        using var shell = new TestShell();
        using Browser browser = await ShowAsync(shell);
        await browser.PrintAsync("dark", Cancellation);
        JsonElement found = await browser.RunAsync(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color, getComputedStyle(document.querySelector('.s0')).color]",
            Cancellation);
        Assert.Equal(["rgb(255, 255, 255)", "rgb(0, 0, 0)", "rgb(0, 114, 178)"], found.EnumerateArray().Select(static one => one.GetString()!));
    }

    [Fact]
    public async Task The_widest_table_fits_on_paper()
    {
        using var shell = new TestShell();
        using Browser browser = await ShowAsync(shell, StudyReports.Wide());
        await browser.ResizeAsync(718, 740, Cancellation);   // A4 between margins of 1 cm, 96 units an inch
        await browser.PrintAsync("light", Cancellation);
        JsonElement found = await browser.RunAsync(
            "const page = document.documentElement; return [page.scrollWidth, page.clientWidth, document.querySelector('table').offsetWidth]",
            Cancellation);
        Assert.Equal(found[1].GetInt32(), found[0].GetInt32());
        Assert.InRange(found[2].GetInt32(), 400, 718);
    }

    [Fact]
    public async Task Numbers_behind_a_plot_open_by_the_keyboard()
    {
        using var shell = new TestShell();
        using Browser browser = await ShowAsync(shell);
        await browser.RunAsync("document.querySelector('summary').focus()", Cancellation);
        await browser.PressAsync("\uE007", Cancellation);   // Enter
        Assert.True((await browser.RunAsync("return document.querySelector('details').open", Cancellation)).GetBoolean());
    }

    private static async Task<Browser> ShowAsync(TestShell shell, StudyReport? report = null)
    {
        Assert.SkipWhen(Browser.Missing is not null, Browser.Missing ?? "");
        string file = shell.Write("page.html", StudyTests.Page(report ?? StudyReports.Everything()));
        Browser browser = await Browser.OpenAsync(1280, 900, Cancellation);
        try
        {
            await browser.ShowAsync(file, Cancellation);
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }
}
