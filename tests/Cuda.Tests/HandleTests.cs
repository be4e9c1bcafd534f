// Whatever was made is freed, in order: after a whole life, after an opening that failed half way, and by finalisers where somebody
// forgets to. And a device of little memory translates, a few sentences at a time.
using System.Runtime.CompilerServices;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class HandleTests : IDisposable
{
    private const string AskedAndFree =
        @"^([\d,]+ bytes|Memory) of .*PTX machine.* (was|were) asked for; [\d,]+ of [\d,]+ are free\.$";

    public HandleTests() => StandIn.Start();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => StandIn.Start();

    [Fact]
    public void Opening_without_memory_says_what_was_asked_and_holds_nothing()
    {
        for (int failing = 1; ; failing++)
        {
            StandIn.Start();
            StandIn.Arm("fail_alloc", failing);
            try
            {
                Device.Open(usesOwnProducts: false).Dispose();
                Assert.True(failing > 4);   // cuBLAS, its workspace, cuBLASLt and pinned memory are asked for at least
                StandIn.AssertNothingIsHeld("after opening and closing");
                return;
            }
            catch (OutOfMemoryException failure)
            {
                Assert.Matches(failing == 4 ? AskedAndFree.Replace(" of .*", " of pinned host memory for .*", StringComparison.Ordinal) : AskedAndFree, failure.Message);
            }

            StandIn.AssertNothingIsHeld($"after allocation {failing} failed");
        }
    }

    [Fact]
    public void What_nobody_freed_is_freed_with_the_backend()
    {
        using ModelData model = Model();
        CudaBackend backend = Device.Open(usesOwnProducts: false);
        Use(backend, model);
        Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(3, 5), new float[15])]);
        Tensor tensor = backend.Allocate(new Shape(10, 10), DType.Float32);
        backend.BeginFrame();
        backend.Add(tensor, tensor);
        backend.Dispose();
        StandIn.AssertNothingIsHeld("after Dispose");
        Assert.Equal("", StandIn.Report());
        weight.Dispose();
        backend.Free(tensor);
        backend.Dispose();
        Assert.Equal("", StandIn.Report());
        Assert.Throws<ObjectDisposedException>(() => backend.Allocate(new Shape(1, 1), DType.Float32));
    }

    [Fact]
    public void A_backend_that_is_forgotten_is_freed_by_finalisers_in_order()
    {
        using ModelData model = Model();
        Forget(model);
        for (int i = 0; i < 10 && StandIn.Count("streams") > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        StandIn.AssertNothingIsHeld("after collections");
        Assert.Equal("", StandIn.Report());
    }

    [Fact]
    public void One_backend_ends_and_another_of_the_same_device_goes_on()
    {
        using ModelData model = Model();
        using CudaBackend stays = Device.Open(usesOwnProducts: false);
        using (CudaBackend goes = Device.Open(usesOwnProducts: false)) Use(goes, model);
        Use(stays, model);
        stays.Dispose();
        StandIn.AssertNothingIsHeld("after both");
    }

    [Theory, InlineData(420 << 10), InlineData(700 << 10), InlineData(2 << 20)]
    public void A_device_of_little_memory_gives_the_results_of_the_CPU(int room)
    {
        using ModelData model = Model();
        TranslationRequest[] requests = [.. Enumerable.Range(0, 12).Select(i => new TranslationRequest(
            RandomModel.Sentence(new Random(i), 3 + (2 * i), 11))
        {
            Options = new DecodingOptions { BeamSize = 4, MinDecodingLength = 20, MaxDecodingLength = 20 },
        })];
        using var cpu = new CpuBackend(new BackendOptions { Threads = 1 });
        string[] expected = Translate(cpu, model, requests);
        using (CudaBackend backend = Device.Open(usesOwnProducts: true))
        {
            using Translator translator = Translator.Load(model, new TranslatorOptions(backend) { BatchSize = 12 });
            StandIn.Arm("memory", StandIn.Count("bytes") + room);
            Assert.Equal(expected, translator.TranslateBatch(requests, Cancellation).Select(Text));
            Assert.Contains("bytes are asked for", StandIn.Report(), StringComparison.Ordinal);
        }

        StandIn.AssertNothingIsHeld("after Dispose");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(ModelData model)
    {
        var thread = new Thread(() =>
        {
            CudaBackend backend = Device.Open(usesOwnProducts: false);
            Use(backend, model);
            backend.Pack([HostTensor.FromValues("w", new Shape(3, 5), new float[15])]);
        });
        thread.Start();
        thread.Join();
    }

    // Modules, products with a bias and without, pinned memory and graphs.
    private static void Use(CudaBackend backend, ModelData model)
    {
        TranslationRequest request = new(RandomModel.Sentence(new Random(1), 12, 11))
        {
            Options = new DecodingOptions { BeamSize = 1, MinDecodingLength = 6, MaxDecodingLength = 6 },
        };
        for (int i = 0; i < 3; i++) Translate(backend, model, [request]);
        Assert.True(StandIn.Count("graphs") > 0);
        Assert.True(StandIn.Count("cublaslt") > 1);
    }

    private static string[] Translate(IBackend backend, ModelData model, TranslationRequest[] requests)
    {
        using Translator translator = Translator.Load(model, new TranslatorOptions(backend));
        return [.. translator.TranslateBatch(requests, Cancellation).Select(Text)];
    }

    private static string Text(TranslationResult result) =>
        string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"));

    private static ModelData Model() =>
        RandomModel.Create(RandomModel.Config(modelDim: 16, heads: 2, hiddenDim: 32, layers: 1, vocabulary: 11));
}
