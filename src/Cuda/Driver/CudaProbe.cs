// Finds out what of CUDA is there, in the order in which it is needed: library, driver, device, cuBLAS. The first thing
// that is missing is the reason.
using System.Runtime.InteropServices;
using Engine.Cuda.Device;

namespace Engine.Cuda.Driver;

/// <summary>Looks for CUDA.</summary>
internal static class CudaProbe
{
    /// <summary>Looks for the driver, its devices and cuBLAS.</summary>
    public static CudaInfo Find(CudaLibraries libraries) =>
        NativeDriver.TryOpen(libraries.Driver, out NativeDriver? driver, out string? missing)
            ? Ask(driver, libraries.Cublas)
            : new CudaInfo { Missing = missing };

    /// <summary>Asks a driver for its devices and looks for cuBLAS.</summary>
    public static CudaInfo Ask(IDriverQuestions driver, IReadOnlyList<CublasNames> cublas)
    {
        var info = new CudaInfo { DriverLibrary = driver.Library, DriverPath = driver.Path };
        int error = driver.Initialize();
        if (error != 0) return info with { Missing = Failed(driver, "cuInit", error) };
        error = driver.GetVersion(out int version);
        if (error != 0) return info with { Missing = Failed(driver, "cuDriverGetVersion", error) };
        info = info with { DriverVersion = new Version(version / 1000, version % 1000 / 10) };
        error = driver.GetDeviceCount(out int count);
        if (error != 0) return info with { Missing = Failed(driver, "cuDeviceGetCount", error) };
        if (count == 0) return info with { Missing = $"{driver.Library} was found, but it shows no CUDA device" };

        var devices = new List<CudaDevice>(count);
        for (int number = 0; number < count; number++)
        {
            error = driver.GetDevice(number, out CudaDevice device);
            if (error != 0) return info with { Missing = Failed(driver, $"the description of device {number}", error) };
            devices.Add(device);
        }

        CublasNames? names = FindCublas(cublas, info.DriverVersion.Major, out string? missing);
        info = info with { Devices = devices, CublasLibrary = names?.Blas, CublasLtLibrary = names?.BlasLt, Missing = missing };
        return names is null ? info : AskCublas(info, names.Blas);
    }

    /// <summary>Asks each device how much memory is free; what cannot be asked stays unknown.</summary>
    public static CudaInfo AskForFreeMemory(CudaInfo info)
    {
        if (info.DriverLibrary is null || !NativeDriver.TryOpen([info.DriverLibrary], out NativeDriver? driver, out _)) return info;
        ICudaDriver calls = CudaBinding.OpenDriver(driver.Handle);
        return info with { Devices = [.. info.Devices.Select(device => device with { FreeMemoryBytes = FreeMemory(calls, device.Number) })] };
    }

    private static unsafe long? FreeMemory(ICudaDriver calls, int number)
    {
        int device;
        nint retained;
        if (calls.Init(0) != 0 || calls.DeviceGet(&device, number) != 0) return null;
        if (calls.DevicePrimaryCtxRetain(&retained, device) != 0) return null;
        using var context = new ContextHandle(calls, device, retained);
        nuint free, total;
        return context.MakeCurrent() == 0 && calls.MemGetInfo(&free, &total) == 0 ? (long)free : null;
    }

    // Major, minor and patch are asked one by one, without a handle.
    private static unsafe CudaInfo AskCublas(CudaInfo info, string library)
    {
        nint handle = NativeLibrary.Load(library);
        try
        {
            if (!NativeLibrary.TryGetExport(handle, "cublasGetProperty", out nint function)) return info;
            var getProperty = (delegate* unmanaged<int, int*, int>)function;
            int* parts = stackalloc int[3];
            for (int i = 0; i < 3; i++)
            {
                if (getProperty(i, parts + i) != 0) return info;
            }

            return info with { CublasPath = LoadedLibrary.PathOf(function), CublasVersion = new Version(parts[0], parts[1], parts[2]) };
        }
        finally
        {
            NativeLibrary.Free(handle);
        }
    }

    // The core is looked for first: without it cuBLAS does not load either, and cuBLAS would be the wrong name to tell.
    private static CublasNames? FindCublas(IReadOnlyList<CublasNames> cublas, int newestMajor, out string? missing)
    {
        string tried = "";
        foreach (CublasNames names in cublas)
        {
            if (names.Major > newestMajor) continue;
            string? absent = !IsThere(names.BlasLt) ? names.BlasLt : !IsThere(names.Blas) ? names.Blas : null;
            if (absent is null)
            {
                missing = null;
                return names;
            }

            tried += tried.Length == 0 ? absent : $" and {absent}";
        }

        missing = tried.Length == 0
            ? $"the driver serves CUDA {newestMajor}, and the engine knows cuBLAS from CUDA {cublas[^1].Major} on"
            : $"cuBLAS is not installed: {tried} not found";
        return null;
    }

    private static bool IsThere(string library)
    {
        if (!NativeLibrary.TryLoad(library, out nint handle)) return false;
        NativeLibrary.Free(handle);
        return true;
    }

    private static string Failed(IDriverQuestions driver, string call, int error) =>
        $"{driver.Library} was found, but {call} fails with {driver.Describe(error)}";
}
