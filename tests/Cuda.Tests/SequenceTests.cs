// What the kernels that mix positions do with numbers that only the device sees, and with more rows and sentences than a grid has.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

public sealed class SequenceTests
{
    private const int Rows = 5, Columns = 3;

    private static readonly float[] Numbers = [.. Enumerable.Range(1, Rows * Columns).Select(static number => (float)number)];

    // A sentence that begins before the table, one that ends behind it, one that ends before it begins, and two behind the table: what they
    // have in the table is two sentences and three empty ones.
    [Fact]
    public void Sentences_outside_the_table_are_what_they_have_in_it()
    {
        using CudaBackend b = Device.Open(usesOwnProducts: true);
        b.BeginFrame();
        Assert.Equal(Run(Row(b, 0, 2, 5, 5, 5, 5)), Run(Row(b, -7, 2, 9, 7, int.MaxValue, int.MinValue)));
        b.EndFrame();

        float[][] Run(Tensor offsets)
        {
            var batch = new Ragged(offsets, 5, Rows, Rows);
            Taps taps = Taps.Centered(2);
            Tensor x = Table(b, Rows, Numbers), filter = Table(b, 2, Numbers.AsSpan(0, 2 * Columns));
            Tensor unfolded = b.Unfold(x, batch, taps), ofFilter = Table(b, 2, new float[2 * Columns]);
            Tensor gradient = Table(b, Rows, Numbers);
            b.TakePositionBackward(x, batch, 1, gradient);
            var spec = new AttentionSpec(1, 0.1f, AttentionMask.None);
            Tensor ofQuery = Table(b, Rows, Numbers), ofKey = Table(b, Rows, Numbers), ofValue = Table(b, Rows, Numbers);
            b.AttentionBackward(x, x, x, x, batch, batch, spec, Dropout.None, ofQuery, ofKey, ofValue);
            return
            [
                Read(b, unfolded), Read(b, b.UnfoldBackward(unfolded, batch, taps)), Read(b, b.TakePosition(x, batch, 1)),
                Read(b, b.DepthwiseConvolution(x, filter, Tensor.None, batch, taps)), Read(b, gradient),
                Read(b, b.DepthwiseConvolutionBackward(x, filter, x, batch, taps, ofFilter, Tensor.None)), Read(b, ofFilter),
                Read(b, b.JoinPositions([x, x, x, x, x], batch)), Read(b, b.Attention(x, x, x, batch, batch, spec)),
                Read(b, b.AttentionWeights(x, x, Tensor.None, batch, batch, spec)), Read(b, ofQuery), Read(b, ofKey), Read(b, ofValue),
            ];
        }
    }

    [Fact]
    public void Blocks_outside_the_cache_give_zeros()
    {
        using CudaBackend b = Device.Open(usesOwnProducts: true);
        KeyValueCache cache = b.AllocateCache(2, 0, Columns, 1);
        b.BeginFrame();
        Tensor x = Table(b, 1, Numbers.AsSpan(0, Columns)), filter = Table(b, 2, Numbers.AsSpan(0, 2 * Columns));
        b.Append(cache, x.ColumnRange(0, 0), x, Row(b, 16));

        // The newest position is in block 1 of the cache; the one before it is in none. Two rows have no history, or a longer one than
        // their table.
        Tensor blocks = b.Rent(new Shape(4, 2), DType.Int32);
        b.Write(blocks, [-1, 1, 2, 1, 1, 1, 1, int.MaxValue]);
        var view = new CacheView(blocks, Row(b, 17, 17, -3, int.MaxValue), 17);
        float[] none = new float[Columns], newest = Numbers[..Columns];
        Assert.Equal(
            [.. none, .. newest, .. none, .. newest, .. none, .. none, .. none, .. none], Read(b, b.CachedUnfold(cache, view, Taps.Causal(2))));
        float[] weighed = [.. newest.Select((number, i) => number * Numbers[Columns + i])];
        Assert.Equal(
            [.. weighed, .. weighed, .. none, .. none],
            Read(b, b.CachedDepthwiseConvolution(cache, view, filter, Tensor.None, Taps.Causal(2))));
        b.EndFrame();
        b.FreeCache(cache);
    }

    [Fact]
    public void More_sentences_and_rows_than_a_grid_has_give_the_bits_of_the_CPU()
    {
        const int Many = 65_535 + 9;
        using var cpu = new CpuBackend(new BackendOptions { Threads = 1 });
        using CudaBackend cuda = Device.Open(usesOwnProducts: true);
        float[][] Run(ITrainingBackend b)
        {
            b.BeginFrame();
            Ragged batch = Ragged.Create(b, [.. Enumerable.Range(0, Many).Select(static s => s < 65_530 ? 0 : 2)]);
            var random = new Random(1);
            Tensor x = b.Rent(new Shape(batch.Rows, 1), DType.Float32), gates = b.Rent(new Shape(Many, 1), DType.Float32);
            b.Write(x, [.. Enumerable.Range(0, batch.Rows).Select(_ => random.NextSingle())]);
            b.Write(gates, [.. Enumerable.Range(0, Many).Select(_ => random.NextSingle())]);
            float[] unfolded = Read(b, b.Unfold(x, batch, Taps.Causal(2))), taken = Read(b, b.TakePosition(x, batch, 1));
            float[] cell = Read(b, b.RecurrentCell(gates, gates, gates, CellKind.Tanh));
            b.EndFrame();
            return [unfolded, taken, cell];
        }

        Assert.Equal(Run(cpu), Run(cuda));
    }

    private static Tensor Row(CudaBackend backend, params ReadOnlySpan<int> values)
    {
        Tensor row = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(row, values);
        return row;
    }

    private static Tensor Table(CudaBackend backend, int rows, ReadOnlySpan<float> values)
    {
        Tensor table = backend.Rent(new Shape(rows, Columns), DType.Float32);
        backend.Write(table, values);
        return table;
    }

    private static float[] Read(IBackend backend, in Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }
}
