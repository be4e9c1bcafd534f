// Every kernel that the engine ships decodes here: an opcode, a width or a version that the machine does not know is found
// before a backend runs it.
using PtxMachine.Memory;
using Xunit;

namespace PtxMachine.Tests;

public sealed class CommittedKernelTests
{
    [Fact]
    public void All_committed_kernels_decode()
    {
        string? root = AppContext.BaseDirectory;
        while (root != null && !File.Exists(Path.Combine(root, "Engine.sln"))) root = Path.GetDirectoryName(root);
        Assert.True(root != null);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root!, "native"), "*.ptx", SearchOption.AllDirectories))
        {
            using PtxProgram program = PtxProgram.Load(File.ReadAllText(file), new DeviceMemory());
            Assert.True(program.Kernels.Count > 0);
        }
    }
}
