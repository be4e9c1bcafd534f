// The report on the machine runs everywhere.
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
    }

    [Fact]
    public async Task A_model_that_was_named_must_be_there()
    {
        using var shell = new TestShell();
        Assert.Equal(1, await shell.RunAsync("info", "--model", "missing"));
        Assert.Contains("which is no directory", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }
}
