// What a conversion keeps; and one that is stopped leaves nothing behind.
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Cli.Tests;

public sealed class ConvertTests : IDisposable
{
    private static readonly string Model = Path.Combine(TestData.Directory, "ct2", "aren-v6-float32");
    private readonly TestShell _shell = new();
    private readonly CancellationTokenSource _stop = new();

    private string Parent => Path.Combine(_shell.Directory, "out");

    public void Dispose()
    {
        _shell.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task What_the_model_says_of_text_is_kept()
    {
        string first = Path.Combine(Parent, "first"), second = Path.Combine(Parent, "second");
        Assert.Equal(0, await _shell.RunAsync(_stop.Token, "convert", Model, first));
        string config = Path.Combine(first, "config.json");
        string text = await File.ReadAllTextAsync(config, _stop.Token);
        Assert.Contains("\"split_longer_than\": 128", text, StringComparison.Ordinal);
        await File.WriteAllTextAsync(config, text.Replace("_than\": 128", "_than\": 9", StringComparison.Ordinal), _stop.Token);
        Assert.Equal(0, await _shell.RunAsync(_stop.Token, "convert", first, second, "--weights", "int8"));
        using ModelData data = ModelReader.Open(second);
        Assert.Equal(9, data.SplitLongerThan);
    }

    [Fact]
    public async Task A_conversion_that_is_to_stop_is_exit_code_1_and_writes_nothing()
    {
        await _stop.CancelAsync();
        Assert.Equal(1, await _shell.RunAsync(_stop.Token, "convert", Model, Path.Combine(Parent, "model")));
        Assert.Equal("engine: stopped.", Assert.Single(_shell.ErrorLines));
        Assert.False(Directory.Exists(Path.Combine(Parent, "model")));
        Assert.Empty(Left());
    }

    [Theory]
    [InlineData(null)]
    [InlineData(DType.Int8)]
    public void A_stop_in_the_middle_of_a_conversion_leaves_no_temporary_directory(DType? weights)
    {
        using ModelData data = ModelReader.Open(Model);
        int left = -1;
        Dictionary<string, HostTensor> tensors = data.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value);
        (string name, HostTensor first) = tensors.First(pair => pair.Value.Shape.Rows > 1);
        byte[] bytes = new byte[first.Bytes];
        tensors[name] = new HostTensor(name, first.Type, first.Shape, new StoppingSource(bytes, () =>
        {
            left = Left().Length;
            _stop.Cancel();
        }), 0);
        ModelData model = data.With(tensors);
        Assert.Throws<OperationCanceledException>(
            () => ModelWriter.Write(model, Path.Combine(Parent, "model"), weights, cancellation: _stop.Token));
        Assert.Equal(1, left);
        Assert.Empty(Left());
    }

    private string[] Left() => Directory.Exists(Parent) ? Directory.GetFileSystemEntries(Parent) : [];

    // Asks for the stop when it is read.
    private sealed class StoppingSource(byte[] bytes, Action stop) : TensorSource
    {
        public override string File => "memory";

        public override void Read(long offset, Span<byte> destination)
        {
            stop();
            bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
        }
    }
}
