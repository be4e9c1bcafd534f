// Memory of the device and pinned memory of the host; copies and fills, which a stream does in its own time.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace CudaStandIn;

internal static unsafe class DriverMemory
{
    [UnmanagedCallersOnly(EntryPoint = "cuMemGetInfo_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetInfo(nuint* free, nuint* total) => Machine.InContext("cuMemGetInfo_v2", () =>
    {
        *total = (nuint)Machine.Memory.Capacity;
        *free = (nuint)(Machine.Memory.Capacity - Machine.Memory.Used);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemAlloc_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Allocate(ulong* pointer, nuint bytes) => Machine.InContext("cuMemAlloc_v2", () =>
    {
        DriverGraphs.Unsafe("cuMemAlloc_v2");
        if (pointer == null || bytes == 0) return Code.InvalidValue;
        if (Machine.Settings.FailsAllocation()) throw new StandInException(Code.OutOfMemory, "this allocation was told to fail");
        Allocation? allocation = Machine.Memory.TryAllocate(bytes);
        if (allocation == null)
            throw new StandInException(Code.OutOfMemory, $"{bytes:N0} bytes are asked for, {Machine.Memory.Capacity - Machine.Memory.Used:N0} are free");
        *pointer = allocation.Start;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemFree_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Free(ulong pointer) => Machine.InContext("cuMemFree_v2", () =>
    {
        DriverGraphs.Unsafe("cuMemFree_v2");
        if (pointer == 0) return Code.Success;
        Allocation? allocation = Machine.Memory.Find(pointer);
        if (allocation == null || allocation.Start != pointer)
            throw new StandInException(Code.InvalidValue, $"free of what is no allocation: {Machine.Memory.Describe(pointer)}");
        if (!allocation.IsAlive) throw new StandInException(Code.InvalidValue, $"double free of {allocation}");
        Machine.Scheduler.FinishAll();
        Machine.Memory.Free(allocation);
        return Machine.Sticky;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemHostAlloc", CallConvs = [typeof(CallConvCdecl)])]
    public static int HostAllocate(nint* pointer, nuint bytes, uint flags) => Machine.InContext("cuMemHostAlloc", () =>
    {
        DriverGraphs.Unsafe("cuMemHostAlloc");
        if (pointer == null || bytes == 0 || flags > 7) return Code.InvalidValue;
        if (Machine.Settings.FailsAllocation()) throw new StandInException(Code.OutOfMemory, "this allocation was told to fail");
        *pointer = Machine.Handles.AllocateHost(bytes);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemFreeHost", CallConvs = [typeof(CallConvCdecl)])]
    public static int FreeHost(nint pointer) => Machine.InContext("cuMemFreeHost", () =>
    {
        DriverGraphs.Unsafe("cuMemFreeHost");
        Machine.Scheduler.FinishAll();
        Machine.Handles.FreeHost(pointer);
        return Machine.Sticky;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyHtoDAsync_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int HostToDevice(ulong target, nint source, nuint bytes, nint stream) =>
        Machine.InContext("cuMemcpyHtoDAsync_v2", () =>
        {
            Stream queue = DriverStreams.Get(stream, "cuMemcpyHtoDAsync_v2");
            if (bytes == 0) return Code.Success;
            Range(target, bytes);
            Machine.Counters.Copies++;
            // Pinned memory is read when the stream comes to it; pageable memory is staged now.
            bool late = Machine.Handles.IsPinned(source, (long)bytes);
            if (!late) RefusePageable(queue, "cuMemcpyHtoDAsync_v2");
            byte[]? staged = late ? null : new ReadOnlySpan<byte>((void*)source, checked((int)bytes)).ToArray();
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyHtoDAsync_v2", order =>
            {
                if (late) CheckPinned(source, bytes);
                Allocation to = Range(target, bytes);
                ulong offset = target - to.Start;
                Use(order, to, offset, bytes, write: true);
                if (staged != null) staged.CopyTo(new Span<byte>(to.Host + offset, staged.Length));
                else Buffer.MemoryCopy((void*)source, to.Host + offset, bytes, bytes);
                to.MarkWritten(offset, bytes);
            }));
            return Code.Success;
        });

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoHAsync_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int DeviceToHost(nint target, ulong source, nuint bytes, nint stream) =>
        Machine.InContext("cuMemcpyDtoHAsync_v2", () =>
        {
            Stream queue = DriverStreams.Get(stream, "cuMemcpyDtoHAsync_v2");
            if (bytes == 0) return Code.Success;
            Range(source, bytes);
            Machine.Counters.Copies++;
            bool late = Machine.Handles.IsPinned(target, (long)bytes);
            if (!late) RefusePageable(queue, "cuMemcpyDtoHAsync_v2");
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyDtoHAsync_v2", order =>
            {
                if (late) CheckPinned(target, bytes);
                Allocation from = Range(source, bytes);
                Use(order, from, source - from.Start, bytes, write: false);
                ReadOut(from, source - from.Start, (byte*)target, bytes);
            }));
            // Into pageable memory the copy is complete when the call returns.
            if (late) return Code.Success;
            Machine.Scheduler.Finish(queue);
            return Machine.Sticky;
        });

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoDAsync_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int DeviceToDevice(ulong target, ulong source, nuint bytes, nint stream) =>
        Machine.InContext("cuMemcpyDtoDAsync_v2", () =>
        {
            Stream queue = DriverStreams.Get(stream, "cuMemcpyDtoDAsync_v2");
            if (bytes == 0) return Code.Success;
            Range(target, bytes);
            Range(source, bytes);
            Machine.Counters.Copies++;
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyDtoDAsync_v2", order =>
            {
                Allocation to = Range(target, bytes), from = Range(source, bytes);
                ulong offset = source - from.Start;
                Use(order, from, offset, bytes, write: false);
                Use(order, to, target - to.Start, bytes, write: true);
                if (to == from && target < source + bytes && source < target + bytes && target != source)
                    Machine.Note("cuMemcpyDtoDAsync_v2: source and target overlap");
                bool whole = from.FirstUnwritten(offset, bytes) < 0;
                Buffer.MemoryCopy(from.Host + offset, to.Host + (target - to.Start), bytes, bytes);
                if (whole) to.MarkWritten(target - to.Start, bytes);
                else CopyMarks(from, offset, to, target - to.Start, bytes);
            }));
            return Code.Success;
        });

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD8Async", CallConvs = [typeof(CallConvCdecl)])]
    public static int Set8(ulong target, byte value, nuint count, nint stream) => Machine.InContext("cuMemsetD8Async", () =>
    {
        Stream queue = DriverStreams.Get(stream, "cuMemsetD8Async");
        if (count == 0) return Code.Success;
        Range(target, count);
        DriverStreams.Enqueue(queue, new Work("fill", "cuMemsetD8Async", order =>
        {
            Allocation to = Range(target, count);
            Use(order, to, target - to.Start, count, write: true);
            NativeMemory.Fill(to.Host + (target - to.Start), count, value);
            to.MarkWritten(target - to.Start, count);
        }));
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD32Async", CallConvs = [typeof(CallConvCdecl)])]
    public static int Set32(ulong target, uint value, nuint count, nint stream) => Machine.InContext("cuMemsetD32Async", () =>
    {
        Stream queue = DriverStreams.Get(stream, "cuMemsetD32Async");
        if (count == 0) return Code.Success;
        Range(target, count * 4);
        if ((target & 3) != 0) throw new StandInException(Code.InvalidValue, "the address is no multiple of 4");
        DriverStreams.Enqueue(queue, new Work("fill", "cuMemsetD32Async", order =>
        {
            Allocation to = Range(target, count * 4);
            Use(order, to, target - to.Start, count * 4, write: true);
            uint* at = (uint*)(to.Host + (target - to.Start));
            for (nuint i = 0; i < count; i++) at[i] = value;
            to.MarkWritten(target - to.Start, count * 4);
        }));
        return Code.Success;
    });

    /// <summary>Notes a use by work of a stream; throws where it should have waited for another's.</summary>
    public static void Use(WorkOrder? order, Allocation allocation, ulong offset, ulong bytes, bool write)
    {
        if (order != null && allocation.Use(order, offset, bytes, write) is { } missing) throw new PtxFaultException(FaultKind.Order, missing);
    }

    /// <summary>The live allocation that holds a range.</summary>
    public static Allocation Range(ulong address, nuint bytes)
    {
        Allocation? allocation = Machine.Memory.Find(address);
        if (allocation == null || !allocation.IsAlive)
            throw new StandInException(Code.InvalidValue, $"{bytes:N0} bytes at {Machine.Memory.Describe(address)}");
        if (allocation.Size - (address - allocation.Start) < bytes)
            throw new StandInException(Code.InvalidValue, $"{bytes:N0} bytes from offset {address - allocation.Start:N0} of {allocation}");
        return allocation;
    }

    // A graph would use the host's memory whenever it is launched, and the driver cannot know how long it is there.
    private static void RefusePageable(Stream stream, string call)
    {
        if (stream.Capture is { } capture)
            throw DriverGraphs.Void(capture, Code.CaptureUnsupported, $"{call} of pageable memory in a capture");
    }

    // A graph may outlive the memory that it copies from or to.
    private static void CheckPinned(nint pointer, nuint bytes)
    {
        if (Machine.Handles.IsPinned(pointer, (long)bytes)) return;
        throw new StandInException(
            Code.InvalidValue, $"use after free: {bytes:N0} bytes of pinned memory at 0x{pointer:X}, which was freed");
    }

    // What was never written reads as ones: NaN as f32, -1 as an integer.
    private static void ReadOut(Allocation from, ulong offset, byte* target, nuint bytes)
    {
        Buffer.MemoryCopy(from.Host + offset, target, bytes, bytes);
        if (from.FirstUnwritten(offset, bytes) < 0) return;
        for (nuint i = 0; i < bytes; i++)
        {
            ulong at = offset + i;
            if ((from.Written[at / 4] & (1 << (int)(at & 3))) == 0) target[i] = 0xFF;
        }
    }

    private static void CopyMarks(Allocation from, ulong source, Allocation to, ulong target, nuint bytes)
    {
        for (nuint i = 0; i < bytes; i++)
        {
            if ((from.Written[(source + i) / 4] & (1 << (int)((source + i) & 3))) != 0) to.MarkWritten(target + i, 1);
            else to.Forget(target + i, 1);
        }
    }
}
