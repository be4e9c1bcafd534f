// The CPU backend on every rung, also those that this machine has no hardware for, and on one and several threads.
// Where an operator is compared with its definition, its bits are compared with those of the portable rung on one
// thread.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Tests;

public sealed class PortableConformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(Rung.Portable, threads: 1);
}

public sealed class CpuConformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(new BackendOptions { Threads = 1 });

    protected override IBackend CreateTwin() => new CpuBackend(Rung.Portable, threads: 1);
}

public sealed class CpuThreadsConformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(new BackendOptions { Threads = 2 });

    protected override IBackend CreateTwin() => new CpuBackend(Rung.Portable, threads: 1);
}

public sealed class Avx2Conformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(Rung.Avx2, threads: 3);

    protected override IBackend CreateTwin() => new CpuBackend(Rung.Portable, threads: 1);
}

public sealed class NoMachineCodeConformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(Rung.Avx512, threads: 2, machineCode: false);

    protected override IBackend CreateTwin() => new CpuBackend(Rung.Portable, threads: 1);
}

public sealed class Avx512Conformance : BackendConformance
{
    protected override IBackend Create() => new CpuBackend(Rung.Avx512, threads: 1);

    protected override IBackend CreateTwin() => new CpuBackend(Rung.Portable, threads: 1);
}
