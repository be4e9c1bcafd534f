// `engine train`: its flags, what it shows and writes, and that no kill at any moment changes a bit of the result.
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Engine.Cli;
using Xunit;

namespace Cli.Tests;

public sealed class TrainTests : IDisposable
{
    private const string KillsVariable = "ENGINE_TEST_KILLS";
    private const int Kills = 10;   // in every run of the tests; 200 where the variable says so

    private static readonly string[] Train = ["train", "config.json", "--backend", "cpu"];
    private readonly TestShell _shell = new();

    public TrainTests()
    {
        var random = new Random(1);
        foreach (string name in (string[])["train", "valid"])
        {
            string[] lines =
            [
                .. Enumerable.Range(0, name == "train" ? 300 : 10).Select(_ =>
                    string.Join(' ', Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next(10)))),
            ];
            _shell.Write($"{name}.tsv", string.Concat(lines.Select(line => $"{line}\t{line}\n")));
        }

        _shell.Write("config.json", """
            {
              "data": { "train": { "tsv": "train.tsv" }, "validation": { "tsv": "valid.tsv" } },
              "tokenizer": { "kind": "spaces" },
              "model": { "modelDim": 16, "heads": 2, "hiddenDim": 32, "encoderLayers": 1, "decoderLayers": 1 },
              "training": {
                "steps": 20, "batchTokens": 64, "reportEvery": 5, "learningRate": { "peak": 0.01, "warmup": 10 }
              },
              "validation": { "every": 10, "bleu": {}, "samples": 1 },
              "checkpoints": { "every": 5, "average": 2 },
              "output": "out"
            }
            """);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task It_shows_a_table_and_writes_a_model_that_translates()
    {
        Assert.Equal(0, await _shell.RunAsync(Train));
        Assert.Contains("300 pairs", _shell.Error, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^ +step +epoch +loss +perplexity +tokens/s +rate +gradient +left$", _shell.Error);
        Assert.Matches(@"(?m)^ +20/20 +\d+ +\d+\.\d{4} +\d+\.\d\d +[\d,]+ +\S+ +\d+\.\d{3} +0:00:00$", _shell.Error);
        Assert.Matches(@"step 20: validation loss \d\.\d{4}, perplexity \d+\.\d\d, BLEU \d+\.\d\d", _shell.Error);
        Assert.Contains("  translation  ", _shell.Error, StringComparison.Ordinal);
        Assert.Equal(3, _shell.OutputLines.Length);
        Assert.StartsWith(Path.Combine(_shell.Directory, "out", "model"), _shell.OutputLines[0], StringComparison.Ordinal);
        Assert.Contains("the mean of the weights of steps 15, 20", _shell.OutputLines[0], StringComparison.Ordinal);
        foreach (string file in (string[])["train.log.jsonl", "curves.svg", "model/config.json", "model/model.safetensors"])
            Assert.True(File.Exists(Path.Combine(_shell.Directory, "out", file)), file);
    }

    [Fact]
    public async Task Flags_count_more_than_the_file_and_than_set()
    {
        Directory.CreateDirectory(Path.Combine(_shell.Directory, "texts"));
        foreach (string name in (string[])["train.tsv", "valid.tsv"])
            File.Move(Path.Combine(_shell.Directory, name), Path.Combine(_shell.Directory, "texts", name));
        Assert.Equal(0, await _shell.RunAsync(
            [.. Train, "--quiet", "--output", "other", "--steps", "3", "--seed", "7", "--threads", "1", "--data", "texts",
                "--set", "training.steps=9", "--set", "seed=8", "--set", "model.hiddenDim=24"]));
        Assert.Empty(_shell.Error);
        Assert.Contains("after 3 steps", _shell.Output, StringComparison.Ordinal);
        using JsonDocument config = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(_shell.Directory, "other", "model", "config.json")));
        Assert.Equal(24, config.RootElement.GetProperty("encoder").GetProperty("hidden_dim").GetInt32());
        Assert.False(Directory.Exists(Path.Combine(_shell.Directory, "out")));
    }

    [Fact]
    public async Task A_variable_says_where_the_texts_are_unless_a_flag_does()
    {
        _shell.Variables["ENGINE_DATA"] = "nowhere";
        Assert.Equal(1, await _shell.RunAsync([.. Train, "--quiet", "--steps", "1"]));
        string file = Path.Combine(_shell.Directory, "nowhere", "train.tsv");
        Assert.StartsWith($"engine: {file}: the file is missing", Assert.Single(_shell.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(0, await _shell.RunAsync([.. Train, "--quiet", "--steps", "1", "--data", "."]));
    }

    [Theory]
    [InlineData("\"model.heads\" is 3, expected a divisor of modelDim, 16, or a headDim beside it.", "model.heads=3")]
    [InlineData("\"model.width\" is not a key that is known here, expected one of activation,", "model.width=3")]
    [InlineData("\"training.steps\" is \"many\", expected a whole number, at least 0.", "training.steps=many")]
    [InlineData("\"validation.criterion\" is \"chrf\", expected \"loss\" or \"bleu\".", "validation.criterion=chrf")]
    public async Task A_wrong_key_is_named_with_what_was_found_and_expected(string message, string change)
    {
        Assert.Equal(1, await _shell.RunAsync([.. Train, "--quiet", "--set", change]));
        string file = Path.Combine(_shell.Directory, "config.json");
        Assert.StartsWith($"engine: {file}: {message}", Assert.Single(_shell.ErrorLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--set", "nothing")]
    [InlineData("--steps", "0")]
    [InlineData("--seed", "-1")]
    public async Task A_wrong_flag_is_exit_code_2(string flag, string value)
    {
        Assert.Equal(2, await _shell.RunAsync([.. Train, flag, value]));
        Assert.Contains($"'{value}', expected", _shell.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stop_writes_a_checkpoint_and_says_how_to_go_on()
    {
        using var stop = new CancellationTokenSource();
        Task<int> training = _shell.RunAsync(stop.Token, [.. Train, "--steps", "100000"]);
        string checkpoints = Path.Combine(_shell.Directory, "out", "checkpoints");
        while (!Directory.Exists(checkpoints) && !training.IsCompleted) await Task.Delay(10, Cancellation);
        await stop.CancelAsync();
        Assert.Equal(1, await training);
        Assert.Matches(@"engine: stopped after step \d+, checkpoint .*step-\d{8}\.safetensors\.", _shell.Error);
        Assert.Contains("engine: to go on: the same command with --resume.", _shell.Error, StringComparison.Ordinal);
        Assert.Equal("engine: stopped.", _shell.ErrorLines[^1]);
    }

    [Fact]
    public async Task A_training_is_not_begun_anew_by_chance()
    {
        Assert.Equal(0, await _shell.RunAsync([.. Train, "--quiet", "--steps", "2"]));
        Assert.Equal(1, await _shell.RunAsync([.. Train, "--quiet", "--steps", "4"]));
        Assert.Contains("holds a training", Assert.Single(_shell.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(0, await _shell.RunAsync([.. Train, "--quiet", "--steps", "4", "--resume"]));
    }

    [Fact]
    public async Task Divergence_is_exit_code_1_and_one_line()
    {
        Assert.Equal(1, await _shell.RunAsync(
            [.. Train, "--quiet", "--set", "training.learningRate={\"schedule\":\"constant\",\"peak\":1e30,\"warmup\":0}"]));
        Assert.Matches(
            @"^engine: training diverged at step \d+: .* gave \S+; batch \d+ of epoch 1, \d+ sentences of lines \d+, ",
            Assert.Single(_shell.ErrorLines));
    }

    [Fact]
    public async Task Killed_at_any_moment_it_goes_on_and_ends_with_the_same_bits()
    {
        int kills = int.TryParse(Environment.GetEnvironmentVariable(KillsVariable), out int wanted) ? wanted : Kills;
        string[] command = ["train", "config.json", "--backend", "cpu", "--steps", "60"];
        var watch = Stopwatch.StartNew();
        Assert.Equal(0, await RunAsync([.. command, "--output", "whole"], Timeout.InfiniteTimeSpan));
        TimeSpan whole = watch.Elapsed;
        string weights = Hash("whole");
        List<string> events = Events("whole");

        var random = new Random(kills);
        for (int killed = 0; ;)
        {
            TimeSpan patience = killed < kills ? whole * (1.1 * random.NextDouble()) : Timeout.InfiniteTimeSpan;
            if (await RunAsync([.. command, "--output", "killed", "--resume"], patience) != 0)
            {
                killed++;
                continue;
            }

            Assert.Equal(weights, Hash("killed"));
            Assert.Equal(events, Events("killed"));
            if (killed >= kills) break;
            Directory.Delete(Path.Combine(_shell.Directory, "killed"), recursive: true);   // and again, from nothing
        }
    }

    private string Hash(string output) => Convert.ToHexString(
        SHA256.HashData(File.ReadAllBytes(Path.Combine(_shell.Directory, output, "model", "model.safetensors"))));

    // The log but for times and begins.
    private List<string> Events(string output)
    {
        var events = new List<string>();
        foreach (string line in File.ReadAllLines(Path.Combine(_shell.Directory, output, "train.log.jsonl")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.GetProperty("event").GetString() == "start") continue;
            IEnumerable<JsonProperty> members = document.RootElement.EnumerateObject()
                .Where(member => member.Name is not ("seconds" or "secondsLeft" or "tokensPerSecond"));
            events.Add(string.Join(' ', members.Select(member => member.ToString())));
        }

        return events;
    }

    // The exit code; that of a process which was killed is none of the command's.
    private async Task<int> RunAsync(string[] arguments, TimeSpan patience)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(EngineCommand).Assembly.Location, .. arguments])
        {
            WorkingDirectory = _shell.Directory,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancellation);
        Task<string> error = process.StandardError.ReadToEndAsync(Cancellation);
        bool isOver = true;
        try
        {
            await process.WaitForExitAsync(Cancellation).WaitAsync(patience, Cancellation);
        }
        catch (TimeoutException)
        {
            isOver = false;
            process.Kill();
            await process.WaitForExitAsync(Cancellation);
        }

        await Task.WhenAll(output, error);
        string said = await error;
        Assert.True(!isOver || process.ExitCode == 0, said);
        Assert.DoesNotContain("cannot be used", said, StringComparison.Ordinal);   // no checkpoint is ever torn
        return isOver ? 0 : -1;
    }
}
