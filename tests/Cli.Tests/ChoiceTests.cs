// Which backend and which model: flag, variable, file, default, in this order.
using Engine.Cli;
using Xunit;

namespace Cli.Tests;

public sealed class ChoiceTests
{
    [Fact]
    public void Without_a_word_the_backend_is_auto()
    {
        using var shell = new TestShell();
        Assert.Equal("auto", BackendChoice.Word(shell.Make(), null));
    }

    [Fact]
    public void The_flag_goes_before_the_variable_and_the_variable_before_the_file()
    {
        using var shell = new TestShell();
        shell.Write("program/appsettings.json", """{"Engine":{"Backend":"cuda"}}""");
        Assert.Equal("cuda", BackendChoice.Word(shell.Make(), null));
        shell.Write("appsettings.json", """{"Engine":{"Backend":"cpu"}}""");
        Assert.Equal("cpu", BackendChoice.Word(shell.Make(), null));
        shell.Variables["ENGINE_BACKEND"] = "auto";
        Assert.Equal("auto", BackendChoice.Word(shell.Make(), null));
        Assert.Equal("cuda", BackendChoice.Word(shell.Make(), "cuda"));
        shell.Variables["ENGINE_BACKEND"] = "";
        Assert.Equal("cpu", BackendChoice.Word(shell.Make(), null));
    }

    [Theory]
    [InlineData("""{"Engine":{"Backend":"cpu"}}""", "cpu")]
    [InlineData("""{"engine":{"BACKEND":"CPU"}}""", "CPU")]
    [InlineData("""{"Engine:Backend":"cpu"}""", "cpu")]
    [InlineData("""{/* why */ "Engine":{"Backend":"cpu",},}""", "cpu")]
    [InlineData("""{"Logging":{}}""", "auto")]
    [InlineData("""{"Engine":null}""", "auto")]
    [InlineData("""{"Engine":{"Backend":null}}""", "auto")]
    public void The_file_is_read_as_hosts_read_it(string text, string word)
    {
        using var shell = new TestShell();
        shell.Write("appsettings.json", text);
        Assert.Equal(word, BackendChoice.Word(shell.Make(), null));
    }

    [Fact]
    public void A_file_that_says_nothing_leaves_the_word_to_the_next()
    {
        using var shell = new TestShell();
        shell.Write("appsettings.json", "{}");
        shell.Write("program/appsettings.json", """{"Engine":{"Backend":"cpu"}}""");
        Assert.Equal("cpu", BackendChoice.Word(shell.Make(), null));
    }

    [Theory]
    [InlineData("", "is no JSON")]
    [InlineData("{", "is no JSON")]
    [InlineData("[]", "the content is a list, expected an object")]
    [InlineData("""{"Engine":"cpu"}""", "Engine is a string, expected an object")]
    [InlineData("""{"Engine":{"Backend":3}}""", "Engine:Backend is a number, expected a string")]
    [InlineData("""{"Engine":{"Backend":"gpu"}}""", "Engine:Backend is 'gpu', expected 'auto' or 'cpu' or 'cuda'")]
    public async Task A_broken_file_is_a_clear_error(string text, string message)
    {
        using var shell = new TestShell();
        string file = shell.Write("appsettings.json", text);
        Assert.Equal(1, await shell.TranslateAsync("x\n"));
        string error = Assert.Single(shell.ErrorLines);
        Assert.StartsWith($"engine: {file}", error, StringComparison.Ordinal);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_variable_is_named()
    {
        using var shell = new TestShell();
        shell.Variables["ENGINE_BACKEND"] = "gpu";
        Assert.Equal(1, await shell.TranslateAsync("x\n"));
        Assert.Equal("engine: ENGINE_BACKEND is 'gpu', expected 'auto' or 'cpu' or 'cuda'.", Assert.Single(shell.ErrorLines));
    }

    [Theory]
    [InlineData("cuda:1")]
    [InlineData("CUDA:0,cuda:12")]
    [InlineData("cpu,cuda:0")]
    public async Task Devices_are_named_by_their_numbers(string word)
    {
        using var shell = new TestShell();
        shell.Variables["ENGINE_BACKEND"] = word;
        Assert.Equal(word, BackendChoice.Word(shell.Make(), null));
        shell.Write("appsettings.json", $"{{\"Engine\":{{\"Backend\":\"{word}\"}}}}");
        shell.Variables.Clear();
        Assert.Equal(word, BackendChoice.Word(shell.Make(), null));
        await shell.TranslateAsync("x\n", "--backend", word);
        Assert.Equal(word.ToLowerInvariant(), shell.Settings!.Backend);
    }

    [Theory]
    [InlineData("cuda:", "the number of a device after 'cuda:', as in 'cuda:0'")]
    [InlineData("cuda:x", "the number of a device after 'cuda:', as in 'cuda:0'")]
    [InlineData("cuda:-1", "the number of a device after 'cuda:', as in 'cuda:0'")]
    [InlineData("cuda:1:2", "the number of a device after 'cuda:', as in 'cuda:0'")]
    [InlineData("cpu:0", "no number of a device after 'cpu'")]
    [InlineData("auto:0", "no number of a device after 'auto'")]
    [InlineData("cuda:0,auto", "'auto' alone or a list without it")]
    [InlineData("cuda:0,", "'auto' or 'cpu' or 'cuda'")]
    [InlineData("cuda:0 cuda:1", "the number of a device after 'cuda:', as in 'cuda:0'")]
    public async Task A_word_that_names_no_device_is_refused(string word, string expected)
    {
        using var shell = new TestShell();
        Assert.Equal(2, await shell.TranslateAsync("x\n", "--backend", word));
        Assert.StartsWith($"engine: --backend is '{word}', expected {expected}.", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
        using var other = new TestShell();
        other.Variables["ENGINE_BACKEND"] = word;
        Assert.Equal(1, await other.TranslateAsync("x\n"));
        Assert.Equal($"engine: ENGINE_BACKEND is '{word}', expected {expected}.", Assert.Single(other.ErrorLines));
    }

    [Fact]
    public async Task Replicas_are_as_many_as_is_said()
    {
        using var shell = new TestShell();
        await shell.TranslateAsync("x\n");
        Assert.Equal(0, shell.Settings!.Replicas);
        await shell.TranslateAsync("x\n", "--backend", "cuda:0,cuda:1", "--replicas", "3");
        Assert.Equal(3, shell.Settings.Replicas);
        Assert.Equal(2, await shell.TranslateAsync("x\n", "--replicas", "-1"));
    }

    [Theory, InlineData(1), InlineData(6)]
    public async Task Several_translators_are_so_many_more_sentences_under_way(int translators)
    {
        int running = 0, most = 4 * 2 * translators;
        var all = new TaskCompletionSource();
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Translators = translators,
                Wait = (_, cancellation) =>
                {
                    if (Interlocked.Increment(ref running) == most) all.SetResult();
                    return all.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellation);
                },
            },
        };
        string lines = string.Concat(Enumerable.Range(0, 100).Select(static i => $"x{i}\n"));
        Assert.Equal(0, await shell.TranslateAsync(lines, "--batch-size", "2"));
        Assert.Equal(most, shell.Translation.MostRunning);
    }

    [Fact]
    public void Replicas_share_the_processors()
    {
        IReadOnlyList<Engine.Backends.IBackend> backends = BackendChoice.OpenAll(
            "cpu", 2 * Environment.ProcessorCount, new Engine.Backends.BackendOptions(), null);
        Assert.Equal(2 * Environment.ProcessorCount, backends.Count);
        foreach (Engine.Backends.IBackend backend in backends)
        {
            Assert.EndsWith(", 1 thread", backend.Description, StringComparison.Ordinal);
            Assert.True(backend.SharesWeightsWith(backends[0]));
            backend.Dispose();
        }
    }

    [Fact]
    public void One_backend_is_not_several() => Assert.Equal(
        "The backend is 'cpu,cpu', expected one, not several. (Parameter 'word')",
        Assert.Throws<ArgumentException>(() => BackendChoice.Open("cpu,cpu", new Engine.Backends.BackendOptions(), null)).Message);

    [Fact]
    public async Task Machine_code_is_that_of_the_flag_then_the_variable_then_on()
    {
        using var shell = new TestShell();
        await shell.TranslateAsync("x\n");
        Assert.True(shell.Settings!.BackendOptions.MachineCode);
        shell.Variables["ENGINE_MACHINE_CODE"] = "Off";
        await shell.TranslateAsync("x\n");
        Assert.False(shell.Settings.BackendOptions.MachineCode);
        await shell.TranslateAsync("x\n", "--machine-code", "on");
        Assert.True(shell.Settings.BackendOptions.MachineCode);
        shell.Variables["ENGINE_MACHINE_CODE"] = "0";
        Assert.Equal(1, await shell.TranslateAsync("x\n"));
        Assert.Equal("engine: ENGINE_MACHINE_CODE is '0', expected 'on' or 'off'.", Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task Help_names_the_flag_and_the_variable_of_machine_code()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.RunAsync("translate", "--help"));
        Assert.Contains("--machine-code <on|off>", shell.Output, StringComparison.Ordinal);
        Assert.Contains("ENGINE_MACHINE_CODE", shell.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_says_that_machine_code_is_switched_off()
    {
        var log = new List<string>();
        var options = new Engine.Backends.BackendOptions { Threads = 1, MachineCode = false };
        using (BackendChoice.Open("auto", options, log.Add))
            Assert.EndsWith("; machine code is switched off", Assert.Single(log), StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_says_why_in_one_line()
    {
        var log = new List<string>();
        using (BackendChoice.Open("auto", new Engine.Backends.BackendOptions { Threads = 1 }, log.Add))
            Assert.Contains("backend auto: ", Assert.Single(log), StringComparison.Ordinal);
        using (BackendChoice.Open("cpu", new Engine.Backends.BackendOptions { Threads = 1 }, log.Add)) Assert.Single(log);
    }

    [Fact]
    public void The_model_is_that_of_the_flag_then_the_variable_then_the_first_that_ships()
    {
        using var shell = new TestShell();
        string tiny = Path.Combine(shell.Directory, "models", "tiny");
        string other = shell.WriteModel("other"), third = shell.WriteModel("third");
        Assert.Equal(tiny, ModelLocator.Find(shell.Make(), null));
        shell.Variables["ENGINE_MODEL"] = "other";
        Assert.Equal(other, ModelLocator.Find(shell.Make(), null));
        Assert.Equal(third, ModelLocator.Find(shell.Make(), "third"));
    }

    [Fact]
    public void Of_several_models_the_first_by_name_ships()
    {
        using var shell = new TestShell();
        string first = shell.WriteModel("models/alpha");
        Directory.CreateDirectory(Path.Combine(shell.Directory, "models", "aaa-no-model"));
        shell.Write("models/README.md", "");
        Assert.Equal(first, ModelLocator.Find(shell.Make(), null));
    }

    [Fact]
    public void Of_several_models_the_one_that_the_file_default_names_ships()
    {
        using var shell = new TestShell();
        shell.WriteModel("models/alpha");
        string named = shell.WriteModel("models/beta");
        shell.Write("models/default", "beta\n");
        Assert.Equal(named, ModelLocator.Find(shell.Make(), null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("gamma\n")]
    public void A_default_that_is_not_there_is_named(string name)
    {
        using var shell = new TestShell();
        string pointer = shell.Write("models/default", name);
        var error = Assert.Throws<DirectoryNotFoundException>(() => ModelLocator.Find(shell.Make(), null));
        Assert.StartsWith($"{pointer} says '{name.Trim()}', expected ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Models_are_looked_for_above_and_beside_the_program()
    {
        using var shell = new TestShell();
        string tiny = Path.Combine(shell.Directory, "models", "tiny");
        string below = Directory.CreateDirectory(Path.Combine(shell.Directory, "a", "b")).FullName;
        string empty = Directory.CreateTempSubdirectory("engine-cli-empty-").FullName;
        try
        {
            Assert.Equal(tiny, ModelLocator.Find(At(current: below, program: empty), null));
            Assert.Equal(tiny, ModelLocator.Find(At(current: empty, program: below), null));
            Assert.Null(ModelLocator.FindShipped(At(current: empty, program: empty)));
            Shell nowhere = At(current: empty, program: empty);
            var error = Assert.Throws<DirectoryNotFoundException>(() => ModelLocator.Find(nowhere, null));
            Assert.Contains("--model", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(empty);
        }

        Shell At(string current, string program) => new()
        {
            Input = Stream.Null,
            Output = Stream.Null,
            Error = TextWriter.Null,
            CurrentDirectory = current,
            ProgramDirectory = program,
            Variable = _ => null,
        };
    }

    [Theory]
    [InlineData("--model is ", "--model", "missing")]
    [InlineData("ENGINE_MODEL is ")]
    public async Task A_model_that_is_not_there_is_named(string message, params string[] arguments)
    {
        using var shell = new TestShell();
        shell.Variables["ENGINE_MODEL"] = "missing";
        Assert.Equal(1, await shell.TranslateAsync("x\n", arguments));
        Assert.Equal(
            $"engine: {message}{Path.Combine(shell.Directory, "missing")}, which is no directory.",
            Assert.Single(shell.ErrorLines));
    }
}
