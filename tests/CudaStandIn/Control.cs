// What the real driver does not have: a report of what went wrong, faults on demand, counters. Tests look for these names.
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PtxMachine.Execution;
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
            return Copy(Machine.Report, buffer, size);
        }
    }

    /// <summary>
    /// Counters of each kernel since "profile" was armed, cut as the report is: a line of names, then a line a kernel, with tabs between.
    /// </summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_profile", CallConvs = [typeof(CallConvCdecl)])]
    public static long Profiled(byte* buffer, long size)
    {
        lock (Machine.Gate)
        {
            var text = new StringBuilder(
                "kernel\tlaunches\tinstructions\tglobal_accesses\tglobal_bytes\tsectors\tideal_sectors\tshared_accesses\tbank_conflicts\n");
            foreach ((string kernel, Profile p) in Machine.Profiles)
            {
                text.Append(CultureInfo.InvariantCulture, $"{kernel}\t{p.Launches}\t{p.Instructions}\t{p.GlobalAccesses}\t{p.GlobalBytes}\t");
                text.Append(CultureInfo.InvariantCulture, $"{p.Sectors}\t{p.IdealSectors}\t{p.SharedAccesses}\t{p.BankConflicts}\n");
            }

            return Copy(text.ToString(), buffer, size);
        }
    }

    /// <summary>Changes one setting by its word; 0, or 1 where the word is not known. "reset" is a new process.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_arm", CallConvs = [typeof(CallConvCdecl)])]
    public static int Arm(byte* word, long value)
    {
        lock (Machine.Gate)
        {
            string text = Text(word);
            switch (text)
            {
                case "reset": Machine.Reset(); return 0;
                case "clear_report": Machine.ClearReport(); return 0;
                case "clear_profile": Machine.Profiles.Clear(); return 0;
                case "lost_device_now": Machine.Sticky = (int)value; return 0;
                default: return Machine.Settings.Arm(text, value, Machine.Memory) ? 0 : 1;
            }
        }
    }

    /// <summary>
    /// Changes a line of a kernel in each module that is loaded from now on: the n-th that reads so, without the space around it, counted
    /// from 1. "reset" forgets it; "mutations" counts the modules that it was found in.
    /// </summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_mutate", CallConvs = [typeof(CallConvCdecl)])]
    public static int Mutate(byte* kernel, byte* line, long occurrence, byte* replacement)
    {
        lock (Machine.Gate)
        {
            if (kernel == null || line == null || replacement == null || occurrence < 1) return 1;
            Machine.Mutation = new Mutation(Text(kernel), Text(line), (int)occurrence, Text(replacement));
            return 0;
        }
    }

    /// <summary>A number by its word; -1 where the word is not known.</summary>
    [UnmanagedCallersOnly(EntryPoint = "standin_count", CallConvs = [typeof(CallConvCdecl)])]
    public static long Count(byte* word)
    {
        lock (Machine.Gate)
        {
            Counters counters = Machine.Counters;
            return Text(word) switch
            {
                "calls" => counters.Calls,
                "errors" => counters.Errors,
                "launches" => counters.Launches,
                "graph_launches" => counters.GraphLaunches,
                "instructions" => counters.Instructions,
                "waits" => counters.Waits,
                "copies" => counters.Copies,
                "products" => counters.Products,
                "lt_products" => counters.LtProducts,
                "leaks" => counters.Leaks,
                "mutations" => Machine.Mutation?.Applied ?? 0,
                "allocations" => Machine.Memory.Alive.Count(a => a.What == "allocation"),
                "bytes" => (long)Machine.Memory.Used,
                "streams" => Machine.Handles.Count<Stream>(),
                "events" => Machine.Handles.Count<Event>(),
                "modules" => Machine.Handles.Count<LoadedModule>(),
                "graphs" => Machine.Handles.Count<Graph>() + Machine.Handles.Count<GraphExec>(),
                "host" => Machine.Handles.HostCount,
                "cublas" => Machine.Handles.Count<CublasHandle>(),
                "cublaslt" => Machine.Handles.Count<LtThing>(),
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

    private static long Copy(string text, byte* buffer, long size)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (buffer == null || size <= 0) return bytes.Length;
        int length = (int)Math.Min(bytes.Length, size - 1);
        bytes.AsSpan(0, length).CopyTo(new Span<byte>(buffer, length));
        buffer[length] = 0;
        return bytes.Length;
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
