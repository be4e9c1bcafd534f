// The command with --backend cuda as a process of its own, which finds the stand-in by the driver's real names: what it translates and
// trains, and what it says when something is wrong.
using System.Diagnostics;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests;

public sealed class CommandTests : IDisposable
{
    private const string Words = "محمد\nأحمد\n", Names = "mahmad\nahmad\n";

    private readonly TrainingFolder _folder = TrainingFolder.OfDigits(reversed: false, pairs: 60, validation: 3, longest: 4);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("run")]
    [InlineData("batch")]
    public async Task It_translates(string deterministic)
    {
        (int code, string output, string error) = await TranslateAsync("", "--backend", "cuda", "--deterministic", deterministic);
        Assert.True(code == 0, error);
        Assert.Equal(Names, output);
    }

    [Fact]
    public async Task It_trains()
    {
        (int code, string output, string error) = await TrainAsync("");
        Assert.True(code == 0, error);
        Assert.Contains("after 4 steps", output, StringComparison.Ordinal);
        Assert.True(File.Exists(_folder.File("out/model/model.safetensors")));
    }

    [Fact]
    public async Task Info_tells_of_the_device()
    {
        (int code, string output, string error) = await RunAsync("", "", "info");
        Assert.True(code == 0, error);
        Assert.Contains("PTX machine (stand-in)", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auto_takes_the_CPU_where_there_is_no_device_and_says_why()
    {
        (int code, string output, string error) = await TranslateAsync("devices=0", "--backend", "auto");
        Assert.True(code == 0, error);
        Assert.Equal(Names, output);
        Assert.Contains("cuInit fails with CUDA_ERROR_NO_DEVICE", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("devices=0", "cuInit fails with CUDA_ERROR_NO_DEVICE")]
    [InlineData("driver_version=11040", "the driver serves CUDA 11, and the engine knows cuBLAS from CUDA 12 on")]
    [InlineData("cublas_missing=1", "cublasCreate failed with ")]
    [InlineData("fail_alloc=1", "Memory of PTX machine (stand-in) for cublasCreate was asked for; ")]
    [InlineData("fail_alloc=2", "33,554,432 bytes of memory of PTX machine (stand-in) were asked for; ")]
    [InlineData("fail_alloc=9", " were asked for; ")]
    [InlineData("jit_error=1", "the compiler was told to fail")]
    [InlineData("illegal_address=7", "CUDA_ERROR_ILLEGAL_ADDRESS")]
    [InlineData("lost_device=100", "CUDA_ERROR_LAUNCH_FAILED")]
    public async Task What_goes_wrong_is_one_line_and_exit_code_1(string fault, string expected)
    {
        foreach (bool trains in (bool[])[false, true])
        {
            (int code, string output, string error) =
                trains ? await TrainAsync(fault) : await TranslateAsync(fault, "--backend", "cuda", "--replicas", "1");
            Assert.True(code == 1, $"{fault}: exit code {code}, {error}");
            Assert.Empty(output);
            string line = Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Assert.Contains(expected, line, StringComparison.Ordinal);
            Assert.DoesNotContain("unexpected", line, StringComparison.Ordinal);
        }
    }

    /// <summary>Nobody asked for two translators on the device: while they open and load, one may find no room.</summary>
    [Theory, InlineData(5), InlineData(9), InlineData(12), InlineData(20)]
    public async Task Where_there_is_no_room_for_a_second_translator_one_does_the_work(int allocation)
    {
        (int code, string output, string error) = await TranslateAsync($"fail_alloc={allocation}", "--backend", "cuda");
        Assert.True(code == 0, error);
        Assert.Equal(Names, output);
    }

    private static Task<(int Code, string Output, string Error)> TranslateAsync(string fault, params string[] arguments) =>
        RunAsync(
            fault, Words, ["translate", "--model", TestData.Find("ct2/aren-v6-float32"), "--tokenizer", "character", .. arguments]);

    private Task<(int Code, string Output, string Error)> TrainAsync(string fault) => RunAsync(
        fault, "",
        ["train", _folder.ConfigFile, "--backend", "cuda", "--quiet", "--steps", "4", "--output", _folder.File("out")]);

    private static async Task<(int Code, string Output, string Error)> RunAsync(string fault, string input, params string[] arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-in is built on Linux only.");
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Engine.Cli.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LD_LIBRARY_PATH"] = AppContext.BaseDirectory;
        start.Environment["CUDA_STANDIN"] = fault;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancellation), error = process.StandardError.ReadToEndAsync(Cancellation);
        await process.StandardInput.WriteAsync(input.AsMemory(), Cancellation);
        process.StandardInput.Close();
        await process.WaitForExitAsync(Cancellation);
        return (process.ExitCode, await output, await error);
    }
}
