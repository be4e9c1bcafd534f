// The counters of kernels through their export.
using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class ProfileTests : DeviceTests
{
    [Fact]
    public void A_kernel_is_counted_while_it_is_asked_for()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), add = Driver.Function(Driver.Load(Driver.Kernels), "add");
        nint x = Driver.Upload(new float[1000], stream), y = Driver.Upload(new float[1000], stream);
        Assert.Equal(0, Driver.Add(add, x, y, 1000, stream));
        Driver.Good("cuStreamSynchronize", stream);
        Assert.Single(Profile());       // the names only: nobody asked
        Driver.Arm("profile", 1);
        long before = Driver.Count("instructions");
        for (int i = 0; i < 2; i++) Assert.Equal(0, Driver.Add(add, x, y, 1000, stream));
        Driver.Good("cuStreamSynchronize", stream);

        // 31 whole warps and one of eight lanes, each with two loads and a store: 93 × 4 sectors and 3, twice; 3 × 4,000 bytes, twice.
        long instructions = Driver.Count("instructions") - before;
        const string Names = "kernel launches instructions global_accesses global_bytes sectors ideal_sectors shared_accesses bank_conflicts";
        Assert.Equal(Names.Split(' '), Profile()[0]);
        Assert.Equal($"add 2 {instructions} 192 24000 750 750 0 0".Split(' '), Profile()[1]);
        Driver.Arm("profile", 0);
        Assert.Equal(0, Driver.Add(add, x, y, 1000, stream));
        Driver.Good("cuStreamSynchronize", stream);
        Assert.Equal("2", Profile()[1][1]);
        Driver.Arm("clear_profile", 0);
        Assert.Single(Profile());
    }

    [Fact]
    public void A_host_may_ask_what_a_kernel_wants()
    {
        Driver.Start();
        nint add = Driver.Function(Driver.Load(Driver.Kernels), "add");
        var found = new List<(nint Offset, nint Size)>();
        nint offset = 0, size = 0;
        for (int i = 0; Driver.Call("cuFuncGetParamInfo", add, i, (nint)(&offset), (nint)(&size)) == 0; i++) found.Add((offset, size));
        Assert.Equal([(0, 8), (8, 8), (16, 4)], found);
        int registers = 0;
        Driver.Good("cuFuncGetAttribute", (nint)(&registers), 4, add);
        Assert.InRange(registers, 1, 255);
    }

    private static string[][] Profile()
    {
        var copy = (delegate* unmanaged[Cdecl]<byte*, long, long>)NativeLibrary.GetExport(Driver.Library, "standin_profile");
        var buffer = new byte[1 << 16];
        fixed (byte* at = buffer)
        {
            string text = Encoding.UTF8.GetString(buffer, 0, (int)copy(at, buffer.Length));
            return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('\t'))];
        }
    }
}
