// What the benchmarks of kernels share: a backend of their own for each case.
using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using Engine.Backends;
using Engine.Cpu;

namespace Engine.Perf.Micro.Cpu;

[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet calls Cleanup.")]
public abstract class CpuBench
{
    private CpuBackend? _backend;

    /// <summary>The backend, once a case is set up.</summary>
    protected CpuBackend Backend => _backend ?? throw new InvalidOperationException("The case is not set up.");

    [GlobalCleanup]
    public virtual void Cleanup() => _backend?.Dispose();

    /// <summary>Makes the backend of a case.</summary>
    protected void Open(int threads) => _backend = new CpuBackend(new BackendOptions { Threads = threads });
}
