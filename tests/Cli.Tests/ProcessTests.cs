// The command as a process: exit codes, pipes, signals, devices; and real models, whose answers are known.
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Engine.Backends;
using Engine.Cli;
using Xunit;

namespace Cli.Tests;

public sealed class ProcessTests
{
    private const int ClosingPipes = 5_000;   // lines, more than pipes and windows hold
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Model = Path.Combine(TestData.Directory, "ct2", "aren-v6-float32");
    private static readonly string[] Translate = ["translate", "--model", Model, "--tokenizer", "character", "--quiet"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Version_and_info_succeed()
    {
        Result version = await RunAsync("", "--version");
        Assert.Equal(0, version.Code);
        Assert.Matches(@"^\d+\.\d+\.\d+", version.Output);
        Result info = await RunAsync("", "info", "--model", Model);
        Assert.Equal(0, info.Code);
        Assert.Contains("parameters         182,731", info.Output, StringComparison.Ordinal);
        Assert.Contains("format             CTranslate2, binary version 6", info.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_usage_is_exit_code_2()
    {
        Result result = await RunAsync("", "translate", "--beam", "none");
        Assert.Equal(2, result.Code);
        Assert.Equal(
            "engine: --beam is 'none', expected an integer from 1. See 'engine translate --help'.",
            Assert.Single(result.ErrorLines));
        Assert.Empty(result.Output);
    }

    [Theory, InlineData("--backend", "cpu,cpu"), InlineData("--replicas", "2")]
    public async Task Several_translators_give_the_answers_of_one(params string[] several)
    {
        string lines = string.Concat(Enumerable.Range(0, 40).Select(i => $"{(char)('a' + (i % 26))}bc{i}\n"));
        Result one = await RunAsync(lines, [.. Translate, "--backend", "cpu"]);
        Result result = await RunAsync(lines, [.. Translate, .. several.Contains("--backend") ? several : [.. several, "--backend", "cpu"]]);
        Assert.Equal((0, one.Output), (result.Code, result.Output));
    }

    [Fact]
    public async Task Cuda_that_is_asked_for_and_missing_ends_the_work()
    {
        IBackendProvider cuda = BackendChoice.Providers.Single(provider => provider.Word == "cuda");
        Assert.SkipWhen(cuda.IsAvailable(out string missing), "CUDA is here.");
        Result result = await RunAsync("abc\n", [.. Translate, "--backend", "cuda"]);
        Assert.Equal(1, result.Code);
        Assert.Equal($"engine: The backend 'cuda' cannot be used: {missing}.", Assert.Single(result.ErrorLines));
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task Auto_says_why_it_chose_unless_it_is_to_be_quiet()
    {
        Result loud = await RunAsync("", Translate[..^1]);
        Assert.Equal(0, loud.Code);
        Assert.Contains("backend auto: ", Assert.Single(loud.ErrorLines), StringComparison.Ordinal);
        Assert.Empty((await RunAsync("", Translate)).Error);
    }

    [Fact]
    public async Task A_directory_that_holds_no_model_is_told_in_one_line()
    {
        string empty = Directory.CreateTempSubdirectory("engine-cli-").FullName;
        Result result = await RunAsync("", "translate", "--model", empty, "--quiet");
        Directory.Delete(empty);
        Assert.Equal(1, result.Code);
        Assert.StartsWith($"engine: {empty}", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_is_translated_before_the_next_one_is_given()
    {
        using Process process = Start(Translate);
        foreach ((string source, string target) in ((string, string)[])[("محمد", "mahmad"), ("أحمد", "ahmad"), ("", "")])
        {
            await process.StandardInput.WriteLineAsync(source.AsMemory(), Cancellation);
            await process.StandardInput.FlushAsync(Cancellation);
            Assert.Equal(target, await ReadLineAsync(process));
        }

        process.StandardInput.Close();
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(0, process.ExitCode);
    }

    [Fact]
    public async Task A_reader_that_takes_one_line_ends_the_work_quietly()
    {
        using Process process = Start([.. Translate, "--beam", "1"]);
        Task feeding = FeedAsync(process, string.Concat(Enumerable.Repeat("محمد\n", ClosingPipes)), close: false);
        Assert.Equal("mahmad", await ReadLineAsync(process));
        process.StandardOutput.Close();
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(0, process.ExitCode);
        Assert.Empty(await process.StandardError.ReadToEndAsync(Cancellation));
        await feeding;
    }

    [Fact]
    public async Task A_full_disk_is_told_in_one_line()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "There is no /dev/full here.");
        Result file = await RunAsync("محمد\n", [.. Translate, "--output", "/dev/full"]);
        Assert.Equal(1, file.Code);
        Assert.Contains("/dev/full", Assert.Single(file.ErrorLines), StringComparison.Ordinal);
        Result standard = await RunShellAsync("echo محمد | {0} > /dev/full");
        Assert.Equal(1, standard.Code);
        Assert.StartsWith("engine: standard output: ", Assert.Single(standard.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_closed_standard_error_leaves_the_exit_code()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "A shell closes standard error here.");
        Assert.Equal(1, (await RunShellAsync("{0} missing.txt 2>&-")).Code);
    }

    [Fact]
    public async Task Several_processes_may_write_to_one_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a POSIX shell.");
        string file = Path.GetTempFileName();
        Result result = await RunShellAsync($"(echo first; echo محمد | {{0}}; echo محمد | {{0}}; echo last) > {file}");
        Assert.Equal(0, result.Code);
        Assert.Equal(["first", "mahmad", "mahmad", "last"], await File.ReadAllLinesAsync(file, Cancellation));
        File.Delete(file);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_stops_the_work_after_what_is_done(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs POSIX signals.");
        Assert.SkipWhen(signal == "INT" && IsInterruptIgnored(), "SIGINT is ignored here, as in the background of a shell.");
        using Process process = Start(Translate);
        await process.StandardInput.WriteLineAsync("محمد".AsMemory(), Cancellation);
        await process.StandardInput.FlushAsync(Cancellation);
        Assert.Equal("mahmad", await ReadLineAsync(process));
        using (var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"])) await kill.WaitForExitAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(1, process.ExitCode);
        Assert.Equal("engine: stopped.", (await process.StandardError.ReadToEndAsync(Cancellation)).Trim());
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_stops_the_work_in_the_middle_of_a_very_long_step(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs POSIX signals.");
        Assert.SkipWhen(signal == "INT" && IsInterruptIgnored(), "SIGINT is ignored here, as in the background of a shell.");
        TimeSpan soon = TimeSpan.FromSeconds(10);   // a second, and time for a machine that has other work
        using Process process = Start([.. Translate, "--max-input-length", "0"]);
        await process.StandardInput.WriteLineAsync("محمد".AsMemory(), Cancellation);
        await process.StandardInput.FlushAsync(Cancellation);
        Assert.Equal("mahmad", await ReadLineAsync(process));
        await process.StandardInput.WriteLineAsync(new string('م', 100_000).AsMemory(), Cancellation);
        await process.StandardInput.FlushAsync(Cancellation);
        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);   // the step runs, and takes far longer than that
        using (var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"])) await kill.WaitForExitAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(soon, Cancellation);
        Assert.Equal(1, process.ExitCode);
        Assert.Equal("engine: stopped.", (await process.StandardError.ReadToEndAsync(Cancellation)).Trim());
    }

    [Fact]
    public async Task A_signal_stops_the_work_though_nobody_reads_the_answers()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs POSIX signals.");
        using Process process = Start([.. Translate, "--beam", "1"]);
        Task feeding = FeedAsync(process, string.Concat(Enumerable.Repeat("محمد\n", 10 * ClosingPipes)), close: false);
        await Task.WhenAny(feeding, Task.Delay(TimeSpan.FromSeconds(10), Cancellation));   // until pipes and windows are full
        using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])) await kill.WaitForExitAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(1, process.ExitCode);
        Assert.Equal("engine: stopped.", (await process.StandardError.ReadToEndAsync(Cancellation)).Trim());
        await feeding;
    }

    [Fact]
    public async Task A_closed_standard_input_is_told_in_one_line()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a POSIX shell.");
        Result result = await RunShellAsync("{0} <&-");
        Assert.Equal(1, result.Code);
        Assert.Equal("engine: standard input: the stream is closed.", Assert.Single(result.ErrorLines));
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task A_closed_standard_output_is_told_in_one_line()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a POSIX shell.");
        Result result = await RunShellAsync("echo محمد | {0} >&-");
        Assert.Equal(1, result.Code);
        Assert.Equal("engine: standard output: the stream is closed.", Assert.Single(result.ErrorLines));
    }

    [Fact]
    public async Task A_file_of_cases_gets_the_answers_that_are_known()
    {
        // Scores are compared to 1e-4, as the tests of the decoder do, where the reason is.
        const double Tolerance = 1e-4;
        byte[] file = await File.ReadAllBytesAsync(Path.Combine(TestData.Directory, "ct2", "aren-v6.expected.json"), Cancellation);
        using var cases = JsonDocument.Parse(file);
        JsonElement[] expected =
            [.. cases.RootElement.EnumerateArray().Where(item => item.GetProperty("model").GetString() == "aren-v6-float32")];
        string input = $"[{string.Join(",\n", expected.Select(item => item.GetRawText()))}]";
        Result result = await RunAsync(input, "translate", "--jsonl", "--model", Model, "--quiet");
        Assert.Empty(result.Error);
        Assert.Equal(0, result.Code);
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected.Length, lines.Length);
        foreach ((JsonElement question, string line) in expected.Zip(lines))
        {
            using var answer = JsonDocument.Parse(line);
            string id = question.GetProperty("id").GetString()!;
            Assert.Equal(id, answer.RootElement.GetProperty("id").GetString());
            foreach (string tokens in (string[])["hypotheses", "tokens"])
            {
                if (question.TryGetProperty(tokens, out JsonElement wanted))
                    Assert.True(JsonElement.DeepEquals(wanted, answer.RootElement.GetProperty(tokens)), $"{id}: {line}");
            }

            foreach (string numbers in (string[])["scores", "tokens_score", "attention"])
            {
                if (!question.TryGetProperty(numbers, out JsonElement wanted)) continue;
                double[] found = Numbers(answer.RootElement.GetProperty(numbers)), known = Numbers(wanted);
                Assert.Equal(known.Length, found.Length);
                Assert.All(known.Zip(found), pair => Assert.Equal(pair.First, pair.Second, Tolerance));
            }
        }
    }

    [Theory]
    [InlineData("rows")]
    [InlineData("packed")]
    public async Task A_converted_model_gives_the_same_answers(string layout)
    {
        string parent = Directory.CreateTempSubdirectory("engine-cli-").FullName;
        string converted = Path.Combine(parent, "converted");
        Result conversion = await RunAsync("", "convert", Model, converted, "--tokenizer", "character", "--layout", layout);
        Assert.Equal((0, ""), (conversion.Code, conversion.Error));
        const string Input = "محمد\nأحمد\nعلي\n";
        Result before = await RunAsync(Input, [.. Translate, "--json", "--n-best", "3"]);
        Result after = await RunAsync(Input, "translate", "--model", converted, "--quiet", "--json", "--n-best", "3");
        Directory.Delete(parent, recursive: true);
        Assert.Equal(0, before.Code);
        Assert.Equal(before.Output, after.Output);
    }

    [Fact]
    public async Task Scores_of_a_translation_are_those_of_the_translator()
    {
        string folder = Directory.CreateTempSubdirectory("engine-cli-").FullName;
        string source = Path.Combine(folder, "source.txt"), target = Path.Combine(folder, "target.txt");
        await File.WriteAllTextAsync(source, "محمد\n", Cancellation);
        await File.WriteAllTextAsync(target, "mahmad\n", Cancellation);
        Result score = await RunAsync("", "score", source, target, "--model", Model, "--tokenizer", "character", "--quiet");
        Result translation = await RunAsync("محمد\n", [.. Translate, "--beam", "1", "--scores"]);
        Directory.Delete(folder, recursive: true);
        Assert.Equal(0, score.Code);

        // The mean over seven tokens is the score at length penalty 1; the two sums differ by the order of a few roundings.
        float mean = float.Parse(score.Output.Split('\t')[1]);
        Assert.Equal(float.Parse(translation.Output.Split(" ||| ")[0]), mean, 1e-4f);
    }

    private static double[] Numbers(JsonElement element) => element.ValueKind == JsonValueKind.Array
        ? [.. element.EnumerateArray().SelectMany(Numbers)]
        : [element.GetDouble()];

    private static async Task<Result> RunAsync(string input, params string[] arguments)
    {
        using Process process = Start(arguments);
        return await EndAsync(process, input);
    }

    // {0} is the command line that translates.
    private static async Task<Result> RunShellAsync(string script)
    {
        string command = string.Join(' ', ((string[])["dotnet", Program, .. Translate]).Select(word => $"'{word}'"));
        using Process process = Start("sh", ["-c", string.Format(script, command)]);
        return await EndAsync(process, "");
    }

    private static Task<string?> ReadLineAsync(Process process) =>
        process.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience, Cancellation);

    private static async Task<Result> EndAsync(Process process, string input)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancellation);
        Task<string> error = process.StandardError.ReadToEndAsync(Cancellation);
        await FeedAsync(process, input, close: true);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        return new Result(process.ExitCode, await output, await error);
    }

    // What a shell starts in the background inherits that SIGINT is ignored, and the runtime leaves it so.
    private static bool IsInterruptIgnored()
    {
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        const ulong Interrupt = 1 << 1;   // signal 2
        string? line = File.Exists(Status)
            ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Ignored, StringComparison.Ordinal))
            : null;
        return line is not null && (Convert.ToUInt64(line[Ignored.Length..].Trim(), 16) & Interrupt) != 0;
    }

    private static async Task FeedAsync(Process process, string input, bool close)
    {
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), Cancellation);
            await process.StandardInput.FlushAsync(Cancellation);
            if (close) process.StandardInput.Close();
        }
        catch (IOException)
        {
            // A process that ended early reads no more.
        }
    }

    private static string Program => typeof(EngineCommand).Assembly.Location;

    private static Process Start(string[] arguments) => Start("dotnet", [Program, .. arguments]);

    private static Process Start(string file, string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment.Remove(BackendChoice.VariableName);
        start.Environment.Remove(ModelLocator.VariableName);
        start.Environment.Remove(BackendChoice.MachineCodeVariable);
        return Process.Start(start)!;
    }

    private sealed record Result(int Code, string Output, string Error)
    {
        public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
