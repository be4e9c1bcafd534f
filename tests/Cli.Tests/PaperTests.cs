// The page on the paper: its commands run, in their quick form, and its links lead somewhere.
using System.Text.RegularExpressions;
using Xunit;

namespace Cli.Tests;

public sealed partial class PaperTests
{
    private const string Prefix = "    dotnet run -c Release --project src/Cli -- ";

    private static readonly string Root = FindRoot();
    private static readonly string Page = File.ReadAllText(Path.Combine(Root, "docs", "the-paper.md"));

    public static TheoryData<string> Commands => [.. Page.Split('\n').Where(static line => line.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(static line => line[Prefix.Length..].TrimEnd())];

    [Theory, MemberData(nameof(Commands))]
    public async Task A_command_of_the_page_runs(string command)
    {
        using var shell = new TestShell { LoadsModels = true };
        string[] arguments = [.. Argument().Matches(command).Select(static match => match.Groups[1].Success ? match.Groups[1].Value : match.Value)];
        bool isStudy = arguments[0] == "study";
        Assert.True(isStudy || arguments[0] == "explain", $"{arguments[0]} is a command that this test does not know how to shorten");
        string[] model = isStudy && arguments[1] != "heads" ? [] : ["--model", Path.Combine(Root, "models", "english-german")];
        int code = await shell.RunAsync([.. arguments, .. isStudy ? ["--quick"] : Array.Empty<string>(), .. model, "--backend", "cpu"]);
        Assert.True(code == 0, shell.Error);
        if (isStudy) Assert.Contains("quick form", shell.Output, StringComparison.Ordinal);
        else Assert.True(new FileInfo(Path.Combine(shell.Directory, arguments[^1])).Length > 10_000);
    }

    [Fact]
    public void Every_study_is_on_the_page()
    {
        string source = File.ReadAllText(Path.Combine(Root, "src", "Cli", "StudyCommand.cs"));
        string[] studies = [.. StudyName().Matches(source).Select(static match => match.Groups[1].Value)];
        Assert.Contains("table1", studies);
        Assert.True(studies.Length >= 3, $"{studies.Length} studies were found in the source");
        foreach (string study in studies) Assert.Contains($"{Prefix}study {study}", Page, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_link_leads_to_a_file_or_a_heading()
    {
        string[] headings = [.. Page.Split('\n').Where(static line => line.StartsWith('#')).Select(Anchor)];
        foreach (Match link in Link().Matches(Page))
        {
            (string file, string anchor) = (link.Groups[1].Value, link.Groups[2].Value);
            if (file.Length > 0) Assert.True(File.Exists(Path.Combine(Root, "docs", file)), link.Value);
            else Assert.Contains(anchor, headings);
        }
    }

    // As GitHub makes anchors of headings.
    private static string Anchor(string heading) =>
        NotInAnchor().Replace(heading.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-');

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Engine.sln"))) directory = directory.Parent;
        return directory?.FullName ?? throw new DirectoryNotFoundException($"Engine.sln is not above {AppContext.BaseDirectory}.");
    }

    [GeneratedRegex("'([^']*)'|[^ ]+")]
    private static partial Regex Argument();

    [GeneratedRegex(@"(?:\.Of\(\s*|new Command\()""(\w+)""")]
    private static partial Regex StudyName();

    [GeneratedRegex(@"\]\(([^)#:]*)(?:#([^)]*))?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}
