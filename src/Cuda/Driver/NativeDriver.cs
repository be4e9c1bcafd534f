// The real driver. Its functions are looked up one by one: with [LibraryImport] a missing library would be an exception
// where a reason is wanted, and one name would have to serve Linux, WSL and Windows.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Cuda.Driver;

/// <summary>The CUDA driver of this machine. It is never unloaded: once started it has threads of its own.</summary>
internal sealed unsafe class NativeDriver : IDriverQuestions
{
    private const int MultiprocessorCount = 16;
    private const int ComputeCapabilityMajor = 75;
    private const int ComputeCapabilityMinor = 76;

    // Sizes are 64 bits in the entry points that end in _v2; the bare names still exist with the old layout.
    private readonly delegate* unmanaged<uint, int> _init;
    private readonly delegate* unmanaged<int*, int> _driverGetVersion;
    private readonly delegate* unmanaged<int*, int> _deviceGetCount;
    private readonly delegate* unmanaged<int*, int, int> _deviceGet;
    private readonly delegate* unmanaged<byte*, int, int, int> _deviceGetName;
    private readonly delegate* unmanaged<nuint*, int, int> _deviceTotalMem;
    private readonly delegate* unmanaged<int*, int, int, int> _getAttribute;
    private readonly delegate* unmanaged<int, byte**, int> _getErrorName;
    private readonly delegate* unmanaged<int, byte**, int> _getErrorString;

    private NativeDriver(string library, nint handle)
    {
        Library = library;
        Handle = handle;
        _init = (delegate* unmanaged<uint, int>)NativeLibrary.GetExport(handle, "cuInit");
        _driverGetVersion = (delegate* unmanaged<int*, int>)NativeLibrary.GetExport(handle, "cuDriverGetVersion");
        _deviceGetCount = (delegate* unmanaged<int*, int>)NativeLibrary.GetExport(handle, "cuDeviceGetCount");
        _deviceGet = (delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(handle, "cuDeviceGet");
        _deviceGetName = (delegate* unmanaged<byte*, int, int, int>)NativeLibrary.GetExport(handle, "cuDeviceGetName");
        _deviceTotalMem = (delegate* unmanaged<nuint*, int, int>)NativeLibrary.GetExport(handle, "cuDeviceTotalMem_v2");
        nint getAttribute = NativeLibrary.GetExport(handle, "cuDeviceGetAttribute");
        _getAttribute = (delegate* unmanaged<int*, int, int, int>)getAttribute;
        _getErrorName = (delegate* unmanaged<int, byte**, int>)NativeLibrary.GetExport(handle, "cuGetErrorName");
        _getErrorString = (delegate* unmanaged<int, byte**, int>)NativeLibrary.GetExport(handle, "cuGetErrorString");
    }

    public string Library { get; }

    public string? Path => LoadedLibrary.PathOf((nint)_init);

    /// <summary>The loaded library.</summary>
    public nint Handle { get; }

    /// <summary>Loads the first library that is there.</summary>
    /// <param name="names">Names or paths, in order.</param>
    /// <param name="driver">The driver, not yet started.</param>
    /// <param name="missing">What is missing, if it is not there.</param>
    public static bool TryOpen(
        IReadOnlyList<string> names,
        [NotNullWhen(true)] out NativeDriver? driver,
        [NotNullWhen(false)] out string? missing)
    {
        driver = null;
        foreach (string name in names)
        {
            if (!NativeLibrary.TryLoad(name, out nint handle)) continue;
            try
            {
                driver = new NativeDriver(name, handle);
                missing = null;
                return true;
            }
            catch (EntryPointNotFoundException)
            {
                NativeLibrary.Free(handle);
                missing = $"{name} was found, but it is not a CUDA driver or one that is too old";
                return false;
            }
        }

        missing = $"{names[0]} was not found: the NVIDIA driver is not installed";
        return false;
    }

    public int Initialize() => _init(0);

    public int GetVersion(out int version)
    {
        fixed (int* place = &version) return _driverGetVersion(place);
    }

    public int GetDeviceCount(out int count)
    {
        fixed (int* place = &count) return _deviceGetCount(place);
    }

    public int GetDevice(int number, out CudaDevice device)
    {
        const int NameBytes = 256;
        byte* name = stackalloc byte[NameBytes];
        int handle, major = 0, minor = 0, multiprocessors = 0;
        nuint memory = 0;
        int error = _deviceGet(&handle, number);
        if (error == 0) error = _deviceGetName(name, NameBytes, handle);
        if (error == 0) error = _getAttribute(&major, ComputeCapabilityMajor, handle);
        if (error == 0) error = _getAttribute(&minor, ComputeCapabilityMinor, handle);
        if (error == 0) error = _getAttribute(&multiprocessors, MultiprocessorCount, handle);
        if (error == 0) error = _deviceTotalMem(&memory, handle);
        device = error == 0
            ? new CudaDevice(number, Text(name), new Version(major, minor), checked((long)memory)) { Multiprocessors = multiprocessors }
            : new CudaDevice(number, "", new Version(0, 0), 0);
        return error;
    }

    public string Describe(int error)
    {
        byte* name = null;
        byte* text = null;
        if (_getErrorName(error, &name) != 0 || name == null) return $"error {error}";
        return _getErrorString(error, &text) == 0 && text != null ? $"{Text(name)}: {Text(text)}" : Text(name);
    }

    private static string Text(byte* zeroEnded) =>
        Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(zeroEnded));
}
