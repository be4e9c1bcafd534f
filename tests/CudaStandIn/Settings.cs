// What a test may change about the device, by a word and a number: faults on demand, the seed, the model.
using PtxMachine.Memory;

namespace CudaStandIn;

internal sealed class Settings
{
    private const string Variable = "CUDA_STANDIN";

    public int DriverVersion { get; private set; } = 13000;

    public int Devices { get; private set; } = 1;

    public int Capability { get; private set; } = 80;

    public ulong Seed { get; private set; }

    public int ApproximateUnits { get; private set; }

    public bool Races { get; private set; } = true;

    /// <summary>Whether kernels' accesses are counted.</summary>
    public bool Profiles { get; private set; }

    public bool HasPools { get; private set; } = true;

    public int InitCode { get; private set; }

    public bool CublasMissing { get; private set; }

    /// <summary>Whether cuBLASLt has no algorithm for any product.</summary>
    public bool LtFindsNothing { get; private set; }

    /// <summary>Threads that take blocks; 0 for one a core.</summary>
    public int Workers { get; private set; }

    /// <summary>Calls that are still good before the one that fails; -1 for never.</summary>
    private long _allocations = -1, _launches = -1, _modules = -1, _calls = -1;

    /// <summary>The newest .version that the driver's compiler knows.</summary>
    public int PtxVersion => DriverVersion switch
    {
        >= 13000 => 90,
        >= 12050 => 85,
        >= 12000 => 80,
        >= 11080 => 78,
        >= 11000 => 70,
        >= 10000 => 63,
        _ => 60,
    };

    /// <summary>
    /// What a process begins with. Of a process that runs a command a test can only say it by the variable <c>CUDA_STANDIN</c>, as in
    /// <c>devices=0,seed=3</c>.
    /// </summary>
    public static Settings OfEnvironment(DeviceMemory memory)
    {
        var settings = new Settings();
        foreach (string item in (Environment.GetEnvironmentVariable(Variable) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = item.Split('=');
            if (parts.Length != 2 || !long.TryParse(parts[1], out long value) || !settings.Arm(parts[0], value, memory))
                throw new StandInException(Code.InvalidValue, $"{Variable} has '{item}', expected a word of standin_arm, '=' and a number");
        }

        return settings;
    }

    /// <summary>Changes one thing; false where the word is not known.</summary>
    public bool Arm(string word, long value, DeviceMemory memory)
    {
        switch (word)
        {
            case "fail_alloc": _allocations = value; break;
            case "illegal_address": _launches = value; break;
            case "jit_error": _modules = value; break;
            case "lost_device": _calls = value; break;
            case "driver_version": DriverVersion = (int)value; break;
            case "devices": Devices = (int)value; break;
            case "capability": Capability = (int)value; break;
            case "init": InitCode = (int)value; break;
            case "cublas_missing": CublasMissing = value != 0; break;
            case "lt_finds_nothing": LtFindsNothing = value != 0; break;
            case "seed": Seed = (ulong)value; break;
            case "approximate_units": ApproximateUnits = (int)value; break;
            case "races": Races = value != 0; break;
            case "profile": Profiles = value != 0; break;
            case "pools": HasPools = value != 0; break;
            case "workers": Workers = (int)value; break;
            case "memory": memory.Capacity = (ulong)value; break;
            case "small_device":
                (HasPools, DriverVersion) = (false, 11000);
                memory.Capacity = 256 << 20;
                break;
            default: return false;
        }

        return true;
    }

    /// <summary>True for the n-th allocation, counted from 1.</summary>
    public bool FailsAllocation() => Counts(ref _allocations);

    public bool FailsLaunch() => Counts(ref _launches);

    public bool FailsModule() => Counts(ref _modules);

    public bool LosesDevice() => Counts(ref _calls);

    private static bool Counts(ref long left)
    {
        if (left <= 0) return false;
        left--;
        if (left != 0) return false;
        left = -1;
        return true;
    }
}
