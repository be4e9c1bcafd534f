// What all tests together must leave behind on the stand-in: no finding of any check, and nothing alive.
using Xunit;

[assembly: AssemblyFixture(typeof(Cuda.Tests.Mutants.NothingIsLeft))]

namespace Cuda.Tests.Mutants;

/// <summary>Looks when all tests have run. A test that provokes findings forgets them itself.</summary>
public sealed class NothingIsLeft : IDisposable
{
    private static readonly string[] Words =
        ["leaks", "allocations", "bytes", "streams", "events", "modules", "graphs", "host", "cublas", "cublaslt"];

    public void Dispose()
    {
        if (StandIn.Missing is { } why) Console.WriteLine($"What the tests left on the device is not looked at: {why}");
        else Check();
        GC.SuppressFinalize(this);
    }

    /// <summary>Throws where a check found something, or something is alive.</summary>
    internal static void Check()
    {
        Assert.Equal("", StandIn.Report());
        Assert.All(Words, static word => Assert.True(StandIn.Count(word) == 0, $"{word}: {StandIn.Count(word)}"));
    }
}
