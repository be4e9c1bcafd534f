// A frame after the first ones allocates nothing that the collector must find: the promise that a step costs only its
// work.
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Cpu.Tests;

public sealed class SteadyStateTests : IDisposable
{
    private const int Rows = 6, Heads = 2, Width = 32;

    private static readonly int[] Draws = new int[Rows * TokenDraw.Columns];

    private readonly CpuBackend _backend = new(new BackendOptions { Threads = 2 });
    private readonly float[] _values = new float[Rows * Width];

    public void Dispose() => _backend.Dispose();

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int16)]
    public void Linear_and_Embed_allocate_nothing(DType type)
    {
        var zeros = new MemorySource("memory", new byte[Width * Width * type.Bytes()]);
        float[]? scales = type == DType.Int8 ? [.. Enumerable.Repeat(1f, Width)] : type == DType.Int16 ? [1f] : null;
        using Weight weight = _backend.Pack(
            [new HostTensor("weight", type, new Shape(Width, Width), zeros, 0, scales)]);
        AssertAllocatesNothing(() =>
        {
            Tensor ids = _backend.Rent(new Shape(1, Rows), DType.Int32);
            _backend.Write(ids, [0, 1, 2, 3, -1, 5]);
            Tensor x = _backend.Embed(ids, weight, 1f, Tensor.None, Tensor.None);
            _backend.Linear(x, new LinearWeights(weight, Tensor.None), Activation.Gelu);
        });
    }

    [Fact]
    public void Operators_on_rows_allocate_nothing() => AssertAllocatesNothing(() =>
    {
        Tensor x = X();
        var weights = new NormWeights(x.RowRange(0, 1), x.RowRange(1, 1), 1e-5f);
        _backend.Norm(x, weights);
        _backend.AddNorm(x, x, weights);
        _backend.AddNorm(x, x, weights, out Tensor sum);
        _backend.Multiply(_backend.Add(x, sum), x);
    });

    [Fact]
    public void Operators_on_logits_allocate_nothing() => AssertAllocatesNothing(() =>
    {
        Tensor x = X(), places = _backend.Rent(new Shape(1, 2), DType.Int32);
        Tensor penalties = _backend.Rent(new Shape(1, 1), DType.Float32);
        _backend.Write(places, [1, 2]);
        _backend.Write(penalties, [1.5f]);
        _backend.Suppress(x, places);
        _backend.Penalize(x, places, penalties);
        _backend.LogSoftmax(x);
        _backend.TopK(x, 5, out Tensor _);
        Tensor tokens = _backend.Rent(new Shape(1, Rows), DType.Int32);
        _backend.Write(tokens, [0, 1, 2, 3, 4, 31]);
        _backend.LogProbability(x, tokens);
        Tensor draws = _backend.Rent(new Shape(Rows, TokenDraw.Columns), DType.Int32);
        _backend.Write(draws, Draws);
        _backend.Sample(x, draws, 0.7f, out Tensor _);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Attention_allocates_nothing(bool isAdditive)
    {
        var spec = new AttentionSpec(Heads, 1f, AttentionMask.Causal);
        KeyValueCache cache = _backend.AllocateCache(2, Width, Width, Heads);
        AssertAllocatesNothing(() =>
        {
            Tensor x = X(), score = x.RowRange(0, 1), slots = _backend.Rent(new Shape(1, Rows), DType.Int32);
            _backend.Write(slots, [16, 17, 18, 19, 20, 21]);
            _backend.Append(cache, x, x, slots);
            Ragged sentences = Ragged.Create(_backend, [2, 4]);
            Tensor blocks = _backend.Rent(new Shape(Rows, 1), DType.Int32),
                lengths = _backend.Rent(new Shape(1, Rows), DType.Int32);
            _backend.Write(blocks, [1, 1, 1, 1, 1, 1]);
            _backend.Write(lengths, [1, 2, 3, 4, 5, 6]);
            var view = new CacheView(blocks, lengths, 6);
            if (isAdditive)
            {
                _backend.AdditiveAttention(x, x, x, score, sentences, sentences, spec);
                _backend.CachedAdditiveAttention(x, score, cache, view, spec);
            }
            else
            {
                _backend.Attention(x, x, x, sentences, sentences, spec);
                _backend.CachedAttention(x, cache, view, spec);
            }
        });
        _backend.FreeCache(cache);
    }

    private Tensor X()
    {
        Tensor x = _backend.Rent(new Shape(Rows, Width), DType.Float32);
        _backend.Write(x, _values);
        return x;
    }

    private void AssertAllocatesNothing(Action step)
    {
        // Tiering may allocate while code is replaced, so the least of several measurements counts.
        long least = long.MaxValue;
        for (int i = 0; i < 20; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            _backend.BeginFrame();
            step();
            _backend.EndFrame();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }
}
