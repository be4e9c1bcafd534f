// The state of the one device and its driver. One lock for all of it: a call is whole, whatever thread it comes from.
using PtxMachine;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace CudaStandIn;

internal static class Machine
{
    private const int MostReports = 1000;
    private static readonly List<string> Reports = [];

    [ThreadStatic]
    private static nint _current;

    public static Lock Gate { get; } = new();

    public static DeviceMemory Memory { get; private set; } = new();

    public static Handles Handles { get; private set; } = new();

    public static Scheduler Scheduler { get; private set; } = new();

    public static Settings Settings { get; private set; } = Settings.OfEnvironment(Memory);

    public static Counters Counters { get; private set; } = new();

    /// <summary>What is changed in modules that are loaded; null: nothing.</summary>
    public static Mutation? Mutation { get; set; }

    /// <summary>What kernels did with memory, by name, while it was asked for.</summary>
    public static SortedDictionary<string, Profile> Profiles { get; } = new(StringComparer.Ordinal);

    public static bool IsInitialized { get; set; }

    /// <summary>The error of a kernel that every later call gives back.</summary>
    public static int Sticky { get; set; }

    /// <summary>Users of the primary context; its memory goes when the last one leaves.</summary>
    public static int Retained { get; set; }

    /// <summary>The handle of the primary context; 0 while nobody retains it.</summary>
    public static nint Context { get; set; }

    /// <summary>The context of this host thread.</summary>
    public static nint Current
    {
        get => _current;
        set => _current = value;
    }

    public static string Report => string.Join('\n', Reports);

    public static void Note(string message)
    {
        if (Reports.Count < MostReports) Reports.Add(message);
    }

    public static void ClearReport() => Reports.Clear();

    /// <summary>Everything as in a new process.</summary>
    public static void Reset()
    {
        foreach (Allocation allocation in Memory.Alive.ToArray()) Memory.Free(allocation);
        Handles.FreeHostMemory();
        Memory = new DeviceMemory();
        Handles = new Handles();
        Settings = Settings.OfEnvironment(Memory);
        Scheduler = new Scheduler();
        Counters = new Counters();
        Mutation = null;
        Profiles.Clear();
        Reports.Clear();
        DriverStreams.Null.Reset();
        (IsInitialized, Sticky, Retained, Context, _current) = (false, 0, 0, 0, 0);
    }

    /// <summary>Runs a call that needs nothing but the lock.</summary>
    public static int Call(string name, Func<int> body) => Enter(name, body, initialized: false, context: false);

    /// <summary>Runs a call that needs cuInit.</summary>
    public static int Device(string name, Func<int> body) => Enter(name, body, initialized: true, context: false);

    /// <summary>Runs a call that needs a current context, and that fails once a kernel has failed.</summary>
    public static int InContext(string name, Func<int> body) => Enter(name, body, initialized: true, context: true);

    /// <summary>The driver's number for an exception, noted in the report.</summary>
    public static int CodeOf(string name, Exception exception)
    {
        int code = exception switch
        {
            StandInException standIn => standIn.Code,
            PtxException { IsVersion: true } => Code.UnsupportedPtx,
            PtxException { IsTarget: true } => Code.NoBinary,
            PtxException => Code.InvalidPtx,
            PtxFaultException fault => fault.Kind switch
            {
                FaultKind.IllegalAddress => Code.IllegalAddress,
                FaultKind.Misaligned => Code.Misaligned,
                FaultKind.Endless => Code.LaunchTimeout,
                FaultKind.Launch => Code.InvalidValue,
                FaultKind.Resources => Code.LaunchOutOfResources,
                _ => Code.LaunchFailed,
            },
            _ => Code.Unknown,
        };
        Note(code == Code.Unknown ? $"{name}: {exception}" : $"{name}: {exception.Message}");
        return code;
    }

    private static int Enter(string name, Func<int> body, bool initialized, bool context)
    {
        lock (Gate)
        {
            Counters.Calls++;
            try
            {
                if (initialized && !IsInitialized) throw new StandInException(Code.NotInitialized, "cuInit was not called");
                if (context && (Current == 0 || Current != Context))
                    throw new StandInException(Code.InvalidContext, "this host thread has no current context");
                if (context && Settings.LosesDevice())
                {
                    Sticky = Code.LaunchFailed;
                    Note($"{name}: the device was told to be lost");
                }

                if (context && Sticky != 0) return Sticky;
                if (context) Scheduler.Advance();
                return body();
            }
            catch (Exception exception)
            {
                Counters.Errors++;
                return CodeOf(name, exception);
            }
        }
    }
}
