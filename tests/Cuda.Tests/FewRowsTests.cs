// A product of a few rows takes the norm before it with it where a frame repeats: one launch, and all results with the bits that the
// two give one after the other. Of more rows the norm rounds what the product takes.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cuda;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class FewRowsTests
{
    private const int Inputs = 70, Outputs = 37;

    public static TheoryData<DType, ActivationRounding> Types => new()
    {
        { DType.Float32, ActivationRounding.Nearest },
        { DType.Float16, ActivationRounding.Nearest },
        { DType.BFloat16, ActivationRounding.BFloat16 },
        { DType.Int8, ActivationRounding.Nearest },
        { DType.Int8, ActivationRounding.Legacy },
        { DType.Int16, ActivationRounding.Nearest },
    };

    [Theory, MemberData(nameof(Types))]
    public void A_norm_and_the_product_after_it_are_one_launch_with_the_same_bits(DType type, ActivationRounding rounding)
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(type, Outputs, Inputs, Numbers(Outputs * Inputs, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], rounding);
        foreach (int rows in new[] { 1, 2, 4, 5, 8 })
        {
            foreach (bool isRms in new[] { false, true })
            {
                (float[] Y, float[] Normed, float[] Sum, long Launches) one = Run(backend, weight, rows, isRms, repeats: true);
                (float[] Y, float[] Normed, float[] Sum, long Launches) two = Run(backend, weight, rows, isRms, repeats: false);
                Assert.Equal(two.Y, one.Y);
                Assert.Equal(two.Normed, one.Normed);
                Assert.Equal(two.Sum, one.Sum);
                if (StandIn.IsThere) Assert.Equal((1, 2), (one.Launches, two.Launches));
            }
        }
    }

    [Theory]
    [InlineData(1023, 1)]
    [InlineData(1024, 1)]
    [InlineData(1025, 2)]
    public void Rows_that_a_warp_cannot_hold_are_normed_before(int inputs, int launches)
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(DType.BFloat16, 5, inputs, Numbers(5 * inputs, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], ActivationRounding.BFloat16);
        (float[] Y, float[] Normed, float[] Sum, long Launches) one = Run(backend, weight, 2, isRms: false, repeats: true);
        (float[] Y, float[] Normed, float[] Sum, long Launches) two = Run(backend, weight, 2, isRms: false, repeats: false);
        Assert.Equal(two.Y, one.Y);
        Assert.Equal(two.Normed, one.Normed);
        Assert.Equal(two.Sum, one.Sum);
        if (StandIn.IsThere) Assert.Equal((launches, 2), (one.Launches, two.Launches));
    }

    [Theory, MemberData(nameof(Types))]
    public void One_row_and_very_many_outputs_give_the_bits_of_that_row_beside_another(DType type, ActivationRounding rounding)
    {
        const int Many = 6001;   // more than what all multiprocessors take at once
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(type, Many, Inputs, Numbers(Many * Inputs, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], rounding);
        backend.BeginFrame();
        Tensor two = Put(backend, 2, Inputs, seed: 2), bias = Put(backend, 1, Many, seed: 3);
        float[] expected = Read(backend, backend.Linear(two, new LinearWeights(weight, bias)).RowRange(1, 1));
        float[] found = Read(backend, backend.Linear(two.RowRange(1, 1), new LinearWeights(weight, bias)));
        backend.EndFrame();
        Assert.Equal(expected, found);
    }

    [Theory, MemberData(nameof(Types))]
    public void Rows_that_begin_anywhere_give_the_same_bits(DType type, ActivationRounding rounding)
    {
        const int Wide = 1100, Rows = 3;
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(type, Outputs, Wide, Numbers(Outputs * Wide, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], rounding);
        backend.BeginFrame();
        Tensor aligned = Put(backend, Rows, Wide, seed: 2), table = backend.Rent(new Shape(Rows, Wide + 1), DType.Float32);
        float[] numbers = Numbers(Rows * Wide, seed: 2);
        backend.Write(table, [.. Enumerable.Range(0, Rows).SelectMany(row => numbers.Skip(row * Wide).Take(Wide).Prepend(0))]);
        Tensor odd = table with { Handle = table.Handle + sizeof(float), Shape = aligned.Shape };
        float[] expected = Read(backend, backend.Linear(aligned, new LinearWeights(weight, Tensor.None)));
        float[] found = Read(backend, backend.Linear(odd, new LinearWeights(weight, Tensor.None)));
        backend.EndFrame();
        Assert.Equal(expected, found);
    }

    [Theory]
    [InlineData(DType.Float16, 64, 2)]
    [InlineData(DType.BFloat16, 64, 2)]
    [InlineData(DType.BFloat16, 1056, 2)]
    [InlineData(DType.BFloat16, 70, 3)]     // weights are padded, so rows must be
    public void A_norm_before_a_product_of_many_rows_rounds_them_itself(DType type, int inputs, int works)
    {
        const int Rows = 11;
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(type, 6, inputs, Numbers(6 * inputs, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest);
        long products = StandIn.IsThere ? StandIn.Count("products") : 0;
        (float[] Y, float[] Normed, float[] Sum, long Launches) one = Run(backend, weight, Rows, isRms: false, repeats: true, Activation.Relu);
        products = (StandIn.IsThere ? StandIn.Count("products") : 0) - products;
        (float[] Y, float[] Normed, float[] Sum, long Launches) two = Run(backend, weight, Rows, isRms: false, repeats: false, Activation.Relu);
        Assert.Equal(two.Y, one.Y);
        Assert.Equal(two.Normed, one.Normed);
        Assert.Equal(two.Sum, one.Sum);
        if (StandIn.IsThere) Assert.Equal((works, 3), (one.Launches + products, two.Launches + products));
    }

    [Theory]
    [InlineData(DType.Float16, 16, true, 2)]
    [InlineData(DType.BFloat16, 16, true, 2)]
    [InlineData(DType.BFloat16, 48, false, 2)]
    [InlineData(DType.BFloat16, 7, false, 3)]       // weights are padded, so rows must be
    public void Attention_before_a_product_of_many_rows_rounds_them_itself(DType type, int headDim, bool appends, int works)
    {
        const int Rows = 11, Heads = 2;
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(type, 6, Heads * headDim, Numbers(6 * Heads * headDim, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor], type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest);
        (float[] Y, float[] Attended, long Works) Found(bool repeats)
        {
            KeyValueCache cache = backend.AllocateCache(Rows, Heads * headDim, Heads * headDim, Heads);
            int[] numbers = [.. Enumerable.Range(0, Rows)];
            backend.BeginFrame(repeats);
            Tensor query = Put(backend, Rows, Heads * headDim, seed: 2), keys = Put(backend, Rows, Heads * headDim, seed: 3);
            Tensor values = Put(backend, Rows, Heads * headDim, seed: 4), bias = Put(backend, 1, 6, seed: 5);
            var view = new CacheView(
                Integers(backend, Rows, 1, numbers), Integers(backend, 1, Rows, [.. numbers.Select(static row => row + 1)]), Rows);
            for (int place = 0; place < Rows; place++)
                backend.Append(cache, keys, values, Integers(backend, 1, Rows, [.. numbers.Select(row => place < row ? (16 * row) + place : -1)]));
            Tensor slots = Integers(backend, 1, Rows, [.. numbers.Select(static row => (16 * row) + row)]);
            var spec = new AttentionSpec(Heads, 0.3f, AttentionMask.None);
            if (!appends) backend.Append(cache, keys, values, slots);
            long before = Works();
            Tensor attended = appends
                ? backend.AppendAndAttend(query, keys, values, slots, cache, view, spec) : backend.CachedAttention(query, cache, view, spec);
            Tensor y = backend.Linear(attended, new LinearWeights(weight, bias), Activation.Relu);
            long works = repeats ? 0 : Works() - before;
            (float[], float[], long) found = (Read(backend, y), Read(backend, attended), works);
            backend.EndFrame();
            backend.FreeCache(cache);
            return repeats ? found with { Item3 = Works() - before - Rows - (appends ? 0 : 1) } : found;
        }

        (float[] Y, float[] Attended, long Works) one = Found(repeats: true), two = Found(repeats: false);
        Assert.Equal(two.Y, one.Y);
        Assert.Equal(two.Attended, one.Attended);
        if (StandIn.IsThere) Assert.Equal((works, 3), (one.Works, two.Works));
    }

    private static long Works() => StandIn.IsThere ? StandIn.Count("launches") + StandIn.Count("products") : 0;

    private static Tensor Integers(CudaBackend backend, int rows, int columns, int[] values)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    [Fact]
    public void A_norm_that_is_not_the_last_work_or_not_the_input_stays()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        HostMatrix matrix = HostMatrix.Create(DType.Float32, Outputs, Inputs, Numbers(Outputs * Inputs, seed: 1));
        using Weight weight = backend.Pack([matrix.Tensor]);
        float[] Found(bool repeats)
        {
            backend.BeginFrame(repeats);
            Tensor x = Put(backend, 2, Inputs, seed: 2);
            Tensor between = backend.Norm(x, Weights(backend, isRms: false));
            Tensor added = backend.Add(between, x);
            Tensor first = backend.Linear(between, new LinearWeights(weight, Tensor.None));
            Tensor other = backend.Norm(added, Weights(backend, isRms: true));
            Tensor second = backend.Linear(added, new LinearWeights(weight, Tensor.None));
            float[] found = [.. Read(backend, first), .. Read(backend, second), .. Read(backend, other)];
            backend.EndFrame();
            return found;
        }

        Assert.Equal(Found(repeats: false), Found(repeats: true));
    }

    private static (float[] Y, float[] Normed, float[] Sum, long Launches) Run(
        CudaBackend backend, Weight weight, int rows, bool isRms, bool repeats, Activation activation = Activation.Gelu)
    {
        long before = StandIn.IsThere ? StandIn.Count("launches") : 0;
        backend.BeginFrame(repeats);
        (int inputs, int outputs) = (weight.Inputs, weight.Outputs);
        Tensor x = Put(backend, rows, inputs, seed: 2), residual = Put(backend, rows, inputs, seed: 3);
        Tensor bias = Put(backend, 1, outputs, seed: 6);
        Tensor normed = backend.AddNorm(x, residual, Weights(backend, isRms, inputs), out Tensor sum);
        Tensor y = backend.Linear(normed, new LinearWeights(weight, bias), activation);
        (float[], float[], float[]) found = (Read(backend, y), Read(backend, normed), Read(backend, sum));
        backend.EndFrame();
        return (found.Item1, found.Item2, found.Item3, (StandIn.IsThere ? StandIn.Count("launches") : 0) - before);
    }

    private static NormWeights Weights(CudaBackend backend, bool isRms, int inputs = Inputs) => new(
        Put(backend, 1, inputs, seed: 4), isRms ? Tensor.None : Put(backend, 1, inputs, seed: 5), 1e-5f, isRms);

    private static Tensor Put(CudaBackend backend, int rows, int columns, int seed)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(tensor, Numbers(rows * columns, seed));
        return tensor;
    }

    private static float[] Read(CudaBackend backend, in Tensor tensor)
    {
        var numbers = new float[tensor.Shape.Count];
        backend.Read(tensor, numbers);
        return numbers;
    }

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
    }
}
