// Tests on the stand-in's one device: they run one after another, each leaves it as it was, and what the checks find must be expected.
using Xunit;

[assembly: AssemblyFixture(typeof(CudaStandIn.Tests.NothingIsLeft))]

namespace CudaStandIn.Tests;

/// <summary>A test that finds the device as in a new process; findings that it did not ask for fail it.</summary>
[Collection("The one device")]
public abstract class DeviceTests : IDisposable
{
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Looks at what was found, and leaves a new device.</summary>
    protected virtual void Dispose(bool disposing) => Driver.End();
}

/// <summary>After all tests: no finding, and nothing alive.</summary>
public sealed class NothingIsLeft : IDisposable
{
    private static readonly string[] Words = ["leaks", "allocations", "bytes", "streams", "events", "modules", "graphs", "host", "cublas", "cublaslt"];

    public void Dispose()
    {
        Assert.Equal("", Driver.Report());
        Assert.All(Words, static word => Assert.True(Driver.Count(word) == 0, $"{word}: {Driver.Count(word)}"));
        GC.SuppressFinalize(this);
    }
}
