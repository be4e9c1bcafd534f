// OpenBLAS: what C, Python and Julia programs multiply matrices with.
using System.Runtime.InteropServices;

namespace Engine.Perf.Peers;

/// <summary>sgemm of the system's OpenBLAS.</summary>
internal static unsafe partial class OpenBlas
{
    private const int RowMajor = 101;
    private const int NoTranspose = 111;
    private const int Transpose = 112;

    private static readonly nint Library = Load();

    /// <summary>Whether it was found.</summary>
    public static bool IsHere => Library != 0;

    public static string Describe => IsHere
        ? $"OpenBLAS: {Text("openblas_get_config")}, kernels {Text("openblas_get_corename")}"
        : "OpenBLAS: not here. Debian: apt install libopenblas0; elsewhere put its library into artifacts/perf/peers";

    public static PeerCall Gemm(GemmShape shape, float[] x, float[] weight) => new Product(shape, x, weight);

    // Variables may ask it for kernels of another processor. It reads them when it is loaded, from C's environment, which
    // is not .NET's.
    private static nint Load()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = UnsetVariable("OPENBLAS_CORETYPE");
            _ = UnsetVariable("OPENBLAS_L2_SIZE");
        }

        string[] names = ["libopenblas.so.0", "libopenblas.so", "libopenblas.dll", "libopenblas.dylib"];
        foreach (string name in names.Select(name => Path.Combine(AllPeers.Folder, name)).Concat(names))
            if (NativeLibrary.TryLoad(name, out nint library)) return library;
        return 0;
    }

    private static string? Text(string function) =>
        Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)NativeLibrary.GetExport(Library, function))())?.Trim();

    [LibraryImport("libc", EntryPoint = "unsetenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int UnsetVariable(string name);

    private sealed class Product(GemmShape shape, float[] x, float[] weight) : PeerCall("OpenBLAS")
    {
        private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>
            _gemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
                NativeLibrary.GetExport(Library, "cblas_sgemm");

        private readonly delegate* unmanaged<int, void> _setThreads =
            (delegate* unmanaged<int, void>)NativeLibrary.GetExport(Library, "openblas_set_num_threads");

        private readonly float[] _y = new float[shape.Rows * shape.Outputs];

        public override ReadOnlySpan<float> Output => _y;

        public override void Call()
        {
            _setThreads(shape.Threads);
            fixed (float* a = x, b = weight, c = _y)
            {
                _gemm(RowMajor, NoTranspose, Transpose, shape.Rows, shape.Outputs, shape.Inputs, 1, a, shape.Inputs, b,
                    shape.Inputs, 0, c, shape.Outputs);
            }
        }

        public override void Dispose()
        {
        }
    }
}
