// Linear layers whose bias and ReLU are in the product's own pass: beside the definition, for ragged sizes and views at odd places; that
// they are one product and no launch more, also in graphs; and what is done where cuBLASLt is not there or has no such product.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cuda;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class FollowedProductTests : ConformanceHarness
{
    private const int Rows = 20, Inputs = 70, Outputs = 37;

    // More rows than the kernels take that are bound by reading the weights; sums that are cut in parts, and such that are not.
    private static readonly (int Rows, int Inputs, int Outputs)[] Sizes =
        [(9, 1, 1), (10, 512, 37), (17, 31, 32), (64, 65, 63), (15, 64, 97), (33, 130, 256)];

    private Arithmetic _arithmetic;
    private CudaInfo _info = Device.Info;

    public static TheoryData<Arithmetic, Activation> Followed
    {
        get
        {
            var data = new TheoryData<Arithmetic, Activation>();
            foreach (Arithmetic arithmetic in (Arithmetic[])[Arithmetic.Float32, .. TensorCoreRounding.All])
            {
                data.Add(arithmetic, Activation.None);
                data.Add(arithmetic, Activation.Relu);
            }

            return data;
        }
    }

    public static TheoryData<Activation> Others =>
        [.. Enum.GetValues<Activation>().Where(static activation => activation is not (Activation.None or Activation.Relu))];

    protected override IBackend Create()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-in is built on Linux only.");
        return new CudaBackend(_info, 0, usesOwnProducts: false, _arithmetic);
    }

    [Theory, MemberData(nameof(Followed))]
    public void Bias_and_ReLU_are_part_of_the_product(Arithmetic arithmetic, Activation activation)
    {
        _arithmetic = arithmetic;
        bool isRounded = arithmetic is Arithmetic.BFloat16 or Arithmetic.Float16;    // by a kernel before the product
        foreach ((int rows, int inputs, int outputs) in Sizes)
        {
            foreach (bool hasBias in new[] { true, false })
            {
                bool isPlain = !hasBias && activation == Activation.None;
                Cost cost = CheckLinear(rows, inputs, outputs, hasBias, activation);
                if (StandIn.IsThere) Assert.Equal(new Cost(isRounded ? 1 : 0, 1, isPlain ? 0 : 1), cost);
            }
        }
    }

    [Theory, MemberData(nameof(Others))]
    public void What_it_cannot_follows_in_a_pass_of_its_own(Activation activation)
    {
        Cost cost = CheckLinear(Rows, Inputs, Outputs, hasBias: true, activation);
        if (StandIn.IsThere) Assert.Equal(new Cost(1, 1, 0), cost);
    }

    [Theory, InlineData(null), InlineData("libcublasLt.so.99"), InlineData("libm.so.6")]
    public void Where_it_is_not_there_or_another_library_has_its_name_the_layers_are_the_same(string? library)
    {
        _info = Device.Info with { CublasLtLibrary = library };
        foreach (Activation activation in new[] { Activation.None, Activation.Relu })
        {
            Cost cost = CheckLinear(Rows, Inputs, Outputs, hasBias: true, activation);
            if (StandIn.IsThere) Assert.Equal(new Cost(1, 1, 0), cost);
        }

        Assert.Null(((CudaBackend)Backend).Context.Stream.Lt);
    }

    [Fact]
    public void A_product_that_it_has_not_is_asked_for_once_and_done_the_other_way()
    {
        StandIn.Start();
        StandIn.Arm("lt_finds_nothing", 1);
        try
        {
            for (int turn = 0; turn < 2; turn++)
                Assert.Equal(new Cost(1, 1, 0), CheckLinear(Rows, Inputs, Outputs, hasBias: true, Activation.Relu));
        }
        finally
        {
            StandIn.Arm("lt_finds_nothing", 0);     // the device is all tests'
        }

        Assert.Equal(1, ((CudaBackend)Backend).Context.Stream.Lt!.Count);
        Assert.Equal(1, ((CudaBackend)Backend).Context.Stream.Lt!.Lacking);
        Assert.Equal("", StandIn.Report());
    }

    [Fact]
    public void Steps_that_come_again_replay_it()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        using Weight weight = Layer(backend, seed: 1);
        float[] Step(Activation activation, int seed)
        {
            backend.BeginFrame(repeats: true);
            Tensor x = Put(backend, Rows, Inputs, Values(Rows * Inputs, seed)), bias = PutVector(backend, Values(Outputs, 2));
            float[] found = Floats(backend, backend.Linear(x, new LinearWeights(weight, bias), activation));
            backend.EndFrame();
            return found;
        }

        float[] Expected(Activation activation, int seed) => InFrame(backend, b => Floats(b, b.Linear(
            Put(b, Rows, Inputs, Values(Rows * Inputs, seed)), new LinearWeights(weight, PutVector(b, Values(Outputs, 2))), activation)));

        foreach (int seed in new[] { 3, 4, 5, 6 }) AssertSameBits($"{seed}", Expected(Activation.Relu, seed), Step(Activation.Relu, seed));
        Assert.Equal(1, backend.Context.Stream.Graphs);
        foreach (int seed in new[] { 3, 4, 5, 6 }) AssertSameBits($"{seed}", Expected(Activation.None, seed), Step(Activation.None, seed));
        Assert.Equal(2, backend.Context.Stream.Graphs);     // the same sizes and addresses are not all of it
    }

    [Fact]
    public void Layers_of_one_shape_share_a_description_and_other_alignments_have_their_own()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        var first = new float[2][];
        InFrame(backend, b =>
        {
            Tensor wide = Put(b, Rows, Inputs + 5, Values(Rows * (Inputs + 5), 1)), biases = PutVector(b, Values(Outputs + 1, 2));
            Tensor bias = biases.ColumnRange(0, Outputs);
            for (int i = 0; i < 2; i++)
            {
                Weight weight = Layer(b, seed: 3 + i);
                first[i] = Floats(b, b.Linear(wide.ColumnRange(0, Inputs), new LinearWeights(weight, bias)));
                Assert.Equal(1, backend.Context.Stream.Lt!.Count);
            }

            Weight last = Layer(b, seed: 3);
            b.Linear(wide.ColumnRange(1, Inputs), new LinearWeights(last, bias));
            Assert.Equal(2, backend.Context.Stream.Lt!.Count);
            b.Linear(wide.ColumnRange(3, Inputs), new LinearWeights(last, bias));
            Assert.Equal(2, backend.Context.Stream.Lt!.Count);      // 4 bytes again
            b.Linear(wide.ColumnRange(2, Inputs), new LinearWeights(last, bias));
            Assert.Equal(3, backend.Context.Stream.Lt!.Count);
            b.Linear(wide.ColumnRange(2, Inputs), new LinearWeights(last, biases.ColumnRange(1, Outputs)));
            Assert.Equal(4, backend.Context.Stream.Lt!.Count);
            if (StandIn.IsThere) Assert.Equal(0, backend.Context.Stream.Lt!.Lacking);
            return 0;
        });
        Assert.NotEqual(first[0], first[1]);
    }

    [Fact]
    public void Shapes_without_end_take_memory_with_one()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        using Weight weight = Pack(backend, default, HostMatrix.Create(DType.Float32, 1, 1, [2f]).Tensor);
        const int Most = 4096, First = 9;
        InFrame(backend, b =>
        {
            Tensor all = Put(b, First + Most + 1, 1, Values(First + Most + 1, 1)), bias = PutVector(b, [1f]);
            long mark = backend.Mark();
            for (int rows = First; rows <= First + Most; rows++)
            {
                b.Linear(all.RowRange(0, rows), new LinearWeights(weight, bias));
                backend.Release(mark, []);
            }

            Assert.Equal(1, backend.Context.Stream.Lt!.Count);
            float[] found = Floats(b, b.Linear(all.RowRange(0, First), new LinearWeights(weight, bias)));
            Assert.Equal([.. Values(First + Most + 1, 1).Take(First).Select(static x => (2 * x) + 1)], found);
            return 0;
        });
        Assert.Equal(2, backend.Context.Stream.Lt!.Count);
        if (StandIn.IsThere) Assert.Equal(1 + (2 * 4), StandIn.Count("cublaslt"));      // a handle; a description and three layouts each
    }

    [Fact]
    public void Whichever_allocation_of_it_fails_nothing_is_held()
    {
        for (int failing = 1; ; failing++)
        {
            StandIn.Start();
            using (CudaBackend backend = Device.Open(usesOwnProducts: false))
            {
                using Weight weight = Pack(backend, default, HostMatrix.Create(DType.Float32, 1, 1, [2f]).Tensor);
                backend.BeginFrame();
                Tensor x = Put(backend, Rows, 1, Values(Rows, 1)), bias = PutVector(backend, [1f]);
                Tensor Apply() => backend.Linear(x, new LinearWeights(weight, bias));
                StandIn.Arm("fail_alloc", failing);
                Exception? problem = Record.Exception(() => Apply());
                StandIn.Arm("fail_alloc", -1);
                if (problem is not null)
                {
                    string message = Assert.IsType<OutOfMemoryException>(problem).Message;
                    Assert.Matches("^Memory of .* for cublasLt.* was asked for; .* are free.$", message);
                }

                Assert.Equal([.. Values(Rows, 1).Select(static value => (2 * value) + 1)], Floats(backend, Apply()));
                backend.EndFrame();
                Assert.Equal(5, StandIn.Count("cublaslt"));
                if (problem is null) break;
            }

            StandIn.AssertNothingIsHeld($"after allocation {failing} failed");
        }

        StandIn.AssertNothingIsHeld("at the end");
        StandIn.Start();
    }

    // Launches, products, and those of cuBLASLt among them.
    private readonly record struct Cost(long Launches, long Products, long Followed)
    {
        public static Cost Now => StandIn.IsThere
            ? new(StandIn.Count("launches"), StandIn.Count("products"), StandIn.Count("lt_products"))
            : default;

        public static Cost operator -(Cost left, Cost right) =>
            new(left.Launches - right.Launches, left.Products - right.Products, left.Followed - right.Followed);
    }

    // A layer of views, beside the definition.
    private Cost CheckLinear(int rows, int inputs, int outputs, bool hasBias, Activation activation)
    {
        float[] x = Values(rows * inputs, seed: 1), weight = Values(outputs * inputs, seed: 2, 0.1);
        float[] bias = hasBias ? Values(outputs, seed: 3) : [];
        double[] roundedX = Widen(Round(x)), roundedWeight = Widen(Round(weight));
        Cost cost = default;
        float[] found = Run(b =>
        {
            Tensor input = Put(b, rows, inputs, x, view: true), added = PutVector(b, bias, view: true);
            var weights = new LinearWeights(Pack(b, default, HostTensor.FromValues("w", new Shape(outputs, inputs), weight)), added);
            Cost before = Cost.Now;
            Tensor y = b.Linear(input, weights, activation);
            cost = Cost.Now - before;
            return y;
        });
        AssertWithin(
            $"{_arithmetic} [{rows}, {inputs}] to {outputs}, {activation}, bias: {hasBias}",
            LinearReference.Rows(roundedX, roundedWeight, Widen(bias), rows, inputs, outputs, activation), found,
            OperatorBound.Linear(roundedX, roundedWeight, Widen(bias), rows, inputs, outputs, activation), outputs);
        return cost;
    }

    private Weight Layer(IBackend backend, int seed) =>
        Pack(backend, default, HostMatrix.Create(DType.Float32, Outputs, Inputs, Values(Outputs * Inputs, seed)).Tensor);

    private float[] Round(float[] values) => _arithmetic == Arithmetic.Float32 ? values : TensorCoreRounding.Round(_arithmetic, values);
}
