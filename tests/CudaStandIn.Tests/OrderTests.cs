// Streams that use each other's memory: with an event or a wait between all is well in every order; without, each order is told of.
using System.Runtime.InteropServices;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class OrderTests : DeviceTests
{
    private const int Count = 300;

    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, Count)];

    public static TheoryData<string, string> Uses
    {
        get
        {
            string[] all = ["kernel", "product", "copy", "fill", "graph", "upload"];
            var data = new TheoryData<string, string>();
            foreach (string first in all) foreach (string then in all) data.Add(first, then);
            return data;
        }
    }

    [Theory, MemberData(nameof(Uses))]
    public void What_another_stream_wrote_is_waited_for(string first, string then)
    {
        foreach (bool waits in new[] { true, false })
        {
            for (int seed = 0; seed < 4; seed++)
            {
                Scene scene = Scene.Open(seed);
                scene.Write(first, scene.First);
                Driver.Good("cuEventRecord", scene.Marker, scene.First);
                if (waits) Driver.Good("cuStreamWaitEvent", scene.Second, scene.Marker, 0);
                scene.Write(then, scene.Second);
                Assert.Equal(waits ? 0 : 719, Driver.Call("cuCtxSynchronize"));
                if (waits) Assert.Equal("", Driver.Report());
                else Assert.Contains("missing wait: work ", Driver.Report());
            }
        }
    }

    [Theory, InlineData("stream"), InlineData("event"), InlineData("context"), InlineData("query"), InlineData("download"), InlineData("free")]
    public void What_the_host_waited_for_is_done_for_all(string wait)
    {
        Scene scene = Scene.Open(0);
        nint other = Driver.Made("cuMemAlloc_v2", 16);
        scene.Write("fill", scene.First);
        Driver.Good("cuEventRecord", scene.Marker, scene.First);
        switch (wait)
        {
            case "stream": Driver.Good("cuStreamSynchronize", scene.First); break;
            case "event": Driver.Good("cuEventSynchronize", scene.Marker); break;
            case "context": Driver.Good("cuCtxSynchronize"); break;
            case "download": Driver.Download(scene.X, 1, scene.First); break;
            case "free": Driver.Good("cuMemFree_v2", other); break;
            default:
                while (Driver.Call("cuEventQuery", scene.Marker) == 600) { }
                break;
        }

        scene.Write("kernel", scene.Second);
        Driver.Good("cuCtxSynchronize");
        Assert.Equal("", Driver.Report());
    }

    [Fact]
    public void An_event_stands_for_what_was_before_it_also_through_a_third_stream()
    {
        foreach (bool late in new[] { false, true })
        {
            Scene scene = Scene.Open(0);
            nint third = Driver.Made("cuStreamCreate", 1), next = Driver.Made("cuEventCreate", 2);
            scene.Write("fill", scene.First);
            Driver.Good("cuEventRecord", scene.Marker, scene.First);
            if (late) scene.Write("fill", scene.First);     // behind the event
            Driver.Good("cuStreamWaitEvent", third, scene.Marker, 0);
            Driver.Good("cuEventRecord", next, third);
            Driver.Good("cuStreamWaitEvent", scene.Second, next, 0);
            scene.Write("kernel", scene.Second);
            Assert.Equal(late ? 719 : 0, Driver.Call("cuCtxSynchronize"));
            Assert.Equal(late, Driver.Report().Contains("missing wait", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Streams_that_use_parts_of_their_own_need_not_wait()
    {
        Scene scene = Scene.Open(1);
        Driver.Good("cuMemsetD8Async", scene.X, 0, 40, scene.First);
        Driver.Good("cuMemsetD8Async", scene.X + 40, 1, 40, scene.Second);
        Driver.Good("cuMemcpyDtoDAsync_v2", scene.Y, scene.X, 40, scene.First);
        Driver.Good("cuMemcpyDtoDAsync_v2", scene.Y + 40, scene.X + 40, 40, scene.Second);
        Driver.Good("cuCtxSynchronize");
        Assert.Equal("", Driver.Report());
    }

    [Fact]
    public void A_stream_that_takes_the_number_of_one_that_is_gone_begins_behind_it()
    {
        Scene scene = Scene.Open(0);
        for (int i = 0; i < 600; i++)
        {
            nint stream = Driver.Made("cuStreamCreate", 1);
            Driver.Good("cuMemsetD8Async", scene.X, 0, 40, stream);
            Driver.Good("cuStreamDestroy_v2", stream);
        }

        scene.Write("fill", scene.Second);
        Driver.Good("cuCtxSynchronize");
        Assert.Equal("", Driver.Report());
    }

    /// <summary>Two streams, and vectors x of ones and y, which both streams may use from the start.</summary>
    private sealed record Scene(nint First, nint Second, nint Marker, nint Add, nint Blas, nint X, nint Y, nint Exec)
    {
        public static Scene Open(int seed)
        {
            Driver.Start();
            Driver.Arm("seed", seed);
            nint first = Driver.Made("cuStreamCreate", 1), second = Driver.Made("cuStreamCreate", 1);
            nint add = Driver.Function(Driver.Load(Driver.Kernels), "add"), x = Driver.Upload(Ones, first), y = Driver.Upload(Ones, first);
            Assert.Equal(0, Driver.Add(add, y, x, Count, first));
            Driver.Good("cuStreamSynchronize", first);
            Driver.Good("cuStreamBeginCapture_v2", first, 1);
            Assert.Equal(0, Driver.Add(add, y, x, Count, first));
            nint graph = 0;
            Driver.Good("cuStreamEndCapture", first, (nint)(&graph));
            return new Scene(
                first, second, Driver.Made("cuEventCreate", 2), add, Driver.Made("cublasCreate_v2"), x, y,
                Driver.Made("cuGraphInstantiateWithFlags", graph, 0));
        }

        /// <summary>Writes x in a stream, in one of several ways.</summary>
        public void Write(string how, nint stream)
        {
            switch (how)
            {
                case "kernel": Assert.Equal(0, Driver.Add(Add, Y, X, Count, stream)); break;
                case "copy": Driver.Good("cuMemcpyDtoDAsync_v2", X, Y, 4 * Count, stream); break;
                case "fill": Driver.Good("cuMemsetD32Async", X, 0, Count, stream); break;
                case "graph": Driver.Good("cuGraphLaunch", Exec, stream); break;
                case "upload":
                    fixed (float* ones = Ones) Driver.Good("cuMemcpyHtoDAsync_v2", X, (nint)ones, 4 * Count, stream);
                    break;
                default:
                    // x = y yᵀ, 10 by 10.
                    float one = 1, zero = 0;
                    Driver.Good("cublasSetStream_v2", Blas, stream);
                    var gemm = (delegate* unmanaged[Cdecl]<
                        nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)
                        NativeLibrary.GetExport(Driver.Library, "cublasGemmEx");
                    Assert.Equal(0, gemm(Blas, 0, 1, 10, 10, 10, &one, Y, 0, 10, Y, 0, 10, &zero, X, 0, 10, 68, -1));
                    break;
            }
        }
    }
}
