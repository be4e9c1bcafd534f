// Several devices, and several translators on one: the words that name them, the bytes that they hold.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Cuda.Driver;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class DevicesTests : IDisposable
{
    private readonly ModelData _data = RandomModel.Create(RandomModel.Config(64, 4, 256, layers: 2, vocabulary: 300));
    private readonly CudaBackendProvider _provider;

    public DevicesTests()
    {
        StandIn.Start();
        StandIn.Arm("devices", 2);
        CudaInfo info = CudaProbe.Find(Device.StandInLibraries);
        _provider = new CudaBackendProvider(() => info);
    }

    public void Dispose()
    {
        _data.Dispose();
        StandIn.Start();
    }

    [Fact]
    public void What_is_found_has_versions_files_and_free_memory()
    {
        CudaInfo info = CudaProbe.Find(Device.StandInLibraries).WithFreeMemory();
        Assert.EndsWith("/libcuda.so.1", info.DriverPath, StringComparison.Ordinal);
        Assert.EndsWith("/libcuda.so.1", info.CublasPath, StringComparison.Ordinal);   // one file under several names
        Assert.Equal((new Version(13, 0), new Version(13, 0, 0)), (info.DriverVersion, info.CublasVersion));
        Assert.Equal(2, info.Devices.Count);
        Assert.All(info.Devices, static device => Assert.Equal((108, (long?)device.MemoryBytes), (device.Multiprocessors, device.FreeMemoryBytes)));
        StandIn.AssertNothingIsHeld("after the question");
    }

    [Fact]
    public void A_list_of_words_opens_each_device()
    {
        IReadOnlyList<IBackend> backends = BackendSelector.OpenAll("cuda:0,CUDA:1", providers: [_provider, CpuBackend.Provider]);
        Assert.Equal(
            ["cuda:0, PTX machine (stand-in)", "cuda:1, PTX machine (stand-in)"], backends.Select(static backend => backend.Description));
        Assert.False(backends[0].SharesWeightsWith(backends[1]));
        foreach (IBackend backend in backends) backend.Dispose();
        StandIn.AssertNothingIsHeld("after both");
    }

    [Fact]
    public void A_device_that_is_not_there_closes_those_that_are()
    {
        var failure = Assert.Throws<BackendUnavailableException>(
            () => BackendSelector.OpenAll("cuda:1,cuda:2", providers: [_provider, CpuBackend.Provider]));
        Assert.Equal("device 2 was asked for, and there are 2, numbered from 0", failure.Reason);
        StandIn.AssertNothingIsHeld("after the failure");
    }

    [Fact]
    public void Translators_on_two_devices_and_two_on_each_give_the_answers_of_the_CPU()
    {
        TranslationRequest[] requests = [.. Enumerable.Range(0, 12).Select(i => new TranslationRequest(
            RandomModel.Sentence(new Random(i), 3 + i, 300))
        {
            Options = new DecodingOptions { BeamSize = 2, MaxDecodingLength = 6 },
        })];
        string[] expected;
        using (var cpu = new CpuBackend(new BackendOptions { Threads = 1 }))
        using (Translator translator = Translator.Load(_data, new TranslatorOptions(cpu)))
            expected = Translate(translator, requests);
        foreach (ulong seed in (ulong[])[0, 1, 2])
        {
            StandIn.Arm("seed", (long)seed);
            IReadOnlyList<IBackend> backends = BackendSelector.OpenAll(
                "cuda:0,cuda:1", replicas: 2, new BackendOptions { Deterministic = Determinism.Batch },
                providers: [_provider, CpuBackend.Provider]);
            using (TranslatorPool pool = TranslatorPool.Load(
                _data, new TranslatorOptions(backends[0]) { BatchSize = 2 }, [.. backends.Skip(1)]))
            {
                Assert.Equal(4, pool.Count);
                Assert.Equal(expected, Translate(pool, requests));
            }

            foreach (IBackend backend in backends) backend.Dispose();
            StandIn.AssertNothingIsHeld($"with seed {seed}");
            Assert.Equal("", StandIn.Report());
        }
    }

    [Fact]
    public void Where_nobody_says_how_many_a_device_has_two_and_the_CPU_one()
    {
        foreach ((string words, int[] devices) in new[] { ("cuda:1,cuda:0,cpu", (int[])[1, 1, 0, 0, -1]), ("cuda", [0, 0]), ("cpu", [-1]) })
        {
            IReadOnlyList<IBackend> backends = BackendSelector.OpenAll(words, replicas: 0, providers: [_provider, CpuBackend.Provider]);
            Assert.Equal(devices, backends.Select(static backend => backend is CudaBackend cuda ? cuda.Context.Device.Number : -1));
            foreach (IBackend backend in backends) backend.Dispose();
        }

        StandIn.AssertNothingIsHeld("after all");
    }

    [Fact]
    public void A_second_translator_on_a_device_does_not_hold_the_weights_again()
    {
        IReadOnlyList<IBackend> backends = BackendSelector.OpenAll("cuda:0", replicas: 2, providers: [_provider]);
        Assert.True(backends[1].SharesWeightsWith(backends[0]));
        long empty = StandIn.Count("bytes");
        var owner = new Transformer(backends[0], _data);
        long weights = StandIn.Count("bytes") - empty;
        Assert.True(weights >= owner.WeightBytes && owner.WeightBytes > 1 << 20);
        var sharer = new Transformer(backends[1], owner);
        long positions = 2 * 256 * 64 * sizeof(float);   // a table that grows by itself, for each side
        Assert.InRange(StandIn.Count("bytes") - empty - weights, 0, positions + 1024);
        sharer.Dispose();
        owner.Dispose();
        foreach (IBackend backend in backends) backend.Dispose();
        StandIn.AssertNothingIsHeld("after both");
    }

    private static string[] Translate(ITranslator translator, TranslationRequest[] requests) =>
    [
        .. translator.TranslateBatch(requests, TestContext.Current.CancellationToken).Select(static result =>
            string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"))),
    ];
}
