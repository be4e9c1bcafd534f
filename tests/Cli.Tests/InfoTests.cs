// The report on the machine runs everywhere.
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu;
using Xunit;

namespace Cli.Tests;

public sealed class InfoTests
{
    [Fact]
    public async Task Info_tells_about_the_machine()
    {
        using var shell = new TestShell();
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        Assert.Equal(0, await shell.RunAsync("info"));
        Dictionary<string, string> lines = shell.OutputLines.ToDictionary(line => line[..18].TrimEnd(), line => line[19..]);
        string[] names =
        [
            "engine", "runtime", "system", "processor", "processors", "caches", "memory", "instructions", "cpu backend",
            "backend cpu", "backend cuda", "backend auto", "backend here", "model",
        ];
        Assert.Equal(names.Order(), lines.Keys.Order());
        Assert.All(lines.Values, value => Assert.NotEmpty(value.Trim()));
        Assert.StartsWith("cpu, ", lines["cpu backend"], StringComparison.Ordinal);
        Assert.Equal("none was found", lines["model"]);
        if (X86Base.IsSupported) Assert.Matches("^L1[di]? [0-9]+.*, L2 [0-9]+", lines["caches"]);
        Assert.True(CpuBackend.Provider.IsAvailable(out string reason));
        Assert.Equal(reason, lines["backend cpu"]);
    }

    [Fact]
    public void The_reason_of_the_cpu_backend_tells_whether_there_is_machine_code()
    {
        Assert.True(CpuBackend.Provider.IsAvailable(out string reason));
        const string Machine = " with machine code for (f32|int8|bf16)((, | and )(int8|bf16))*( \\(none for .+\\))?";
        Assert.Matches($"^(avx512({Machine}| \\(no machine code: .+\\))|avx2|portable), [0-9]+ processors?$", reason);
        var log = new List<string>();
        using (BackendSelector.Open("auto", log: log.Add, providers: [CpuBackend.Provider]))
            Assert.Equal($"backend auto: cpu ({reason})", Assert.Single(log));
    }

    [Fact]
    public async Task Info_tells_that_machine_code_is_switched_off()
    {
        using var shell = new TestShell();
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        shell.Variables["ENGINE_MACHINE_CODE"] = "off";
        Assert.Equal(0, await shell.RunAsync("info"));
        string line = Assert.Single(shell.OutputLines, line => line.StartsWith("cpu backend ", StringComparison.Ordinal));
        Assert.EndsWith("; machine code is switched off)", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_was_named_must_be_there()
    {
        using var shell = new TestShell();
        Assert.Equal(1, await shell.RunAsync("info", "--model", "missing"));
        Assert.Contains("which is no directory", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }
}
