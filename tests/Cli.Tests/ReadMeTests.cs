// The C# of the README is this code: what stands there compiles, runs, and prints what the README says.
using System.Text;
using System.Text.RegularExpressions;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Xunit;

namespace Cli.Tests;

[Collection(nameof(ReadMeTests))]
public sealed class ReadMeTests
{
    private static readonly string Root = FindRoot();
    private static readonly string ReadMe = File.ReadAllText(Path.Combine(Root, "README.md"));

    [Fact]
    public void The_fragment_prints_what_the_text_says()
    {
        string before = Directory.GetCurrentDirectory();
        Directory.SetCurrentDirectory(Root);
        try
        {
            Console.Lines.Clear();
            Fragment();
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
        }

        Assert.Equal(["Wo ist der nächste Bahnhof?", "Ich habe Hunger.", "Ich bin hungrig.", "Ich hab Hunger."], Console.Lines);
        const string Told = "It prints `Wo ist der nächste Bahnhof?`, then the three best: `Ich habe Hunger.`, `Ich bin hungrig.`, `Ich hab Hunger.` ";
        Assert.Contains(Told, ReadMe, StringComparison.Ordinal);
    }

    [Fact]
    public void The_fragment_is_the_code_below()
    {
        string shown = Regex.Match(ReadMe, "```csharp\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
        string source = File.ReadAllText(Path.Combine(Root, "tests", "Cli.Tests", "ReadMeTests.cs"));
        var compiled = new StringBuilder();
        bool inside = false;
        foreach (string line in source.Split('\n'))
        {
            if (line.Trim() == "// README begins") inside = true;
            else if (line.Trim() == "// README ends") inside = false;
            else if (inside) compiled.Append(line.Trim()).Append('\n');
        }

        Assert.Equal(compiled.ToString(), shown);
        Assert.Equal(5, shown.Count(static character => character == '\n'));
    }

    [Fact]
    public void Every_link_leads_to_a_file()
    {
        foreach (Match link in Regex.Matches(ReadMe, @"\]\(([^):#]+)\)"))
            Assert.True(File.Exists(Path.Combine(Root, link.Groups[1].Value)), link.Value);
    }

    private static void Fragment()
    {
        // README begins
        using IBackend backend = BackendSelector.Open("auto", providers: [CudaBackend.Provider, CpuBackend.Provider]);
        using var translator = Translator.Load("models/english-german", new TranslatorOptions(backend));
        Console.WriteLine(translator.Translate("Where is the nearest station?"));
        var request = new TranslationRequest(translator.Tokenizer.Tokenize("I'm hungry.")) { Options = new() { BeamSize = 4, NumHypotheses = 3 } };
        foreach (var found in translator.Translate(request).Hypotheses) Console.WriteLine(translator.Tokenizer.Detokenize(found.Tokens));
        // README ends
    }

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Engine.sln")))
            directory = directory.Parent;
        return directory?.FullName
            ?? throw new DirectoryNotFoundException($"Engine.sln is not above {AppContext.BaseDirectory}.");
    }

    // Catches what the fragment prints; inside this class the name means this one.
    private static class Console
    {
        public static List<string> Lines { get; } = [];

        public static void WriteLine(string line) => Lines.Add(line);
    }

    // The fragment names a relative path, and the current directory belongs to the whole process.
    [CollectionDefinition(nameof(ReadMeTests), DisableParallelization = true)]
    public sealed class Alone;
}
