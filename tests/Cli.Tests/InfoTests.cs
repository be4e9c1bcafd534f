// The report on the machine runs everywhere.
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Xunit;

namespace Cli.Tests;

public sealed class InfoTests
{
    [Fact]
    public async Task Info_tells_about_the_machine()
    {
        using var shell = new TestShell();
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        Assert.Equal(0, await shell.RunAsync("info"));
        Dictionary<string, string> lines = shell.OutputLines.ToDictionary(line => line[..18].TrimEnd(), line => line[19..]);
        string[] names =
        [
            "engine", "runtime", "system", "processor", "processors", "caches", "memory", "instructions", "cpu backend",
            "backend cpu", "backend cuda", "backend auto", "backend here", "model",
        ];
        Assert.Equal(names.Order(), lines.Keys.Order());
        Assert.All(lines.Values, value => Assert.NotEmpty(value.Trim()));
        Assert.StartsWith("cpu, ", lines["cpu backend"], StringComparison.Ordinal);
        Assert.Equal("none was found", lines["model"]);
        if (X86Base.IsSupported) Assert.Matches("^L1[di]? [0-9]+.*, L2 [0-9]+", lines["caches"]);
        Assert.True(CpuBackend.Provider.IsAvailable(out string reason));
        Assert.Equal(reason, lines["backend cpu"]);
    }

    [Fact]
    public async Task Info_tells_what_there_is_of_CUDA()
    {
        using var shell = new TestShell
        {
            Cuda = new CudaInfo
            {
                DriverLibrary = "libabsent.so.1",
                DriverPath = "/lib/libabsent.so.570.1",
                DriverVersion = new Version(13, 0),
                CublasLibrary = "/opt/libcublas.so.13",
                CublasPath = "/opt/libcublas.so.13",
                CublasVersion = new Version(13, 1, 2),
                Devices =
                [
                    new CudaDevice(0, "GPU A", new Version(9, 0), 141L << 30) { Multiprocessors = 132, FreeMemoryBytes = 140L << 30 },
                    new CudaDevice(1, "GPU B", new Version(8, 6), 24L << 30) { Multiprocessors = 82 },
                ],
            },
        };
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        Assert.Equal(0, await shell.RunAsync("info"));
        Assert.Equal(
            [
                "cuda driver        libabsent.so.1 (/lib/libabsent.so.570.1), serves CUDA 13.0",
                "cuda:0             GPU A, compute capability 9.0, 132 multiprocessors, 141 GiB of memory, free 140 GiB",
                "cuda:1             GPU B, compute capability 8.6, 82 multiprocessors, 24 GiB of memory, free unknown",
                "cuda cublas        /opt/libcublas.so.13, version 13.1.2",
            ],
            shell.OutputLines.Where(static line => line.StartsWith("cuda", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Info_tells_of_a_driver_that_does_not_answer()
    {
        using var shell = new TestShell { Cuda = new CudaInfo { DriverLibrary = "libabsent.so.1", Missing = "cuInit fails" } };
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        Assert.Equal(0, await shell.RunAsync("info"));
        Assert.Equal(
            "cuda driver        libabsent.so.1, does not answer",
            Assert.Single(shell.OutputLines, static line => line.StartsWith("cuda", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_reason_of_the_cpu_backend_tells_whether_there_is_machine_code()
    {
        Assert.True(CpuBackend.Provider.IsAvailable(out string reason));
        const string Machine = " with machine code for (f32|int8|bf16)((, | and )(int8|bf16))*( \\(none for .+\\))?";
        Assert.Matches($"^(avx512({Machine}| \\(no machine code: .+\\))|avx2|portable), [0-9]+ processors?$", reason);
        var log = new List<string>();
        using (BackendSelector.Open("auto", log: log.Add, providers: [CpuBackend.Provider]))
            Assert.Equal($"backend auto: cpu ({reason})", Assert.Single(log));
    }

    [Fact]
    public async Task Info_tells_that_machine_code_is_switched_off()
    {
        using var shell = new TestShell();
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        shell.Variables["ENGINE_MACHINE_CODE"] = "off";
        Assert.Equal(0, await shell.RunAsync("info"));
        string line = Assert.Single(shell.OutputLines, line => line.StartsWith("cpu backend ", StringComparison.Ordinal));
        Assert.EndsWith("; machine code is switched off)", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_was_named_must_be_there()
    {
        using var shell = new TestShell();
        Assert.Equal(1, await shell.RunAsync("info", "--model", "missing"));
        Assert.Contains("which is no directory", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }
}
