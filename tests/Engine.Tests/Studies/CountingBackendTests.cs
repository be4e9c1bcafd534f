// What is counted, against counts by hand; chains, and paths.
using Engine.Backends;
using Engine.Cpu;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Studies;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class CountingBackendTests : IDisposable
{
    private readonly CpuBackend _backend = new();
    private readonly CountingBackend _counting;

    public CountingBackendTests() => _counting = new CountingBackend(_backend);

    [Fact]
    public void Operators_are_counted_by_their_formulas() => InFrame(() =>
    {
        // Sentences of 4, 0 and 3 positions, width 6.
        Ragged batch = Ragged.Create(_counting, [4, 0, 3]);
        Tensor x = Table(7, 6), filter = Table(3, 6), score = Table(1, 6);
        _ = _counting.Attention(x, x, x, batch, batch, new AttentionSpec(2, 1, AttentionMask.None));
        AssertCount("Attention", (16 + 9) * 12, 25 * 2);
        _counting.Reset();
        _ = _counting.Attention(x, x, x, batch, batch, new AttentionSpec(2, 1, AttentionMask.Causal));
        AssertCount("Attention", (10 + 6) * 12, 16 * 2);
        _counting.Reset();
        _ = _counting.Attention(x, x, x, batch, batch, new AttentionSpec(2, 1, AttentionMask.Window(1, 0)));
        AssertCount("Attention", (7 + 5) * 12, 12 * 2);
        _ = _counting.AdditiveAttention(x, x, x, score, batch, batch, new AttentionSpec(2, 1, AttentionMask.None));
        AssertCount("AdditiveAttention", 25 * 12, 25 * (2 + 6));
        _ = _counting.DepthwiseConvolution(x, filter, Tensor.None, batch, Taps.Centered(3));
        AssertCount("DepthwiseConvolution", ((3 + 4 + 3) + (2 + 3 + 2)) * 6, 0);
        _ = _counting.Unfold(x, batch, Taps.Centered(3));
        AssertCount("Unfold", 0, 0);
        _ = _counting.RecurrentCell(Table(2, 24), Table(2, 24), Table(2, 12), CellKind.Lstm);
        AssertCount("RecurrentCell", 3 * 12, 5 * 12);
        Assert.Equal(_counting.Counts.Values.Sum(static count => count.MultiplyAdds), _counting.Total.MultiplyAdds);
        Assert.Equal(5, _counting.Total.Calls);
    });

    [Fact]
    public void A_Transformer_does_what_its_shape_says()
    {
        const int Dim = 32, Hidden = 64, Layers = 2, Vocabulary = 50, Source = 11, Target = 7;
        using ModelData data = RandomModel.Create(RandomModel.Config(Dim, 4, Hidden, Layers, Vocabulary));
        using var model = new Transformer(_counting, data);
        InFrame(() =>
        {
            Ragged sources = Ragged.Create(_counting, [Source]), targets = Ragged.Create(_counting, [Target]);
            Tensor memory = model.Encoder.Forward(_counting, Ids(Source), Places(Source), sources);
            _ = model.Decoder.Forward(_counting, Ids(Target), Places(Target), targets, memory, sources);
        });
        double encoder = Layers * Source * ((4 * Dim * Dim) + (2 * Dim * Hidden));
        double decoder = (Layers * Target * ((4 * Dim * Dim) + (2 * Dim * Dim) + (2 * Dim * Hidden))) + (Layers * Source * 2 * Dim * Dim);
        Assert.Equal(encoder + decoder + (Target * Dim * Vocabulary), _counting.Counts["Linear"].MultiplyAdds);
        double pairs = Layers * ((Source * Source) + (Target * (Target + 1) / 2) + (Target * Source));
        Assert.Equal(pairs * 2 * Dim, _counting.Counts["Attention"].MultiplyAdds);
    }

    [Fact]
    public void A_chain_is_as_long_as_calls_wait_for_each_other() => InFrame(() =>
    {
        Tensor x = Table(3, 4), y = Table(3, 4);
        Tensor one = _counting.Add(x, y), two = _counting.Add(x, y);
        Assert.Equal(1, _counting.LongestChain);
        Tensor three = _counting.Multiply(one, two);
        _ = _counting.Add(three.ColumnRange(0, 2), one.ColumnRange(0, 2));
        Assert.Equal(3, _counting.LongestChain);
    });

    [Fact]
    public void What_passes_is_not_changed() => InFrame(() =>
    {
        float[] found = new float[12], expected = new float[12];
        Tensor x = Table(3, 4);
        _counting.Read(_counting.Add(x, x), found);
        _backend.Read(_backend.Add(x, x), expected);
        Assert.Equal(expected, found);
    });

    [Fact]
    public void Paths_are_the_shortest_ways_of_a_signal() => InFrame(() =>
    {
        var paths = new PathBackend(_backend);
        Ragged batch = Ragged.Create(paths, [5]);
        Tensor x = Table(5, 4);
        paths.Start(x, 0);
        Tensor y = paths.Unfold(x, batch, Taps.Causal(2));
        Assert.Equal([1, 1, Never, Never, Never], paths.LengthsOf(y));
        Tensor z = paths.DepthwiseConvolution(y.ColumnRange(0, 4), Table(2, 4), Tensor.None, batch, Taps.Causal(2, 2));
        Assert.Equal([2, 2, 2, 2, Never], paths.LengthsOf(z));
        Tensor a = paths.Attention(z, z, z, batch, batch, new AttentionSpec(1, 1, AttentionMask.Window(0, 1)));
        Assert.Equal([3, 3, 3, 3, Never], paths.LengthsOf(a));
        Tensor b = paths.Attention(a, a, a, batch, batch, new AttentionSpec(1, 1, AttentionMask.None));
        Assert.Equal([4, 4, 4, 4, 4], paths.LengthsOf(b));
    });

    [Theory]
    [InlineData("self-attention", 9, 1, 1)]
    [InlineData("recurrent", 9, 1, 8)]
    [InlineData("LSTM", 4, 1, 3)]
    [InlineData("convolution", 10, 5, 5)]
    [InlineData("convolution, dilated", 10, 3, 3)]
    [InlineData("convolution, dilated", 9, 2, 2)]
    [InlineData("separable convolution", 9, 4, 4)]
    [InlineData("restricted attention, band", 14, 4, 4)]
    [InlineData("additive attention", 30, 1, 1)]
    public void A_signal_takes_as_many_layers_as_the_formula_says(string name, int positions, int layers, int path)
    {
        LayerType type = LayerType.All.Single(type => type.Name == name);
        var size = new LayerSize(8, 3, 5);
        Assert.Equal(path, type.LongestPath(positions, size));
        Assert.Equal(layers, type.LayersOf(positions, size));
        using (var bench = new LayerBench(_backend, type, size, 1, layers, isCausal: true))
            Assert.Equal((layers, path), bench.FollowPaths(positions));
        Assert.True(LayerBench.HasGradient(_backend, type, size, layers, positions, 1));
        Assert.False(LayerBench.HasGradient(_backend, type, size, layers - 1, positions, 1));
    }

    [Fact]
    public void No_signal_leaves_its_group()
    {
        LayerType type = LayerType.All.Single(static type => type.IsGrouped);
        using var bench = new LayerBench(_backend, type, new LayerSize(8, 3, 4), 1, 6);
        Assert.Null(bench.FollowPaths(9));
        Assert.Equal((1, 1), bench.FollowPaths(4));
        Assert.False(LayerBench.HasGradient(_backend, type, new LayerSize(8, 3, 4), 6, 9, 1));
        Assert.True(LayerBench.HasGradient(_backend, type, new LayerSize(8, 3, 4), 1, 4, 1));
    }

    public void Dispose() => _backend.Dispose();

    private const int Never = PathBackend.Never;

    private void AssertCount(string name, double multiplyAdds, double functions)
    {
        OperationCount count = _counting.Counts[name];
        Assert.Equal((1, multiplyAdds, functions), (count.Calls, count.MultiplyAdds, count.Functions));
    }

    private Tensor Table(int rows, int columns)
    {
        Tensor tensor = _backend.Rent(new Shape(rows, columns), DType.Float32);
        _backend.Write(tensor, [.. Enumerable.Range(0, rows * columns).Select(static i => (i % 7) - 3f)]);
        return tensor;
    }

    private Tensor Ids(int count) => Integers([.. Enumerable.Range(0, count).Select(static i => 3 + i)]);

    private Tensor Places(int count) => Integers([.. Enumerable.Range(0, count)]);

    private Tensor Integers(int[] values)
    {
        Tensor tensor = _counting.Rent(new Shape(1, values.Length), DType.Int32);
        _counting.Write(tensor, values);
        return tensor;
    }

    private void InFrame(Action script)
    {
        _counting.BeginFrame();
        try
        {
            script();
        }
        finally
        {
            _counting.EndFrame();
        }
    }
}
