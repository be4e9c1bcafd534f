// The driver's start, its device and its context. Only the names of the current layouts are exported: a missing _v2 is a
// missing entry point here, where the real driver would read the old layout without a word.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxMachine.Memory;

namespace CudaStandIn;

internal static unsafe class DriverDevice
{
    private static readonly Dictionary<int, nint> Names = [];

    [UnmanagedCallersOnly(EntryPoint = "cuInit", CallConvs = [typeof(CallConvCdecl)])]
    public static int Init(uint flags) => Machine.Call("cuInit", () =>
    {
        if (flags != 0) return Code.InvalidValue;
        if (Machine.Settings.InitCode != 0) return Machine.Settings.InitCode;
        if (Machine.Settings.Devices == 0) return Code.NoDevice;
        Machine.IsInitialized = true;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDriverGetVersion", CallConvs = [typeof(CallConvCdecl)])]
    public static int DriverGetVersion(int* version) => Machine.Call("cuDriverGetVersion", () =>
    {
        if (version == null) return Code.InvalidValue;
        *version = Machine.Settings.DriverVersion;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorName", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetErrorName(int code, byte** text) => Text(code, code, text, Code.Name);

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorString", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetErrorString(int code, byte** text) => Text(code, code + 100_000, text, Code.Text);

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetCount", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetCount(int* count) => Machine.Device("cuDeviceGetCount", () =>
    {
        *count = Machine.Settings.Devices;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGet", CallConvs = [typeof(CallConvCdecl)])]
    public static int Get(int* device, int ordinal) => Machine.Device("cuDeviceGet", () =>
    {
        if (ordinal < 0 || ordinal >= Machine.Settings.Devices) return Code.InvalidDevice;
        *device = ordinal;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetName", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetName(byte* name, int length, int device) => Machine.Device("cuDeviceGetName", () =>
    {
        Check(device);
        if (length <= 0) return Code.InvalidValue;
        ReadOnlySpan<byte> text = "PTX machine (stand-in)"u8;
        int count = Math.Min(text.Length, length - 1);
        text[..count].CopyTo(new Span<byte>(name, length));
        name[count] = 0;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetUuid_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetUuid(byte* uuid, int device) => Machine.Device("cuDeviceGetUuid_v2", () =>
    {
        Check(device);
        for (int i = 0; i < 16; i++) uuid[i] = (byte)(i == 15 ? device : 0xC0 + i);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceTotalMem_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int TotalMem(nuint* bytes, int device) => Machine.Device("cuDeviceTotalMem_v2", () =>
    {
        Check(device);
        *bytes = (nuint)Machine.Memory.Capacity;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetAttribute", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetAttribute(int* value, int attribute, int device) => Machine.Device("cuDeviceGetAttribute", () =>
    {
        Check(device);
        int found = attribute switch
        {
            1 => 1024,
            2 or 3 => 1024,
            4 => 64,
            5 => int.MaxValue,
            6 or 7 => 65535,
            8 => 48 * 1024,
            10 => 32,
            11 => int.MaxValue,
            12 => 65536,
            13 => 1_410_000,
            16 => 108,
            36 => 1_215_000,
            37 => 5120,
            38 => 40 << 20,
            39 => 2048,
            75 => Machine.Settings.Capability / 10,
            76 => Machine.Settings.Capability % 10,
            81 => 164 * 1024,
            82 => 65536,
            97 => 163 * 1024,
            106 => 32,
            115 => Machine.Settings.HasPools ? 1 : 0,
            _ => -1,
        };
        if (found < 0) throw new StandInException(Code.InvalidValue, $"device attribute {attribute} is not known to the stand-in");
        *value = found;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRetain", CallConvs = [typeof(CallConvCdecl)])]
    public static int Retain(nint* context, int device) => Machine.Device("cuDevicePrimaryCtxRetain", () =>
    {
        Check(device);
        if (Machine.Context == 0) Machine.Context = Machine.Handles.Add(new object());
        Machine.Retained++;
        *context = Machine.Context;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRelease_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Release(int device) => Machine.Device("cuDevicePrimaryCtxRelease_v2", () =>
    {
        Check(device);
        if (Machine.Retained == 0) return Code.InvalidContext;
        if (--Machine.Retained > 0) return Code.Success;
        if (Machine.Sticky == 0) Machine.Scheduler.FinishAll();
        NoteLeaks();
        Machine.Context = 0;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSetCurrent", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetCurrent(nint context) => Machine.Device("cuCtxSetCurrent", () =>
    {
        if (context != 0 && context != Machine.Context)
            throw new StandInException(Code.InvalidContext, $"0x{context:X} is not the device's context");
        Machine.Current = context;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxGetCurrent", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetCurrent(nint* context) => Machine.Device("cuCtxGetCurrent", () =>
    {
        *context = Machine.Current;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSynchronize", CallConvs = [typeof(CallConvCdecl)])]
    public static int Synchronize() => Machine.InContext("cuCtxSynchronize", () =>
    {
        DriverGraphs.Unsafe("cuCtxSynchronize");
        Machine.Scheduler.FinishAll();
        return Machine.Sticky;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuProfilerStart", CallConvs = [typeof(CallConvCdecl)])]
    public static int ProfilerStart() => Machine.InContext("cuProfilerStart", () => Code.Success);

    [UnmanagedCallersOnly(EntryPoint = "cuProfilerStop", CallConvs = [typeof(CallConvCdecl)])]
    public static int ProfilerStop() => Machine.InContext("cuProfilerStop", () => Code.Success);

    public static void Check(int device)
    {
        if (device < 0 || device >= Machine.Settings.Devices) throw new StandInException(Code.InvalidDevice, $"there is no device {device}");
    }

    private static void NoteLeaks()
    {
        foreach (Allocation allocation in Machine.Memory.Alive.ToArray())
        {
            if (allocation.What == "allocation") Leak(allocation.ToString());
            Machine.Memory.Free(allocation);
        }

        Leak(Machine.Handles.Count<LoadedModule>(), "modules");
        Leak(Machine.Handles.Count<Stream>(), "streams");
        Leak(Machine.Handles.Count<Event>(), "events");
        Leak(Machine.Handles.Count<Graph>(), "graphs");
        Leak(Machine.Handles.Count<GraphExec>(), "executable graphs");
        Leak(Machine.Handles.Count<CublasHandle>(), "cuBLAS handles");
        Leak(Machine.Handles.Count<LtThing>(), "things of cuBLASLt");
        Leak(Machine.Handles.HostCount, "pieces of pinned memory");
    }

    private static void Leak(int count, string what)
    {
        if (count == 0) return;
        Machine.Counters.Leaks += count - 1;
        Leak($"{count} {what}");
    }

    private static void Leak(string what)
    {
        Machine.Counters.Leaks++;
        Machine.Note($"leak: {what} alive when the context is released");
    }

    private static int Text(int code, int key, byte** text, Func<int, string> of)
    {
        if (text == null || !Code.IsKnown(code))
        {
            if (text != null) *text = null;
            return Code.InvalidValue;
        }

        lock (Machine.Gate)
        {
            if (!Names.TryGetValue(key, out nint known)) Names[key] = known = Marshal.StringToCoTaskMemUTF8(of(code));
            *text = (byte*)known;
        }

        return Code.Success;
    }
}
