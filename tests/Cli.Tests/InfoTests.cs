// The report on the machine runs everywhere.
using System.Runtime.Intrinsics.X86;
using Engine.Cli;
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
            "machine code", "backend cpu", "backend cuda", "backend auto", "backend here", "model",
        ];
        Assert.Equal(names.Order(), lines.Keys.Order());
        Assert.All(lines.Values, value => Assert.NotEmpty(value.Trim()));
        Assert.StartsWith("cpu, ", lines["cpu backend"], StringComparison.Ordinal);
        Assert.Equal("none was found", lines["model"]);
        if (X86Base.IsSupported) Assert.Matches("^L1[di]? [0-9]+.*, L2 [0-9]+", lines["caches"]);
    }

    [Fact]
    public async Task Info_tells_that_machine_code_is_switched_off()
    {
        using var shell = new TestShell();
        Directory.Delete(Path.Combine(shell.Directory, "models"), recursive: true);
        shell.Variables["ENGINE_MACHINE_CODE"] = "OFF";
        Assert.Equal(0, await shell.RunAsync("info"));
        Assert.Single(shell.OutputLines, line => line.StartsWith("machine code       none, it is ", StringComparison.Ordinal));
    }

    // Leaf 4 of an Intel server; the older leaves of an AMD server whose hypervisor leaves both tables empty; AMD's table.
    [Fact]
    public void Caches_are_read_from_the_leaves_that_a_processor_has()
    {
        Assert.Equal(["L1d 48 KiB", "L1i 32 KiB", "L2 2 MiB", "L3 105 MiB"], ProcessorCaches.FromProcessor(Leaves(
            (0, 0, 0x20, 0, 0, 0), (0x80000000, 0, unchecked((int)0x80000008), 0, 0, 0),
            (4, 0, 0x21, 0x02C0003F, 63, 0), (4, 1, 0x22, 0x01C0003F, 63, 0), (4, 2, 0x43, 0x03C0003F, 2047, 0),
            (4, 3, 0x63, 0x0380003F, 114687, 0))));
        Assert.Equal(["L1d 48 KiB", "L1i 32 KiB", "L2 1 MiB", "L3 508 MiB"], ProcessorCaches.FromProcessor(Leaves(
            (0, 0, 0xD, 0, 0, 0), (0x80000000, 0, unchecked((int)0x80000021), 0, 0, 0),
            (0x80000005, 0, 0, 0, 0x300C0140, 0x20080140), (0x80000006, 0, 0, 0, 0x04006140, 0x0FE09140))));
        Assert.Equal(["L1d 32 KiB"], ProcessorCaches.FromProcessor(Leaves(
            (0, 0, 0x10, 0, 0, 0), (0x80000000, 0, unchecked((int)0x80000021), 0, 0, 0),
            (0x8000001D, 0, 0x21, 0x01C0003F, 63, 0), (0x80000005, 0, 0, 0, 0x40080140, 0))));
        Assert.Empty(ProcessorCaches.FromProcessor(Leaves()));
    }

    private static CpuId Leaves(params (uint Leaf, int Index, int Eax, int Ebx, int Ecx, int Edx)[] known) => (leaf, index) =>
    {
        (_, _, int eax, int ebx, int ecx, int edx) = known.FirstOrDefault(row => row.Leaf == (uint)leaf && row.Index == index);
        return (eax, ebx, ecx, edx);
    };

    [Fact]
    public async Task A_model_that_was_named_must_be_there()
    {
        using var shell = new TestShell();
        Assert.Equal(1, await shell.RunAsync("info", "--model", "missing"));
        Assert.Contains("which is no directory", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }
}
