// Modules and functions: the committed PTX is read, judged and decoded here, as a driver's compiler would.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PtxMachine;
using PtxMachine.Execution;
using PtxMachine.Parsing;

namespace CudaStandIn;

internal sealed class LoadedModule(PtxProgram program)
{
    public PtxProgram Program { get; } = program;

    public Dictionary<string, nint> Functions { get; } = [];
}

internal sealed class LoadedFunction(Kernel kernel)
{
    public Kernel Kernel { get; } = kernel;

    /// <summary>Dynamic shared memory that a launch may ask for.</summary>
    public int SharedLimit { get; set; } = Limits.SharedPerBlock - kernel.StaticSharedBytes;

    /// <summary>A function is loaded by its first use, which a capture forbids.</summary>
    public bool IsLoaded { get; set; }
}

internal static unsafe class DriverModules
{
    [UnmanagedCallersOnly(EntryPoint = "cuModuleLoadDataEx", CallConvs = [typeof(CallConvCdecl)])]
    public static int LoadDataEx(nint* module, byte* image, uint count, int* options, void** values) =>
        Machine.InContext("cuModuleLoadDataEx", () =>
        {
            DriverGraphs.Unsafe("cuModuleLoadDataEx");
            if (module == null || image == null) return Code.InvalidValue;
            try
            {
                if (Machine.Settings.FailsModule()) throw new PtxException(1, "the compiler was told to fail.");
                string text = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(image));
                text = Machine.Mutation?.Apply(text) ?? text;
                PtxProgram program = PtxProgram.Load(text, Machine.Memory, Machine.Settings.PtxVersion, Machine.Settings.Capability);
                *module = Machine.Handles.Add(new LoadedModule(program));
                WriteLog(3, $"{program.Kernels.Count} kernels", count, options, values);
                WriteLog(5, "", count, options, values);
                return Code.Success;
            }
            catch (PtxException exception)
            {
                WriteLog(5, $"ptxas error: {exception.Message}", count, options, values);
                throw;
            }
        });

    [UnmanagedCallersOnly(EntryPoint = "cuModuleUnload", CallConvs = [typeof(CallConvCdecl)])]
    public static int Unload(nint module) => Machine.InContext("cuModuleUnload", () =>
    {
        DriverGraphs.Unsafe("cuModuleUnload");
        LoadedModule loaded = Machine.Handles.Get<LoadedModule>(module);
        if (Machine.Scheduler.Uses(loaded.Program.Kernels.Values))
            Machine.Note("cuModuleUnload: use after free: a queued launch needs a kernel of this module");
        foreach (nint function in loaded.Functions.Values) Machine.Handles.Remove(function);
        Machine.Scheduler.FinishAll();
        loaded.Program.Dispose();
        Machine.Handles.Remove(module);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuModuleGetFunction", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetFunction(nint* function, nint module, byte* name) => Machine.InContext("cuModuleGetFunction", () =>
    {
        LoadedModule loaded = Machine.Handles.Get<LoadedModule>(module);
        string text = Marshal.PtrToStringUTF8((nint)name) ?? "";
        if (!loaded.Functions.TryGetValue(text, out nint handle))
        {
            if (!loaded.Program.Kernels.TryGetValue(text, out Kernel? kernel))
                throw new StandInException(Code.NotFound, $"the module has no kernel '{text}'");
            handle = loaded.Functions[text] = Machine.Handles.Add(new LoadedFunction(kernel));
        }

        *function = handle;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuModuleGetLoadingMode", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetLoadingMode(int* mode) => Machine.Device("cuModuleGetLoadingMode", () =>
    {
        *mode = 2;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuFuncGetAttribute", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetAttribute(int* value, int attribute, nint function) => Machine.InContext("cuFuncGetAttribute", () =>
    {
        LoadedFunction loaded = Machine.Handles.Get<LoadedFunction>(function);
        Kernel kernel = loaded.Kernel;
        *value = attribute switch
        {
            0 => kernel.MaxThreads > 0 ? kernel.MaxThreads : Limits.ThreadsPerBlock,
            1 => kernel.StaticSharedBytes,
            2 => 0,
            3 => kernel.LocalBytes,
            4 => Registers(kernel),
            5 or 6 => kernel.Target,
            8 => loaded.SharedLimit,
            _ => throw new StandInException(Code.InvalidValue, $"function attribute {attribute} is not known to the stand-in"),
        };
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuFuncGetParamInfo", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetParamInfo(nint function, nuint index, nuint* offset, nuint* size) => Machine.InContext("cuFuncGetParamInfo", () =>
    {
        List<Variable> parameters = Machine.Handles.Get<LoadedFunction>(function).Kernel.Source.Parameters;
        if (offset == null || index >= (nuint)parameters.Count) return Code.InvalidValue;
        *offset = (nuint)parameters[(int)index].Address;
        if (size != null) *size = (nuint)parameters[(int)index].Bytes;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuFuncSetAttribute", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetAttribute(nint function, int attribute, int value) => Machine.InContext("cuFuncSetAttribute", () =>
    {
        LoadedFunction loaded = Machine.Handles.Get<LoadedFunction>(function);
        if (attribute == 9) return value is >= -1 and <= 100 ? Code.Success : Code.InvalidValue;
        if (attribute != 8) return Code.InvalidValue;
        if (value < 0 || value + loaded.Kernel.StaticSharedBytes > Limits.SharedPerBlockOptIn)
            throw new StandInException(Code.InvalidValue, $"{value:N0} bytes of dynamic shared memory, at most {Limits.SharedPerBlockOptIn - loaded.Kernel.StaticSharedBytes:N0}");
        loaded.SharedLimit = value;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor", CallConvs = [typeof(CallConvCdecl)])]
    public static int Occupancy(int* blocks, nint function, int blockSize, nuint shared) =>
        Machine.InContext("cuOccupancyMaxActiveBlocksPerMultiprocessor", () =>
        {
            LoadedFunction loaded = Machine.Handles.Get<LoadedFunction>(function);
            if (blockSize <= 0) return Code.InvalidValue;
            int warps = (blockSize + 31) / 32;
            long bytes = (long)shared + loaded.Kernel.StaticSharedBytes + 1024;
            *blocks = blockSize > Limits.ThreadsPerBlock ? 0 : (int)Math.Min(Math.Min(32, 64 / warps), 164 * 1024 / bytes);
            return Code.Success;
        });

    // What the text keeps alive, but no more than a compiler may give a thread; more would be spilled.
    private static int Registers(Kernel kernel)
    {
        int most = kernel.MaxThreads > 0 ? Limits.RegistersPerBlock / kernel.MaxThreads : Limits.RegistersPerThread;
        return Math.Min(kernel.LiveRegisters, Math.Min(most, Limits.RegistersPerThread));
    }

    // The buffer's address and its size are two options; the length that was written comes back in the size's slot.
    private static void WriteLog(int option, string text, uint count, int* options, void** values)
    {
        byte* buffer = null;
        nuint* size = null;
        for (uint i = 0; i < count; i++)
        {
            if (options[i] == option) buffer = (byte*)values[i];
            if (options[i] == option + 1) size = (nuint*)(values + i);
        }

        if (buffer == null || size == null || *size == 0) return;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = (int)Math.Min((nuint)bytes.Length, *size - 1);
        bytes.AsSpan(0, length).CopyTo(new Span<byte>(buffer, length));
        buffer[length] = 0;
        *size = (nuint)length + 1;
    }
}
