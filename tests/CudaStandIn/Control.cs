// What the real driver does not have: a report of what went wrong, faults on demand, counters. Tests look for these names.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PtxMachine.Memory;

namespace CudaStandIn;

internal static unsafe class Control
{
    /// <summary>Copies the report, cut to the size, with a zero at its end; gives its whole length in bytes.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_report", CallConvs = [typeof(CallConvCdecl)])]
    public static long Report(byte* buffer, long size)
    {
        lock (Machine.Gate)
        {
            byte[] text = Encoding.UTF8.GetBytes(Machine.Report);
            if (buffer == null || size <= 0) return text.Length;
            int length = (int)Math.Min(text.Length, size - 1);
            text.AsSpan(0, length).CopyTo(new Span<byte>(buffer, length));
            buffer[length] = 0;
            return text.Length;
        }
    }

    /// <summary>Changes one setting by its word; 0, or 1 where the word is not known. "reset" is a new process.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_arm", CallConvs = [typeof(CallConvCdecl)])]
    public static int Arm(byte* word, long value)
    {
        lock (Machine.Gate)
        {
            string text = Marshal.PtrToStringUTF8((nint)word) ?? "";
            switch (text)
            {
                case "reset": Machine.Reset(); return 0;
                case "clear_report": Machine.ClearReport(); return 0;
                case "lost_device_now": Machine.Sticky = (int)value; return 0;
                default: return Machine.Settings.Arm(text, value, Machine.Memory) ? 0 : 1;
            }
        }
    }

    /// <summary>A number by its word; -1 where the word is not known.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_count", CallConvs = [typeof(CallConvCdecl)])]
    public static long Count(byte* word)
    {
        lock (Machine.Gate)
        {
            Counters counters = Machine.Counters;
            return (Marshal.PtrToStringUTF8((nint)word) ?? "") switch
            {
                "calls" => counters.Calls,
                "errors" => counters.Errors,
                "launches" => counters.Launches,
                "instructions" => counters.Instructions,
                "waits" => counters.Waits,
                "copies" => counters.Copies,
                "products" => counters.Products,
                "leaks" => counters.Leaks,
                "allocations" => Machine.Memory.Alive.Count(a => a.What == "allocation"),
                "bytes" => (long)Machine.Memory.Used,
                "streams" => Machine.Handles.Count<Stream>(),
                "events" => Machine.Handles.Count<Event>(),
                "modules" => Machine.Handles.Count<LoadedModule>(),
                "graphs" => Machine.Handles.Count<Graph>() + Machine.Handles.Count<GraphExec>(),
                "host" => Machine.Handles.HostCount,
                "cublas" => Machine.Handles.Count<CublasHandle>(),
                _ => -1,
            };
        }
    }

    /// <summary>Memory of an arena that begins anew: what is in it counts as never written. 0, or the driver's number.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_forget", CallConvs = [typeof(CallConvCdecl)])]
    public static int Forget(ulong pointer, ulong bytes) => Machine.InContext("standin_forget", () =>
    {
        Machine.Scheduler.FinishAll();
        Allocation allocation = DriverMemory.Range(pointer, (nuint)bytes);
        allocation.Forget(pointer - allocation.Start, bytes);
        return Code.Success;
    });
}
