// After an error of a kernel the device is lost: one exception says which kernels it can be, everything after it repeats that, all who
// wait are told, and closing is quiet.
using Engine.Backends;
using Engine.Cuda;
using Engine.Cuda.Device;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class LostDeviceTests : IDisposable
{
    private const int IllegalAddress = 700, LaunchFailed = 719;
    private const string Illegal = "failed with CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered (700).";

    public LostDeviceTests() => StandIn.Start();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(WorkStream.WaitForEachVariable, null);
        StandIn.Start();
    }

    [Fact]
    public void The_kernels_that_it_can_be_are_named_and_nothing_more_is_done()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        CudaException first = Fault(backend);
        Assert.Equal(IllegalAddress, first.Code);
        Assert.Equal($"CUDA: one of the kernels add, multiply, as cuStreamSynchronize tells, {Illegal}", first.Message);
        Tensor tensor = default;
        Action[] calls =
        [
            () => tensor = backend.Allocate(new Shape(1, 1), DType.Float32),
            () => backend.Pack([HostTensor.FromValues("w", new Shape(1, 1), [1f])]),
            () => backend.AllocateCache(1, 4, 4, 1),
            () => backend.BeginFrame(repeats: true),
        ];
        foreach (Action call in calls)
        {
            CudaException again = Assert.Throws<CudaException>(call);
            Assert.Equal(IllegalAddress, again.Code);
            Assert.Same(first, again.InnerException);
            Assert.Equal($"CUDA: the device cannot be used any more, because {first.Call} {Illegal}", again.Message);
        }
    }

    [Fact]
    public void Where_each_kernel_is_waited_for_one_is_named()
    {
        Environment.SetEnvironmentVariable(WorkStream.WaitForEachVariable, "1");
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        Assert.Equal($"CUDA: the kernel multiply, as cuStreamSynchronize tells, {Illegal}", Fault(backend).Message);
    }

    [Fact]
    public void Results_do_not_depend_on_whether_each_kernel_is_waited_for()
    {
        using ModelData model = Model();
        IReadOnlyList<string>[] expected, found;
        using (CudaBackend backend = Device.Open(usesOwnProducts: false))
        using (Translator translator = Load(model, backend))
            expected = Translations(translator);
        Environment.SetEnvironmentVariable(WorkStream.WaitForEachVariable, "1");
        using (CudaBackend backend = Device.Open(usesOwnProducts: false))
        using (Translator translator = Load(model, backend))
        {
            found = Translations(translator);
            Assert.Equal(0, backend.Context.Stream.Graphs);
        }

        Assert.Equal(expected, found);
    }

    [Fact]
    public void A_product_of_cuBLAS_that_finds_the_device_lost_tells_the_drivers_error()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(16, 16), new float[256])]);
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(20, 16), DType.Float32);   // too many rows for a kernel of ours
        backend.Write(x, new float[20 * 16]);
        StandIn.Arm("lost_device_now", LaunchFailed);
        var failure = Assert.Throws<CudaException>(() => backend.Linear(x, new LinearWeights(weight, Tensor.None)));
        Assert.Equal(LaunchFailed, failure.Code);
        Assert.Contains("cublasGemmEx of 16 × 20, sums of 16", failure.Message, StringComparison.Ordinal);
        backend.EndFrame();
        weight.Dispose();
    }

    [Fact]
    public void What_is_freed_when_the_device_is_lost_is_no_error()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        Tensor tensor = backend.Allocate(new Shape(3, 3), DType.Float32);
        KeyValueCache cache = backend.AllocateCache(1, 4, 4, 1);
        Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(1, 1), [1f])]);
        StandIn.Arm("lost_device_now", LaunchFailed);
        backend.Free(tensor);
        backend.FreeCache(cache);
        weight.Dispose();
        Assert.Equal(LaunchFailed, Assert.Throws<CudaException>(() => backend.Allocate(new Shape(1, 1), DType.Float32)).Code);
    }

    [Theory, InlineData("illegal_address", 5, IllegalAddress), InlineData("lost_device_now", LaunchFailed, LaunchFailed)]
    public async Task All_who_wait_for_a_translation_are_told(string word, int value, int code)
    {
        using ModelData model = Model();
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        Translator translator = Load(model, backend);
        StandIn.Arm(word, value);
        Task[] tasks =
        [
            .. Enumerable.Range(0, 9).Select(i => translator.TranslateAsync(Request(i), Cancellation)),
            translator.ScoreAsync(new ScoreRequest(["t3"], ["t4"]), Cancellation),
        ];
        foreach (Task task in tasks)
        {
            var failure = await Assert.ThrowsAsync<CudaException>(() => task.WaitAsync(TimeSpan.FromMinutes(2), Cancellation));
            Assert.Equal(code, failure.Code);
        }

        Assert.Equal(code, Assert.Throws<CudaException>(() => translator.Translate(Request(0))).Code);
        translator.Dispose();
    }

    // The second of two kernels fails, which the wait tells.
    private static CudaException Fault(CudaBackend backend)
    {
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(2, 3), DType.Float32);
        backend.Write(x, [1f, 2, 3, 4, 5, 6]);
        StandIn.Arm("illegal_address", 2);
        var failure = Assert.Throws<CudaException>(() =>
        {
            Tensor sum = backend.Add(x, x);
            Tensor y = backend.Multiply(sum, x);
            backend.Read(y, new float[6]);
        });
        backend.EndFrame();
        return failure;
    }

    private static ModelData Model() =>
        RandomModel.Create(RandomModel.Config(modelDim: 16, heads: 2, hiddenDim: 32, layers: 1, vocabulary: 11));

    private static Translator Load(ModelData model, CudaBackend backend) =>
        Translator.Load(model, new TranslatorOptions(backend) { BatchSize = 3 });

    private static TranslationRequest Request(int number) => new(RandomModel.Sentence(new Random(number), 3 + number, 11))
    {
        Options = new DecodingOptions { BeamSize = 2, MinDecodingLength = 4, MaxDecodingLength = 4 },
    };

    private static IReadOnlyList<string>[] Translations(Translator translator) =>
        [.. Enumerable.Range(0, 3).Select(i => translator.Translate(Request(i)).Hypotheses[0].Tokens)];
}
