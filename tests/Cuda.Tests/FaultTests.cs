// Whatever goes wrong on the device ends in the exception that says so, with nothing held, and what can go on goes on: memory that
// is not there at each allocation of loading and translating, a driver's compiler that refuses, a kernel's illegal address, a device
// that is lost at some call.
using System.Text.RegularExpressions;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Cuda.Driver;
using Engine.Decoding;
using Engine.Formats;
using Engine.ModelCases;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class FaultTests : IDisposable
{
    private const string AskedAndFree = @"^.+ (was|were) asked for; ([\d,]+ of [\d,]+ are free|how much is free cannot be found out)\.$";
    private const int MostAttempts = 2000;
    private const int IllegalAddress = 700, LaunchFailed = 719;

    private static readonly string[] Held = ["leaks", "allocations", "bytes", "streams", "events", "modules", "graphs", "host", "cublas", "cublaslt"];

    private readonly IReadOnlyList<string> _expected;

    public FaultTests()
    {
        StandIn.IsNeeded();
        StandIn.Reset();
        using var cpu = new CpuBackend();
        using Translator translator = Load(cpu);
        _expected = Translate(translator);
    }

    public void Dispose() => StandIn.Reset();

    [Theory, InlineData(false), InlineData(true)]
    public void Whichever_allocation_fails_it_is_told_and_the_next_translation_succeeds(bool usesOwnProducts)
    {
        CudaInfo info = Found();
        int failed = EachUntilNoneFires("fail_alloc", static n => n + 1, attempt =>
        {
            try
            {
                using var backend = new CudaBackend(info, 0, usesOwnProducts);
                using Translator translator = Load(backend);
                try
                {
                    Assert.Equal(_expected, Translate(translator));
                }
                catch (Exception problem) when (IsOutOfMemory(problem))
                {
                    Assert.Equal(_expected, Translate(translator));   // the same translator goes on
                }
            }
            catch (Exception problem) when (IsOutOfMemory(problem))
            {
            }

            AssertNothingIsHeld($"after allocation {attempt} failed");
        });
        Assert.True(failed > 10, $"Loading and translating took only {failed} allocations.");
    }

    [Fact]
    public void A_training_without_memory_says_so_and_holds_nothing()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 40, validation: 3, longest: 4);
        CudaInfo info = Found();
        EachUntilNoneFires("fail_alloc", static n => n < 8 ? n + 1 : n + (n / 3), attempt =>
        {
            try
            {
                using var backend = new CudaBackend(info, 0);
                folder.Train(backend, new TrainingFolder.Record(), resume: false, "training.steps=2", "validation.every=2", $"output=out{attempt}");
            }
            catch (Exception problem) when (IsOutOfMemory(problem))
            {
            }

            AssertNothingIsHeld($"after allocation {attempt} failed");
        });
    }

    [Theory]
    [InlineData("devices", 0, "cuInit fails with CUDA_ERROR_NO_DEVICE")]
    [InlineData("init", 803, "cuInit fails with ")]
    [InlineData("driver_version", 11040, "the driver serves CUDA 11, and the engine knows cuBLAS from CUDA 13 on")]
    [InlineData("cublas_missing", 1, "cublasCreate failed with ")]
    public void What_cannot_be_opened_is_unavailable_with_the_reason(string word, int value, string reason)
    {
        StandIn.Arm(word, value);
        CudaInfo info = Found();
        BackendUnavailableException failure = Assert.Throws<BackendUnavailableException>(() => new CudaBackend(info, 0));
        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        AssertNothingIsHeld(word);
        StandIn.Reset();
        AssertTranslates();
    }

    [Fact]
    public void A_kernel_that_the_driver_refuses_is_told_with_what_its_compiler_says()
    {
        CudaInfo info = Found();
        int failed = EachUntilNoneFires("jit_error", static n => n + 1, attempt =>
        {
            Exception? problem = Record.Exception(() => Translates(info));
            if (problem is not null)
            {
                Assert.True(problem is CudaException or BackendUnavailableException, $"{problem}");
                Assert.Contains("the compiler was told to fail", problem.Message, StringComparison.Ordinal);
                Assert.Contains(".ptx", problem.Message, StringComparison.Ordinal);
            }

            AssertNothingIsHeld($"after module {attempt} was refused");
        });
        Assert.True(failed > 3, $"Loading and translating took only {failed} modules.");
    }

    [Fact]
    public void After_an_illegal_address_the_kernel_is_named_and_the_backend_refuses_to_go_on()
    {
        int failed = EachUntilNoneFires("illegal_address", static n => n < 4 ? n + 1 : 2 * n, _ =>
        {
            using var backend = new CudaBackend(Found(), 0);
            Translator? translator = null;
            Exception? problem = Record.Exception(() => Translate(translator = Load(backend)));
            if (problem is not null)
            {
                CudaException failure = Assert.IsType<CudaException>(problem);
                Assert.Equal(IllegalAddress, failure.Code);
                Assert.Contains(ArmedKernel(), failure.Message, StringComparison.Ordinal);
                if (translator is not null) Assert.Equal(IllegalAddress, Assert.Throws<CudaException>(() => Translate(translator)).Code);
                Assert.Throws<CudaException>(() => backend.Allocate(new Shape(1, 1), DType.Float32));
            }

            translator?.Dispose();
        }, startsAnew: true);
        Assert.True(failed > 3, $"A translation took only few launches: {failed} attempts failed.");
        StandIn.Reset();
        AssertTranslates();
    }

    [Fact]
    public void A_device_that_is_lost_at_any_call_is_told_and_closing_does_not_throw()
    {
        int failed = EachUntilNoneFires("lost_device", static n => n < 30 ? n + 1 : n + (n / 4), _ =>
        {
            if (Record.Exception(() => Translates(Found())) is not { } problem) return;   // lost while it was closed
            Assert.True(problem is CudaException { Code: LaunchFailed } or BackendUnavailableException, $"{problem}");
        }, startsAnew: true);
        Assert.True(failed > 30, $"Only {failed} attempts failed.");
        StandIn.Reset();
        AssertTranslates();
    }

    // The fault at the n-th occasion, for the first, a next, and so on, until there are fewer. The stand-in reports those that were met;
    // gives their number.
    private static int EachUntilNoneFires(string word, Func<int, int> next, Action<int> attempt, bool startsAnew = false)
    {
        int fired = 0;
        for (int n = 1; n < MostAttempts; n = next(n))
        {
            if (startsAnew) StandIn.Reset();
            StandIn.Arm("clear_report", 0);
            StandIn.Arm(word, n);
            attempt(n);
            if (StandIn.Report().Length == 0) return fired;
            fired++;
        }

        throw new InvalidOperationException($"{word} {MostAttempts} is still met.");
    }

    private static void AssertNothingIsHeld(string when)
    {
        string held = string.Join(", ", Held.Where(static word => StandIn.Count(word) != 0).Select(static word => $"{StandIn.Count(word)} {word}"));
        Assert.True(held.Length == 0, $"{when}: {held}: {StandIn.Report()}");
    }

    private static bool IsOutOfMemory(Exception problem) =>
        problem is OutOfMemoryException && Regex.IsMatch(problem.Message, AskedAndFree);

    // As the stand-in reports it: "illegal address: armed; kernel norm".
    private static string ArmedKernel() =>
        StandIn.Report().Split('\n').First(static line => line.Contains("illegal address: armed", StringComparison.Ordinal)).Split("kernel ")[^1].TrimEnd('.');

    private static CudaInfo Found() => CudaProbe.Find(Device.StandInLibraries);

    private static Translator Load(IBackend backend)
    {
        using ModelData model = RandomModel.Create(RandomModel.Config(modelDim: 16, heads: 2, hiddenDim: 32, layers: 1, vocabulary: 11));
        return Translator.Load(model, new TranslatorOptions(backend));
    }

    private static IReadOnlyList<string> Translate(Translator translator) => translator.Translate(new TranslationRequest(["t3", "t5", "t4"])
    {
        Options = new DecodingOptions { BeamSize = 2, MinDecodingLength = 5, MaxDecodingLength = 5 },
    }).Hypotheses[0].Tokens;

    private static IReadOnlyList<string> Translates(CudaInfo info)
    {
        using var backend = new CudaBackend(info, 0);
        using Translator translator = Load(backend);
        return Translate(translator);
    }

    private void AssertTranslates()
    {
        Assert.Equal(_expected, Translates(Found()));
        AssertNothingIsHeld("afterwards");
    }
}
