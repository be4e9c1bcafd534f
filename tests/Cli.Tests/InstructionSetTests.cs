// The numerics contract from outside: what the runtime may use of the processor does not show in the answers.
using System.Diagnostics;
using System.Text;
using Engine.Cli;
using Xunit;

namespace Cli.Tests;

public sealed class InstructionSetTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private static readonly string[] Letters = ["م", "ح", "د", "أ", "ع"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    // Without intrinsics a fused multiply-add is a call of the C library, correctly rounded all the same.
    [Theory]
    [InlineData("aren-v6-float32")]
    [InlineData("aren-v6-int8")]
    [InlineData("aren-transliteration-i16")]
    public async Task Switching_instructions_off_does_not_show_in_the_bits(string model)
    {
        string[] names = [.. File.ReadLines(Path.Combine(TestData.Directory, "ct2", model, "source_vocabulary.json".Replace(
            "json", model.Contains("v6", StringComparison.Ordinal) ? "json" : "txt", StringComparison.Ordinal)))
            .Select(static line => line.Trim(' ', '"', ',', '[', ']')).Where(static line => line.Length == 1)];
        var random = new Random(5);
        string input = string.Concat(Enumerable.Range(0, 40).Select(_ =>
            string.Join(' ', random.GetItems(names, random.Next(1, 12))) + "\n"));
        string expected = await TranslateAsync(model, input, null);
        Assert.Equal(40, expected.Count(static c => c == '\n'));
        foreach (string off in new[] { "EnableAVX512", "EnableAVX512F", "EnableAVX2", "EnableFMA", "EnableAVX", "EnableHWIntrinsic" })
            Assert.Equal(expected, await TranslateAsync(model, input, off));
    }

    [Theory]
    [InlineData("aren-v6-float32")]
    [InlineData("aren-v6-int8")]
    [InlineData("aren-v6-bfloat16")]
    public async Task Switching_machine_code_off_does_not_show_in_the_answers(string model)
    {
        string input = string.Concat(Enumerable.Range(1, 40).Select(
            i => string.Join(' ', Enumerable.Range(0, i % 11).Select(j => Letters[i * j % Letters.Length])) + "\n"));
        string expected = await TranslateAsync(model, input, null, "--machine-code", "on");
        Assert.Equal(40, expected.Count(static c => c == '\n'));
        Assert.Equal(expected, await TranslateAsync(model, input, null, "--machine-code", "off"));
    }

    private static async Task<string> TranslateAsync(string model, string input, string? off, params string[] more)
    {
        string[] arguments =
        [
            typeof(EngineCommand).Assembly.Location, "translate", "--quiet", "--json", "--beam", "3", "--num-hypotheses", "2",
            "--return-attention", "--model", Path.Combine(TestData.Directory, "ct2", model), .. more,
        ];
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        if (off is not null) start.Environment[$"DOTNET_{off}"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancellation);
        await process.StandardInput.WriteAsync(input.AsMemory(), Cancellation);
        process.StandardInput.Close();
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(0, process.ExitCode);
        return await output;
    }
}
