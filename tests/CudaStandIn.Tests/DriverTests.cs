// The driver's rules, each with a call that keeps it and one that breaks it.
using System.Runtime.InteropServices;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class DriverTests : DeviceTests
{
    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, 1000)];
    private static readonly float[] Numbers = [.. Enumerable.Range(0, 1000).Select(i => (float)i)];

    [Fact]
    public void A_sum_of_vectors_goes_there_and_back()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), module = Driver.Load(Driver.Kernels), add = Driver.Function(module, "add");
        nint x = Driver.Upload(Ones, stream), y = Driver.Upload(Numbers, stream);
        Assert.Equal(0, Driver.Add(add, x, y, 1000, stream));
        Assert.Equal(Numbers.Select(n => n + 1), Driver.Download(y, 1000, stream));
        Driver.Good("cuMemFree_v2", x);
        Driver.Good("cuMemFree_v2", y);
        Driver.Good("cuModuleUnload", module);
        Driver.Good("cuStreamDestroy_v2", stream);
        Driver.Good("cuDevicePrimaryCtxRelease_v2", 0);
        Assert.Equal(0, Driver.Count("leaks"));
        Assert.Equal(1, Driver.Count("launches"));
        Assert.Equal("", Driver.Report());
    }

    [Fact]
    public void What_is_left_is_a_leak()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1);
        Driver.Upload(Ones, stream);
        Driver.Good("cuDevicePrimaryCtxRelease_v2", 0);
        Assert.Equal(2, Driver.Count("leaks"));
        Assert.Contains("leak: allocation 1 of 4,000 bytes", Driver.Report());
    }

    [Fact]
    public void A_fault_surfaces_at_the_wait_and_stays()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), add = Driver.Function(Driver.Load(Driver.Kernels), "add");
        nint x = Driver.Upload(Ones, stream), y = Driver.Upload(Numbers, stream);
        Assert.Equal(0, Driver.Add(add, x, y, 1001, stream));
        Assert.Equal(700, Driver.Call("cuStreamSynchronize", stream));
        Assert.Equal(700, Driver.Call("cuMemFree_v2", x));
        Assert.Contains("kernel add, block (7, 0, 0), thread (104, 0, 0), line ", Driver.Report());
    }

    [Fact]
    public void A_thread_without_a_context()
    {
        Driver.Start();
        int code = 0;
        var thread = new Thread(() => code = Driver.Call("cuCtxSynchronize"));
        thread.Start();
        thread.Join();
        Assert.Equal(201, code);
        Assert.Equal(0, Driver.Call("cuCtxSynchronize"));
        Assert.Contains("this host thread has no current context", Driver.Report());
    }

    [Fact]
    public void Calls_before_their_time_and_wrong_handles()
    {
        Driver.Arm("reset", 0);
        nint pointer = 0;
        Assert.Equal(3, Driver.Call("cuDeviceGetCount", (nint)(&pointer)));
        Assert.Equal("cuDeviceGetCount: cuInit was not called", Driver.Report());
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1);
        Driver.Good("cuStreamDestroy_v2", stream);
        Assert.Equal(400, Driver.Call("cuStreamSynchronize", stream));
        Assert.Contains("a Stream that was destroyed", Driver.Report());
        Assert.False(NativeLibrary.TryGetExport(Driver.Library, "cuMemAlloc", out _));
    }

    [Fact]
    public void Memory_is_freed_once()
    {
        Driver.Start();
        nint pointer = Driver.Made("cuMemAlloc_v2", 64);
        Assert.Equal(1, Driver.Call("cuMemFree_v2", pointer + 4));
        Driver.Good("cuMemFree_v2", pointer);
        Assert.Equal(1, Driver.Call("cuMemFree_v2", pointer));
        Assert.Contains("double free", Driver.Report());
        Assert.Equal(1, Driver.Call("cuMemsetD8Async", pointer, 0, 64, 0));
        Assert.Contains("use after free", Driver.Report());
    }

    [Fact]
    public void Faults_on_demand()
    {
        Driver.Start();
        nint pointer = 0;
        Driver.Arm("fail_alloc", 2);
        Driver.Made("cuMemAlloc_v2", 16);
        Assert.Equal(2, Driver.Call("cuMemAlloc_v2", (nint)(&pointer), 16));
        Driver.Made("cuMemAlloc_v2", 16);
        Driver.Arm("memory", 100);
        Assert.Equal(2, Driver.Call("cuMemAlloc_v2", (nint)(&pointer), 100));
        Driver.Arm("driver_version", 10020);
        Assert.Equal(222, LoadCode(Driver.Kernels));
        Driver.Arm("driver_version", 13000);
        Driver.Arm("capability", 75);
        Assert.Equal(209, LoadCode(Driver.Kernels));
        Driver.Arm("capability", 80);
        Assert.Equal(218, LoadCode(Driver.Kernels.Replace("add.rn.f32", "add.rx.f32", StringComparison.Ordinal)));
        Driver.Arm("jit_error", 1);
        Assert.Equal(218, LoadCode(Driver.Kernels));
        Assert.Equal(0, LoadCode(Driver.Kernels));
        Driver.Arm("lost_device", 1);
        Assert.Equal(719, Driver.Call("cuCtxSynchronize"));
        Assert.Equal(719, Driver.Call("cuCtxSynchronize"));
        Assert.Contains("the device was told to be lost", Driver.Report());
        Driver.Arm("reset", 0);
        Driver.Arm("devices", 0);
        Assert.Equal(100, Driver.Call("cuInit", 0));
    }

    [Fact]
    public void Pinned_memory_is_read_late_and_pageable_memory_at_once()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), pinned = Driver.Made("cuMemHostAlloc", 4, 0), target = Driver.Made("cuMemAlloc_v2", 8);
        float pageable = 1;
        *(float*)pinned = 1;
        Driver.Good("cuMemcpyHtoDAsync_v2", target, pinned, 4, stream);
        Driver.Good("cuMemcpyHtoDAsync_v2", target + 4, (nint)(&pageable), 4, stream);
        *(float*)pinned = pageable = 2;
        Assert.Equal([2f, 1f], Driver.Download(target, 2, stream));
    }

    [Fact]
    public void A_wait_for_an_event_orders_two_streams()
    {
        for (int seed = 0; seed < 20; seed++) Assert.Equal(2f, TwoStreams(seed));
    }

    [Fact]
    public void A_graph_runs_what_was_captured()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), add = Driver.Function(Driver.Load(Driver.Kernels), "add");
        nint x = Driver.Upload(Ones, stream), y = Driver.Upload(Numbers, stream);
        Assert.Equal(0, Driver.Add(add, x, y, 1000, stream));   // the first use, outside
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Driver.Add(add, x, y, 1000, stream);
        Driver.Add(add, x, y, 1000, stream);
        nint graph = 0, exec = 0, count = 0;
        Driver.Good("cuStreamEndCapture", stream, (nint)(&graph));
        Driver.Good("cuGraphGetNodes", graph, 0, (nint)(&count));
        Assert.Equal(2, count);
        Driver.Good("cuGraphInstantiateWithFlags", (nint)(&exec), graph, 0);
        for (int i = 0; i < 3; i++) Driver.Good("cuGraphLaunch", exec, stream);
        Assert.Equal(Numbers.Select(n => n + 7), Driver.Download(y, 1000, stream));
    }

    [Fact]
    public void What_waits_or_allocates_voids_a_capture()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), graph = 1, pointer = 0;
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Assert.Equal(900, Driver.Call("cuMemAlloc_v2", (nint)(&pointer), 16));
        Assert.Equal(901, Driver.Call("cuStreamEndCapture", stream, (nint)(&graph)));
        Assert.Equal(0, graph);
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Assert.Equal(900, Driver.Call("cuStreamSynchronize", stream));
        Assert.Equal(901, Driver.Call("cuStreamEndCapture", stream, (nint)(&graph)));
        nint add = Driver.Function(Driver.Load(Driver.Kernels), "add"), x = Driver.Upload(Ones, stream);
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Assert.Equal(900, Driver.Add(add, x, x, 10, stream));
        Assert.Contains("the first launch of add is in a capture", Driver.Report());
    }

    [Fact]
    public void Launches_that_are_refused_at_the_call()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), add = Driver.Function(Driver.Load(Driver.Kernels), "add"), x = Driver.Upload(Ones, stream);
        Assert.Equal(1, Driver.Add(add, x, x, 0, stream));
        nint* none = stackalloc nint[3];
        Assert.Equal(1, Driver.Call("cuLaunchKernel", add, 1, 1, 1, 128, 1, 1, 0, stream, (nint)none, 0));
        nint size = 12;
        nint* extra = stackalloc nint[5] { 1, (nint)none, 2, (nint)(&size), 0 };
        Assert.Equal(1, Driver.Call("cuLaunchKernel", add, 1, 1, 1, 128, 1, 1, 0, stream, 0, (nint)extra));
        Assert.Contains("12 bytes of parameters are given to add, 20 are declared", Driver.Report());
    }

    private static float TwoStreams(int seed)
    {
        Driver.Start();
        Driver.Arm("seed", seed);
        nint first = Driver.Made("cuStreamCreate", 1), second = Driver.Made("cuStreamCreate", 1), marker = Driver.Made("cuEventCreate", 2);
        nint y = Driver.Made("cuMemAlloc_v2", 4), z = Driver.Made("cuMemAlloc_v2", 4);
        Driver.Good("cuMemsetD32Async", y, 0x3F800000, 1, first);
        Driver.Good("cuMemsetD32Async", y, 0x40000000, 1, first);
        Driver.Good("cuEventRecord", marker, first);
        Driver.Good("cuStreamWaitEvent", second, marker, 0);
        Driver.Good("cuMemcpyDtoDAsync_v2", z, y, 4, second);
        return Driver.Download(z, 1, second)[0];
    }

    private static int LoadCode(string text)
    {
        nint module = 0;
        fixed (byte* image = System.Text.Encoding.UTF8.GetBytes(text + '\0')) return Driver.Call("cuModuleLoadDataEx", (nint)(&module), (nint)image, 0, 0, 0);
    }
}
