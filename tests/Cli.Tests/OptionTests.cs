// Every option reaches the translator; a wrong one is told in one line.
using Engine.Decoding;
using Xunit;

namespace Cli.Tests;

public sealed class OptionTests
{
    // Option, value on the command line, the field it sets, the value that arrives.
    private static readonly (string Option, string? Value, string Field, object Expected)[] All =
    [
        ("--beam", "7", nameof(DecodingOptions.BeamSize), 7),
        ("--patience", "1.5", nameof(DecodingOptions.Patience), 1.5f),
        ("--length-penalty", "-0.5", nameof(DecodingOptions.LengthPenalty), -0.5f),
        ("--coverage-penalty", "0.2", nameof(DecodingOptions.CoveragePenalty), 0.2f),
        ("--repetition-penalty", "1.3", nameof(DecodingOptions.RepetitionPenalty), 1.3f),
        ("--no-repeat-ngram-size", "3", nameof(DecodingOptions.NoRepeatNgramSize), 3),
        ("--disable-unk", null, nameof(DecodingOptions.DisableUnknown), true),
        ("--suppress-sequence", "a b", nameof(DecodingOptions.SuppressSequences), "a,b"),
        ("--prefix-bias-beta", "0.25", nameof(DecodingOptions.PrefixBiasBeta), 0.25f),
        ("--end-token", "stop", nameof(DecodingOptions.EndTokens), "stop"),
        ("--return-end-token", null, nameof(DecodingOptions.ReturnEndToken), true),
        ("--max-input-length", "0", nameof(DecodingOptions.MaxInputLength), 0),
        ("--max-decoding-length", "17", nameof(DecodingOptions.MaxDecodingLength), 17),
        ("--min-decoding-length", "4", nameof(DecodingOptions.MinDecodingLength), 4),
        ("--sampling-topk", "0", nameof(DecodingOptions.SamplingTopK), 0),
        ("--sampling-topp", "0.9", nameof(DecodingOptions.SamplingTopP), 0.9f),
        ("--sampling-temperature", "0.7", nameof(DecodingOptions.SamplingTemperature), 0.7f),
        ("--seed", "-9000000000", nameof(DecodingOptions.Seed), -9000000000L),
        ("--n-best", "2", nameof(DecodingOptions.NumHypotheses), 2),
        ("--num-hypotheses", "2", nameof(DecodingOptions.NumHypotheses), 2),
        ("--return-attention", null, nameof(DecodingOptions.ReturnAttention), true),
        ("--return-token-scores", null, nameof(DecodingOptions.ReturnTokenScores), true),
        ("--return-alternatives", null, nameof(DecodingOptions.ReturnAlternatives), true),
        ("--min-alternative-expansion-prob", "0.1", nameof(DecodingOptions.MinAlternativeExpansionProbability), 0.1f),
        ("--replace-unknowns", null, nameof(DecodingOptions.ReplaceUnknowns), true),
        ("--use-vmap", null, nameof(DecodingOptions.UseVmap), true),
    ];

    public static TheoryData<string> Options => [.. All.Select(row => row.Option)];

    [Fact]
    public void Every_field_of_the_decoding_options_has_an_option() => Assert.Equal(
        typeof(DecodingOptions).GetProperties().Select(property => property.Name).Order(),
        All.Select(row => row.Field).Distinct().Order());

    [Theory, MemberData(nameof(Options))]
    public async Task An_option_sets_its_field_and_no_other(string option)
    {
        (_, string? value, string field, object expected) = All.Single(row => row.Option == option);
        using var shell = new TestShell();
        string[] arguments = value is null ? [option] : [option, value];
        Assert.Equal(0, await shell.TranslateAsync("x\n", ["--json", .. arguments]));
        DecodingOptions found = Assert.Single(shell.Translation.Requests).Options!;
        foreach (var property in typeof(DecodingOptions).GetProperties())
        {
            object? wanted = property.Name == field ? expected : property.GetValue(new DecodingOptions());
            Assert.Equal(wanted, Flat(property.GetValue(found)));
        }
    }

    [Fact]
    public async Task Lists_are_given_by_repeating_an_option()
    {
        using var shell = new TestShell();
        await shell.TranslateAsync(
            "x\n", "--suppress-sequence", "a b", "--suppress-sequence", "c", "--end-token", "d", "--end-token", "e");
        DecodingOptions found = shell.Translation.Requests[0].Options!;
        Assert.Equal([["a", "b"], ["c"]], found.SuppressSequences!);
        Assert.Equal(["d", "e"], found.EndTokens!);
    }

    [Fact]
    public async Task Model_options_arrive()
    {
        using var shell = new TestShell();
        string model = shell.WriteModel("other");
        await shell.TranslateAsync(
            "x\n", "--model", "other", "--backend", "CPU", "--threads", "3", "--isa", "portable", "--batch-size", "5",
            "--machine-code", "OFF", "--arithmetic", "TF32",
            "--compute-type", "int8", "--tokenizer", "character");
        Assert.Equal(model, shell.Settings!.Model);
        Assert.Equal("cpu", shell.Settings.Backend);
        Assert.Equal(3, shell.Settings.BackendOptions.Threads);
        Assert.Equal("portable", shell.Settings.BackendOptions.InstructionSet);
        Assert.False(shell.Settings.BackendOptions.MachineCode);
        Assert.Equal(Engine.Backends.Arithmetic.TensorFloat32, shell.Settings.BackendOptions.Arithmetic);
        Assert.Equal(5, shell.Settings.BatchSize);
        Assert.Equal("int8", shell.Settings.ComputeType);
        Assert.Equal("character", shell.Settings.Tokenizer);
    }

    [Fact]
    public async Task Without_options_the_defaults_are_those_of_the_library()
    {
        using var shell = new TestShell();
        await shell.TranslateAsync("x\n");
        Assert.Equal(new DecodingOptions(), shell.Translation.Requests[0].Options);
        Assert.Null(shell.Translation.Requests[0].TargetPrefix);
        Assert.Equal("default", shell.Settings!.ComputeType);
        Assert.Null(shell.Settings.Tokenizer);
    }

    [Theory]
    [InlineData(5, "--n-best", "5")]
    [InlineData(3, "--n-best", "5", "--beam", "3")]
    [InlineData(2, "--n-best", "5", "--sampling-topk", "10")]
    [InlineData(2, "--n-best", "5", "--return-alternatives")]
    [InlineData(2, "--n-best", "1")]
    public async Task The_beam_is_as_wide_as_the_answer_unless_something_is_said(int beam, params string[] arguments)
    {
        using var shell = new TestShell();
        await shell.TranslateAsync("x\n", arguments);
        Assert.Equal(beam, shell.Translation.Requests[0].Options!.BeamSize);
    }

    [Theory]
    [InlineData("--beam is '0', expected an integer from 1", "translate", "--beam", "0")]
    [InlineData("--beam is 'two'", "translate", "--beam", "two")]
    [InlineData("--threads is '1025', expected an integer from 0 to 1,024", "translate", "--threads", "1025")]
    [InlineData("--backend is 'gpu', expected 'auto' or 'cpu' or 'cuda'", "translate", "--backend", "gpu")]
    [InlineData("--isa is 'sse'", "translate", "--isa", "sse")]
    [InlineData("--machine-code is 'no', expected 'on' or 'off'", "translate", "--machine-code", "no")]
    [InlineData("--arithmetic is 'fp8', expected 'float32' or 'tf32' or 'bfloat16' or 'float16'", "score", "--arithmetic", "fp8")]
    [InlineData(
        "--arithmetic is 'bfloat16', expected 'float32' with --deterministic batch",
        "translate", "--deterministic", "batch", "--arithmetic", "bfloat16")]
    [InlineData("--tokenizer is 'bpe', expected 'space' or 'character'", "translate", "--tokenizer", "bpe")]
    [InlineData("--compute-type is 'int4'", "translate", "--compute-type", "int4")]
    [InlineData("--weights is 'int16'", "convert", "a", "b", "--weights", "int16")]
    [InlineData("--layout is 'columns', expected 'rows' or 'packed'", "convert", "a", "b", "--layout", "columns")]
    [InlineData("--length-penalty is 'NaN', expected a number", "translate", "--length-penalty", "NaN")]
    [InlineData("--length-penalty is '0,6', expected a number", "translate", "--length-penalty", "0,6")]
    [InlineData("--patience is '0', expected a number above 0", "translate", "--patience", "0")]
    [InlineData("--prefix-bias-beta is '1'", "translate", "--prefix-bias-beta", "1")]
    [InlineData("--sampling-topp is '1.5'", "translate", "--sampling-topp", "1.5")]
    [InlineData("--seed is '1.5', expected an integer", "translate", "--seed", "1.5")]
    [InlineData("'--bogus' is no option of this command", "translate", "--bogus")]
    [InlineData("'-x' is no option of this command", "score", "-x", "b")]
    [InlineData("--return-attention", "translate", "--return-attention")]
    [InlineData("--scores is for text", "translate", "--jsonl", "--scores")]
    [InlineData("named more than once", "translate", "-", "-")]
    [InlineData("named more than once", "score", "-", "-")]
    [InlineData("See 'engine --help'", "frobnicate")]
    [InlineData("See 'engine --help'")]
    [InlineData("See 'engine score --help'", "score", "only-one")]
    [InlineData("See 'engine translate --help'", "translate", "--beam")]
    public async Task Wrong_usage_is_told_in_one_line_and_is_exit_code_2(string message, params string[] arguments)
    {
        using var shell = new TestShell();
        Assert.Equal(2, await shell.RunAsync(arguments));
        Assert.Contains(message, Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
        Assert.StartsWith("engine: ", shell.Error, StringComparison.Ordinal);
        Assert.Empty(shell.Output);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("translate", "--help")]
    [InlineData("score", "--help")]
    [InlineData("info", "-h")]
    [InlineData("convert", "--help")]
    public async Task Help_goes_to_standard_output(params string[] arguments)
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.RunAsync(arguments));
        Assert.Contains("Usage:", shell.Output, StringComparison.Ordinal);
        Assert.Empty(shell.Error);
    }

    [Fact]
    public async Task A_text_that_begins_with_an_at_sign_is_no_file_of_options()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync("x\n", "--target-prefix", "@home"));
        Assert.Equal(["@home"], shell.Translation.Requests[0].TargetPrefix!);
    }

    private static object? Flat(object? value) => value switch
    {
        IReadOnlyList<IReadOnlyList<string>> lists => string.Join(';', lists.Select(list => string.Join(',', list))),
        IReadOnlyList<string> list => string.Join(',', list),
        _ => value,
    };
}
