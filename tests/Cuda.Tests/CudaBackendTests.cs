// The word `cuda` without a usable CUDA: one line that names what is missing, and no fall back that nobody asked for.
using Engine.Backends;
using Engine.Cuda;
using Xunit;

namespace Cuda.Tests;

public sealed class CudaBackendTests
{
    private const string Absent = "libcuda.so.1 was not found: the NVIDIA driver is not installed";

    private static readonly CudaInfo NoDriver = new() { Missing = Absent };

    private static readonly CudaInfo Complete = new()
    {
        DriverLibrary = "libcuda.so.1",
        DriverVersion = new Version(13, 0),
        Devices = [new CudaDevice(0, "Some GPU", new Version(9, 0), 1L << 37)],
        CublasLibrary = "libcublas.so.13",
    };

    [Fact]
    public void Asked_for_by_name_it_fails_with_the_library_that_is_missing()
    {
        var failure = Assert.Throws<BackendUnavailableException>(() => BackendSelector.Open(
            "cuda", providers: [new CudaBackendProvider(() => NoDriver), new OtherProvider()]));
        Assert.Equal($"The backend 'cuda' cannot be used: {Absent}.", failure.Message);
        Assert.Equal("cuda", failure.Backend);
    }

    [Fact]
    public void Create_fails_with_the_same_reason()
    {
        var failure = Assert.Throws<BackendUnavailableException>(
            () => new CudaBackendProvider(() => NoDriver).Create(new BackendOptions()));
        Assert.Equal(Absent, failure.Reason);
    }

    [Fact]
    public void With_driver_device_and_cublas_it_can_be_used()
    {
        Assert.True(new CudaBackendProvider(() => Complete).IsAvailable(out string reason));
        Assert.Equal("Some GPU", reason);
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused_with_the_number_of_those_that_are()
    {
        var failure = Assert.Throws<BackendUnavailableException>(
            () => new CudaBackendProvider(() => Complete).Create(new BackendOptions { Device = 1 }));
        Assert.Equal("device 1 was asked for, and there are 1, numbered from 0", failure.Reason);
    }

    [Fact]
    public void A_number_behind_the_word_is_that_of_the_device()
    {
        var failure = Assert.Throws<BackendUnavailableException>(() => BackendSelector.Open(
            "cuda:3", providers: [new CudaBackendProvider(() => Complete), new OtherProvider()]));
        Assert.Equal("device 3 was asked for, and there are 1, numbered from 0", failure.Reason);
    }

    [Fact]
    public void Auto_passes_it_by_and_logs_why()
    {
        var log = new List<string>();
        var chosen = Assert.Throws<ChosenException>(() => BackendSelector.Open(
            "auto", log: log.Add, providers: [new CudaBackendProvider(() => NoDriver), new OtherProvider()]));
        Assert.Equal("other", chosen.Message);
        Assert.Equal([$"backend auto: not cuda ({Absent})", "backend auto: other (always)"], log);
    }

    [Fact]
    public void The_public_provider_answers_on_any_machine()
    {
        IBackendProvider provider = CudaBackend.Provider;
        Assert.Equal("cuda", provider.Word);
        bool isAvailable = provider.IsAvailable(out string reason);
        Assert.NotEmpty(reason);
        Assert.DoesNotContain('\n', reason);
        if (isAvailable) return;
        var failure = Assert.Throws<BackendUnavailableException>(() => provider.Create(new BackendOptions()));
        Assert.Equal(reason, failure.Reason);
    }

    [Fact]
    public void The_machine_is_asked_once()
    {
        int asked = 0;
        var provider = new CudaBackendProvider(() =>
        {
            asked++;
            return NoDriver;
        });
        provider.IsAvailable(out _);
        provider.IsAvailable(out _);
        Assert.Equal(1, asked);
    }

    // Being chosen is all that is asked of it, so it tells by the exception that it was.
    private sealed class OtherProvider : IBackendProvider
    {
        public string Word => "other";

        public bool IsAvailable(out string reason)
        {
            reason = "always";
            return true;
        }

        public IBackend Create(BackendOptions options) => throw new ChosenException(Word);
    }

    private sealed class ChosenException(string message) : Exception(message);
}
