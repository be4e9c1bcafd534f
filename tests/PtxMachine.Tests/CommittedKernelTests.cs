// Every kernel that the engine ships decodes here: an opcode, a width or a version that the machine does not know is found
// before a backend runs it. And it is what the compiler makes of its source, where that compiler is installed.
using System.ComponentModel;
using System.Diagnostics;
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class CommittedKernelTests
{
    [Fact]
    public void All_committed_kernels_decode()
    {
        string[] files = Committed();
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            using PtxProgram program = PtxProgram.Load(File.ReadAllText(file), new DeviceMemory());
            Assert.True(program.Kernels.Count > 0);
        }
    }

    // With the threads of a block named, a compiler gives no thread more registers than there are for such a block.
    [Fact]
    public void All_committed_kernels_name_the_threads_of_a_block()
    {
        foreach (string file in Committed())
        {
            using PtxProgram program = PtxProgram.Load(File.ReadAllText(file), new DeviceMemory());
            Assert.All(program.Kernels.Values, static kernel => Assert.True(kernel.MaxThreads > 0, $"{kernel.Name} has no .maxntid"));
        }
    }

    [Fact]
    public void All_committed_kernels_are_what_the_compiler_makes_of_their_sources()
    {
        string[] files = Committed();
        string? version = Run("clang-19", ["--version"], null);
        string wanted = File.ReadLines(files[0]).First().Split(' ')[2];   // "// clang 19.1.7 -x cuda ..."
        Assert.SkipUnless(version?.Contains($"version {wanted}", StringComparison.Ordinal) == true, $"clang {wanted} is not installed.");
        string directory = Directory.CreateTempSubdirectory("engine-ptx-").FullName;
        try
        {
            Assert.NotNull(Run("bash", [Path.Combine(Native(), "compile.sh")], directory));
            Assert.Equal(
                files.Select(Path.GetFileName), Directory.GetFiles(directory).Order(StringComparer.Ordinal).Select(Path.GetFileName));
            foreach (string file in files)
                Assert.Equal(File.ReadAllText(file), File.ReadAllText(Path.Combine(directory, Path.GetFileName(file))));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string[] Committed() =>
        [.. Directory.GetFiles(Path.Combine(Native(), "ptx"), "*.ptx").Order(StringComparer.Ordinal)];

    private static string Native()
    {
        string? root = AppContext.BaseDirectory;
        while (root != null && !File.Exists(Path.Combine(root, "Engine.sln"))) root = Path.GetDirectoryName(root);
        Assert.NotNull(root);
        return Path.Combine(root, "native");
    }

    // What a program prints; null: there is none of that name.
    private static string? Run(string program, string[] arguments, string? ptx)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true };
        if (ptx is not null) start.Environment["PTX"] = ptx;
        try
        {
            using Process process = Process.Start(start)!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
            return output;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
