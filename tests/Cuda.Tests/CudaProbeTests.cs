// What the engine says where CUDA is not, or is only in part: there is a GPU on few of the machines that run this.
using Engine.Cuda;
using Engine.Cuda.Driver;
using Xunit;

namespace Cuda.Tests;

public sealed class CudaProbeTests
{
    // A library that every system has and that is not CUDA.
    private static readonly string OtherLibrary = OperatingSystem.IsWindows() ? "kernel32.dll" : "libc.so.6";

    private static readonly CublasNames Absent13 = new(13, "libabsent.so.13", "libabsentLt.so.13");
    private static readonly CublasNames Absent12 = new(12, "libabsent.so.12", "libabsentLt.so.12");

    [Fact]
    public void A_driver_that_is_not_there_is_named()
    {
        CudaInfo info = CudaProbe.Find(new CudaLibraries(["libabsent.so.1", "/absent/libabsent.so.1"], [Absent13]));
        Assert.Equal("libabsent.so.1 was not found: the NVIDIA driver is not installed", info.Missing);
        Assert.Null(info.DriverLibrary);
        Assert.Null(info.DriverVersion);
        Assert.Empty(info.Devices);
    }

    [Fact]
    public void A_library_that_is_not_a_driver_is_no_crash()
    {
        CudaInfo info = CudaProbe.Find(new CudaLibraries([OtherLibrary], [Absent13]));
        Assert.Equal($"{OtherLibrary} was found, but it is not a CUDA driver or one that is too old", info.Missing);
    }

    [Theory]
    [InlineData("cuInit", 100)]
    [InlineData("cuDriverGetVersion", 3)]
    [InlineData("cuDeviceGetCount", 803)]
    public void A_call_that_fails_is_named_with_its_error(string call, int error)
    {
        CudaInfo info = CudaProbe.Ask(new StubDriver { FailingCall = call, Error = error }, [Absent13]);
        Assert.Equal($"stub was found, but {call} fails with E{error}", info.Missing);
        Assert.Equal("stub", info.DriverLibrary);
        Assert.Empty(info.Devices);
    }

    [Fact]
    public void A_device_that_does_not_answer_is_numbered()
    {
        CudaInfo info = CudaProbe.Ask(new StubDriver { Devices = 3, FailingCall = "device 1", Error = 46 }, [Absent13]);
        Assert.Equal("stub was found, but the description of device 1 fails with E46", info.Missing);
    }

    [Fact]
    public void A_driver_without_a_device_says_so()
    {
        CudaInfo info = CudaProbe.Ask(new StubDriver { Devices = 0 }, [Absent13]);
        Assert.Equal("stub was found, but it shows no CUDA device", info.Missing);
        Assert.Equal(new Version(13, 0), info.DriverVersion);
    }

    [Theory]
    [InlineData(13000, "cuBLAS is not installed: libabsentLt.so.13 and libabsentLt.so.12 not found")]
    [InlineData(12080, "cuBLAS is not installed: libabsentLt.so.12 not found")]
    [InlineData(11040, "the driver serves CUDA 11, and the engine knows cuBLAS from CUDA 12 on")]
    public void Cublas_is_looked_for_up_to_the_version_that_the_driver_serves(int version, string missing)
    {
        CudaInfo info = CudaProbe.Ask(new StubDriver { Version = version }, [Absent13, Absent12]);
        Assert.Equal(missing, info.Missing);
        Assert.Equal(new Version(version / 1000, version % 1000 / 10), info.DriverVersion);
        Assert.Null(info.CublasLibrary);
        Assert.Equal("stub GPU 0", Assert.Single(info.Devices).Name);
    }

    [Fact]
    public void Cublas_without_the_core_is_told_by_the_file_that_is_missing()
    {
        CudaInfo lacksBlas = CudaProbe.Ask(new StubDriver(), [Absent13 with { BlasLt = OtherLibrary }]);
        Assert.Equal("cuBLAS is not installed: libabsent.so.13 not found", lacksBlas.Missing);
        CudaInfo lacksCore = CudaProbe.Ask(new StubDriver(), [Absent13 with { Blas = OtherLibrary }]);
        Assert.Equal("cuBLAS is not installed: libabsentLt.so.13 not found", lacksCore.Missing);
    }

    [Fact]
    public void Where_all_is_there_nothing_is_missing()
    {
        CudaInfo info = CudaProbe.Ask(new StubDriver { Devices = 2 }, [Absent13, new(12, OtherLibrary, OtherLibrary)]);
        Assert.Null(info.Missing);
        Assert.Equal(OtherLibrary, info.CublasLibrary);
        Assert.Equal([0, 1], info.Devices.Select(static device => device.Number));
    }

    // On a machine with a GPU this is the real thing; on any other it shows that looking is harmless.
    [Fact]
    public void This_machine_is_described_without_an_exception()
    {
        CudaInfo info = CudaInfo.Find();
        if (info.Devices.Count == 0) Assert.NotNull(info.Missing);
        else Assert.NotNull(info.DriverVersion);
        Assert.All(info.Devices, static device => Assert.True(device.MemoryBytes > 0 && device.Name.Length > 0));
        Assert.DoesNotContain('\n', info.Missing ?? "");
    }
}
