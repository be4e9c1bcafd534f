// cuLaunchKernel: the shape is judged at the call, the parameters are copied at the call, the kernel runs later.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxMachine.Execution;
using PtxMachine.Memory;
using PtxMachine.Parsing;

namespace CudaStandIn;

internal static unsafe class DriverLaunch
{
    [UnmanagedCallersOnly(EntryPoint = "cuLaunchKernel", CallConvs = [typeof(CallConvCdecl)])]
    public static int Launch(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes,
        nint stream, void** parameters, void** extra) => Machine.InContext("cuLaunchKernel", () =>
    {
        LoadedFunction loaded = Machine.Handles.Get<LoadedFunction>(function);
        Stream queue = DriverStreams.Get(stream, "cuLaunchKernel");
        var spec = new LaunchSpec
        {
            GridX = Bounded(gridX), GridY = Bounded(gridY), GridZ = Bounded(gridZ),
            BlockX = Bounded(blockX), BlockY = Bounded(blockY), BlockZ = Bounded(blockZ),
            SharedBytes = Bounded(sharedBytes), SharedLimit = loaded.SharedLimit,
            Seed = Machine.Settings.Seed, ApproximateUnits = Machine.Settings.ApproximateUnits,
            Races = Machine.Settings.Races, Workers = Machine.Settings.Workers,
        };
        byte[] bytes = extra != null ? FromBuffer(loaded.Kernel, extra) : FromPointers(loaded.Kernel, parameters);
        Limits.Check(loaded.Kernel, spec, bytes.Length);
        if (queue.Capture != null && !loaded.IsLoaded)
        {
            throw DriverGraphs.Void(queue.Capture, Code.CaptureUnsupported,
                $"the first launch of {loaded.Kernel.Name} is in a capture: it loads the function, which waits");
        }

        loaded.IsLoaded = true;
        Machine.Counters.Launches++;
        if (Machine.Settings.FailsLaunch())
        {
            DriverStreams.Enqueue(queue, new Work("kernel", "cuLaunchKernel", _ => throw new PtxFaultException(
                FaultKind.IllegalAddress, $"illegal address: armed; kernel {loaded.Kernel.Name}")) { Function = loaded.Kernel });
            return Code.Success;
        }

        DriverStreams.Enqueue(queue, new Work("kernel", "cuLaunchKernel", order => Run(loaded.Kernel, spec, bytes, order)) { Function = loaded.Kernel });
        return Code.Success;
    });

    // A graph may outlive the module of its kernels.
    private static void Run(Kernel kernel, LaunchSpec spec, byte[] bytes, WorkOrder? order)
    {
        if (kernel.IsDisposed)
            throw new StandInException(Code.InvalidHandle, $"use after free: the module of kernel {kernel.Name} was unloaded");
        Profile? profile = Machine.Settings.Profiles ? new Profile { Launches = 1 } : null;
        Machine.Counters.Instructions += Launcher.Run(kernel, spec with { Order = order, Profile = profile }, Machine.Memory, bytes);
        if (profile == null) return;
        if (Machine.Profiles.TryGetValue(kernel.Name, out Profile? known)) known.Add(profile);
        else Machine.Profiles.Add(kernel.Name, profile);
    }

    private static int Bounded(uint value) => (int)Math.Min(value, int.MaxValue);

    // As many pointers are read as the kernel declares parameters, and as many bytes behind each as it has: that is all that a driver knows
    // of such a call. One too few is seen only where what comes after the last is null; one too many is never looked at. The form with
    // a buffer says its size, so there all is seen; and cuFuncGetParamInfo tells a host what a kernel wants.
    private static byte[] FromPointers(Kernel kernel, void** parameters)
    {
        byte[] bytes = new byte[kernel.ParameterBytes];
        for (int i = 0; i < kernel.Source.Parameters.Count; i++)
        {
            if (parameters == null || parameters[i] == null)
                throw new StandInException(Code.InvalidValue, $"parameter {i} of {kernel.Name} is not given, {kernel.Source.Parameters.Count} are declared");
            Variable parameter = kernel.Source.Parameters[i];
            new ReadOnlySpan<byte>(parameters[i], parameter.Bytes).CopyTo(bytes.AsSpan((int)parameter.Address));
        }

        return bytes;
    }

    // CU_LAUNCH_PARAM_BUFFER_POINTER is 1, its size 2, the end 0.
    private static byte[] FromBuffer(Kernel kernel, void** extra)
    {
        byte* buffer = null;
        nuint size = 0;
        for (int i = 0; (nint)extra[i] != 0; i += 2)
        {
            if ((nint)extra[i] == 1) buffer = (byte*)extra[i + 1];
            else if ((nint)extra[i] == 2) size = *(nuint*)extra[i + 1];
            else throw new StandInException(Code.InvalidValue, $"the launch of {kernel.Name} has an extra option {(nint)extra[i]}");
        }

        if (buffer == null || size != (nuint)kernel.ParameterBytes)
            throw new StandInException(Code.InvalidValue, $"{size} bytes of parameters are given to {kernel.Name}, {kernel.ParameterBytes} are declared");
        return new ReadOnlySpan<byte>(buffer, (int)size).ToArray();
    }
}
