// Memory of the device and pinned memory of the host; copies and fills, which a stream does in its own time.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
            bool late = Machine.Handles.IsPinned(source, (long)bytes) || queue.Capture != null;
            byte[]? staged = late ? null : new ReadOnlySpan<byte>((void*)source, checked((int)bytes)).ToArray();
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyHtoDAsync_v2", () =>
            {
                Allocation to = Range(target, bytes);
                ulong offset = target - to.Start;
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
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyDtoHAsync_v2", () =>
            {
                Allocation from = Range(source, bytes);
                ReadOut(from, source - from.Start, (byte*)target, bytes);
            }));
            // Into pageable memory the copy is complete when the call returns.
            if (queue.Capture != null || Machine.Handles.IsPinned(target, (long)bytes)) return Code.Success;
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
            DriverStreams.Enqueue(queue, new Work("copy", "cuMemcpyDtoDAsync_v2", () =>
            {
                Allocation to = Range(target, bytes), from = Range(source, bytes);
                ulong offset = source - from.Start;
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
        DriverStreams.Enqueue(queue, new Work("fill", "cuMemsetD8Async", () =>
        {
            Allocation to = Range(target, count);
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
        DriverStreams.Enqueue(queue, new Work("fill", "cuMemsetD32Async", () =>
        {
            Allocation to = Range(target, count * 4);
            uint* at = (uint*)(to.Host + (target - to.Start));
            for (nuint i = 0; i < count; i++) at[i] = value;
            to.MarkWritten(target - to.Start, count * 4);
        }));
        return Code.Success;
    });

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
