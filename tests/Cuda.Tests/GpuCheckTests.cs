// The program for a machine with a GPU, from its beginning to its end on the stand-in, so that it works at the first try where a GPU is.
using System.Diagnostics;
using System.Text.Json;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests;

public sealed class GpuCheckTests
{
    // Publishing takes a minute or two of a processor, so it is done where the variable asks for it.
    private const string PublishVariable = "ENGINE_TEST_PUBLISH";
    private const long MostBytes = 60L << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_runs_to_its_end_and_finds_all_good() =>
        await AssertRuns("dotnet", Path.Combine(AppContext.BaseDirectory, "GpuCheck.dll"));

    [Fact]
    public async Task Published_it_is_small_enough_to_carry_and_runs_alone()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(PublishVariable) == "1", $"Publishing is asked for by {PublishVariable}=1.");
        using var directory = new TemporaryDirectory();
        string? root = Path.GetDirectoryName(Path.GetDirectoryName(TestData.TryFind("README.md")!));
        string project = Path.Combine(root!, "gpu-check");
        (int code, string output) = await RunAsync("dotnet", "publish", project, "-c", "Release", "-r", "linux-x64", "-o", directory.Path);
        Assert.True(code == 0, output);
        foreach (string symbols in Directory.GetFiles(directory.Path, "*.dbg")) File.Delete(symbols);
        long bytes = Directory.GetFiles(directory.Path, "*", SearchOption.AllDirectories).Sum(static file => new FileInfo(file).Length);
        Assert.InRange(bytes, 1, MostBytes);
        await AssertRuns(directory["GpuCheck"]);
    }

    private static async Task AssertRuns(params string[] command)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-in is built on Linux only.");
        using var results = new TemporaryDirectory();
        (int code, string output) = await RunAsync([.. command, "--small", "--output", results.Path]);
        Assert.True(code == 0, output);
        Assert.Contains("== all is good", await File.ReadAllTextAsync(results["report.txt"], Cancellation), StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(results["results.json"], Cancellation));
        JsonElement root = document.RootElement;
        Assert.Equal("PTX machine (stand-in)", root.GetProperty("machine").GetProperty("device").GetString());
        Assert.All(root.GetProperty("sections").EnumerateArray(), static section => Assert.Equal(JsonValueKind.Null, section.GetProperty("failure").ValueKind));
        Assert.Equal(0, root.GetProperty("notRun").GetArrayLength());
        Assert.Equal(4, root.GetProperty("cases").GetArrayLength());
        Assert.All(root.GetProperty("cases").EnumerateArray(), static group =>
        {
            Assert.True(group.GetProperty("passed").GetInt32() > 0);
            Assert.Equal(0, group.GetProperty("failed").GetInt32() + group.GetProperty("notRun").GetInt32());
        });
        Assert.All(root.GetProperty("models").EnumerateArray(), static model => Assert.True(model.GetProperty("isGood").GetBoolean()));
        foreach (string group in (string[])["copy", "cuBLAS", "Linear", "attention", "memory", "transformer", "overhead"])
            Assert.Contains(root.GetProperty("measures").EnumerateArray(), measure => measure.GetProperty("group").GetString() == group);
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LD_LIBRARY_PATH"] = AppContext.BaseDirectory;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancellation), error = process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);
        return (process.ExitCode, await output + await error);
    }
}
