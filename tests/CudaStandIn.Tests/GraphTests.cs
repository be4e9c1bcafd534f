// The rules of capture and of graphs: what is frozen, what is read at each launch, what voids a capture, what may not be gone.
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class GraphTests : DeviceTests
{
    private const int Count = 300;

    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, Count)];
    private static readonly float[] Zeros = new float[Count];

    [Fact]
    public void Pinned_memory_is_read_at_each_launch_and_parameters_are_frozen()
    {
        Scene scene = Scene.Open();
        nint pinned = Driver.Made("cuMemHostAlloc", 4 * Count, 0), back = Driver.Made("cuMemHostAlloc", 4 * Count, 0);
        Begin(scene.Stream);
        Driver.Good("cuMemcpyHtoDAsync_v2", scene.X, pinned, 4 * Count, scene.Stream);
        Assert.Equal(0, Driver.Add(scene.Add, scene.X, scene.Y, Count, scene.Stream));   // its arguments are gone when it runs
        Driver.Good("cuMemcpyDtoHAsync_v2", back, scene.Y, 4 * Count, scene.Stream);
        nint graph = End(scene.Stream), exec = Instantiate(graph);
        Assert.Equal(3, Nodes(graph));
        Driver.Good("cuGraphDestroy", graph);   // what was made of it stays
        Driver.Good("cuGraphUpload", exec, scene.Stream);
        long launches = Driver.Count("launches");
        float expected = 0;
        foreach (float value in new[] { 1f, 10f, 100f })
        {
            new Span<float>((void*)pinned, Count).Fill(value);
            Driver.Good("cuGraphLaunch", exec, scene.Stream);
            Driver.Good("cuStreamSynchronize", scene.Stream);
            expected += value;
            Assert.All(new ReadOnlySpan<float>((void*)back, Count).ToArray(), found => Assert.Equal(expected, found));
        }

        // Both launches come after the memory was changed.
        Driver.Good("cuGraphLaunch", exec, scene.Stream);
        Driver.Good("cuGraphLaunch", exec, scene.Stream);
        new Span<float>((void*)pinned, Count).Fill(1000);
        Assert.Equal(expected + 2000, Driver.Download(scene.Y, Count, scene.Stream)[Count - 1]);
        Assert.Equal((5, launches + 5), (Driver.Count("graph_launches"), Driver.Count("launches")));
        Assert.Equal("", Driver.Report());
    }

    [Fact]
    public void An_update_takes_new_parameters_but_no_other_shape()
    {
        Scene scene = Scene.Open();
        nint few = Captured(scene, 1, 10), many = Captured(scene, 1, Count), two = Captured(scene, 2, 10), exec = Instantiate(few);
        int* result = stackalloc int[6];
        Driver.Good("cuGraphLaunch", exec, scene.Stream);
        Driver.Good("cuGraphExecUpdate_v2", exec, many, (nint)result);
        Assert.Equal(0, result[0]);
        Driver.Good("cuGraphLaunch", exec, scene.Stream);
        Assert.Equal(910, Driver.Call("cuGraphExecUpdate_v2", exec, two, (nint)result));
        Assert.Equal(2, result[0]);
        Driver.Good("cuGraphLaunch", exec, scene.Stream);   // as it was before the update that was refused
        float[] found = Driver.Download(scene.Y, Count, scene.Stream);
        Assert.Equal((3f, 2f), (found[9], found[10]));
        Driver.Good("cuGraphExecDestroy", exec);
        Assert.Equal(400, Driver.Call("cuGraphLaunch", exec, scene.Stream));
        Driver.Good("cuGraphDestroy", few);
        Assert.Equal(400, Driver.Call("cuGraphDestroy", few));
        Assert.Contains("the graphs differ, reason 2", Driver.Report());
    }

    [Theory, InlineData("device"), InlineData("pinned"), InlineData("module")]
    public void What_a_graph_uses_may_not_be_gone(string what)
    {
        Scene scene = Scene.Open();
        nint pinned = Driver.Made("cuMemHostAlloc", 4 * Count, 0);
        Begin(scene.Stream);
        if (what == "pinned") Driver.Good("cuMemcpyHtoDAsync_v2", scene.X, pinned, 4 * Count, scene.Stream);
        else Assert.Equal(0, Driver.Add(scene.Add, scene.X, scene.Y, Count, scene.Stream));
        nint exec = Instantiate(End(scene.Stream));
        if (what == "device") Driver.Good("cuMemFree_v2", scene.X);
        else if (what == "pinned") Driver.Good("cuMemFreeHost", pinned);
        else Driver.Good("cuModuleUnload", scene.Module);
        Driver.Good("cuGraphLaunch", exec, scene.Stream);
        Assert.Equal(700, Driver.Call("cuStreamSynchronize", scene.Stream));
        Assert.Contains("use after free", Driver.Report());
    }

    [Fact]
    public void Streams_that_take_part_must_come_back()
    {
        Scene scene = Scene.Open();
        nint other = Driver.Made("cuStreamCreate", 1), fork = Driver.Made("cuEventCreate", 2), join = Driver.Made("cuEventCreate", 2);
        foreach (bool late in new[] { false, true })
        {
            Begin(scene.Stream);
            Driver.Good("cuEventRecord", fork, scene.Stream);
            Driver.Good("cuStreamWaitEvent", other, fork, 0);
            Assert.Equal(1, Status(other));
            Assert.Equal(0, Driver.Add(scene.Add, scene.X, scene.Y, Count, other));
            Driver.Good("cuEventRecord", join, other);
            if (late) Assert.Equal(0, Driver.Add(scene.Add, scene.X, scene.Y, Count, other));   // behind the event
            Driver.Good("cuStreamWaitEvent", scene.Stream, join, 0);
            nint graph = 0;
            Assert.Equal(late ? 904 : 0, Driver.Call("cuStreamEndCapture", scene.Stream, (nint)(&graph)));
            Assert.Equal((0, 0), (Status(scene.Stream), Status(other)));
            if (!late) Driver.Good("cuGraphLaunch", Instantiate(graph), scene.Stream);
        }

        Assert.Equal(Ones, Driver.Download(scene.Y, Count, scene.Stream));
        Assert.Equal(907, Driver.Call("cuStreamWaitEvent", scene.Stream, join, 0));    // the capture has ended
        Driver.Good("cuEventRecord", join, scene.Stream);
        Driver.Good("cuStreamWaitEvent", other, join, 0);
        Assert.Contains("1 streams of the capture were not joined", Driver.Report());
    }

    [Fact]
    public void A_capture_waits_for_no_event_from_outside()
    {
        Scene scene = Scene.Open();
        nint before = Driver.Made("cuEventCreate", 2);
        Driver.Good("cuEventRecord", before, scene.Stream);
        Begin(scene.Stream);
        Assert.Equal(903, Driver.Call("cuStreamWaitEvent", scene.Stream, before, 0));
        AssertVoid(scene.Stream);
        Assert.Contains("a capture waits for an event from outside", Driver.Report());
    }

    [Fact]
    public void Calls_that_void_a_capture()
    {
        Scene scene = Scene.Open();
        nint handle = Driver.Made("cublasCreate_v2"), marker = Driver.Made("cuEventCreate", 2), pinned = Driver.Made("cuMemHostAlloc", 4, 0);
        nint made = 0;
        float number = 0;
        Voids(900, "cuMemAlloc_v2", (nint)(&made), 16);
        Voids(900, "cuMemFree_v2", scene.X);
        Voids(900, "cuMemHostAlloc", (nint)(&made), 16, 0);
        Voids(900, "cuMemFreeHost", pinned);
        Voids(900, "cuStreamSynchronize", scene.Stream);
        Voids(900, "cuStreamQuery", scene.Stream);
        Voids(900, "cuCtxSynchronize");
        Voids(900, "cuEventSynchronize", marker);
        Voids(900, "cuEventQuery", marker);
        Voids(900, "cuModuleUnload", scene.Module);
        Voids(900, "cuMemcpyHtoDAsync_v2", scene.X, (nint)(&number), 4, scene.Stream);
        Voids(900, "cuMemcpyDtoHAsync_v2", (nint)(&number), scene.X, 4, scene.Stream);
        Voids(906, "cuMemsetD8Async", scene.X, 0, 4, 0);
        Voids(7, "cublasDestroy_v2", handle);
        Begin(scene.Stream);
        Driver.Good("cuEventRecord", marker, scene.Stream);
        Assert.Equal(907, Driver.Call("cuEventSynchronize", marker));
        AssertVoid(scene.Stream);
        Begin(scene.Stream);
        Assert.Equal(1, Driver.Call("cuStreamBeginCapture_v2", scene.Stream, 1));   // it captures already, and goes on
        End(scene.Stream);
        Assert.Contains("cuMemAlloc_v2 during a capture", Driver.Report());

        void Voids(int code, string name, params ReadOnlySpan<nint> arguments)
        {
            Begin(scene.Stream);
            Assert.Equal(code, Driver.Call(name, arguments));
            Assert.Equal(901, Driver.Add(scene.Add, scene.X, scene.Y, Count, scene.Stream));
            AssertVoid(scene.Stream);
        }
    }

    [Fact]
    public void Only_captures_of_all_threads_forbid_calls_of_another()
    {
        Scene scene = Scene.Open();
        nint context = Driver.Made("cuCtxGetCurrent");
        foreach ((int mode, int code) in new[] { (0, 900), (1, 0), (2, 0) })
        {
            Driver.Good("cuStreamBeginCapture_v2", scene.Stream, mode);
            int found = -1, ended = -1;
            nint graph = 0;
            nint* place = &graph;
            var thread = new Thread(() =>
            {
                Driver.Good("cuCtxSetCurrent", context);
                nint made = 0;
                found = Driver.Call("cuMemAlloc_v2", (nint)(&made), 16);
                ended = Driver.Call("cuStreamEndCapture", scene.Stream, (nint)place);
            });
            thread.Start();
            thread.Join();
            Assert.Equal(code, found);
            Assert.Equal(mode == 2 ? 0 : 908, ended);
            if (mode != 2) Assert.Equal(mode == 0 ? 901 : 0, Driver.Call("cuStreamEndCapture", scene.Stream, (nint)place));
        }

        Assert.Contains("a capture ends in another host thread than it began", Driver.Report());
    }

    private static nint Captured(Scene scene, int launches, int count)
    {
        Begin(scene.Stream);
        for (int i = 0; i < launches; i++) Assert.Equal(0, Driver.Add(scene.Add, scene.X, scene.Y, count, scene.Stream, blocks: 3));
        return End(scene.Stream);
    }

    private static void Begin(nint stream) => Driver.Good("cuStreamBeginCapture_v2", stream, 1);

    private static nint End(nint stream)
    {
        nint graph = 0;
        Driver.Good("cuStreamEndCapture", stream, (nint)(&graph));
        return graph;
    }

    private static nint Instantiate(nint graph) => Driver.Made("cuGraphInstantiateWithFlags", graph, 0);

    private static long Nodes(nint graph)
    {
        nint count = 0;
        Driver.Good("cuGraphGetNodes", graph, 0, (nint)(&count));
        nint* nodes = stackalloc nint[(int)count];
        Driver.Good("cuGraphGetNodes", graph, (nint)nodes, (nint)(&count));
        return count;
    }

    private static int Status(nint stream)
    {
        int status = -1;
        Driver.Good("cuStreamIsCapturing", stream, (nint)(&status));
        return status;
    }

    private static void AssertVoid(nint stream)
    {
        Assert.Equal(2, Status(stream));
        nint graph = 1;
        Assert.Equal(901, Driver.Call("cuStreamEndCapture", stream, (nint)(&graph)));
        Assert.Equal((0, 0), (graph, Status(stream)));
    }

    /// <summary>A device with a kernel that was used once, and two vectors: x of ones and y of zeros.</summary>
    private sealed record Scene(nint Stream, nint Module, nint Add, nint X, nint Y)
    {
        public static Scene Open()
        {
            Driver.Start();
            nint stream = Driver.Made("cuStreamCreate", 1), module = Driver.Load(Driver.Kernels), add = Driver.Function(module, "add");
            nint x = Driver.Upload(Ones, stream), y = Driver.Upload(Zeros, stream);
            Assert.Equal(0, Driver.Add(add, y, y, 1, stream));   // 0 + 0
            Driver.Good("cuStreamSynchronize", stream);
            return new Scene(stream, module, add, x, y);
        }
    }
}
