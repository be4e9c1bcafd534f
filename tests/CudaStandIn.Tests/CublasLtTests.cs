// Products of cuBLASLt through the exports: bias and ReLU beside plain loops, and what is refused: an algorithm that was found for something
// else, memory that is not aligned as was said, too little workspace, what was destroyed, and what is left.
using System.Runtime.InteropServices;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class CublasLtTests : DeviceTests
{
    private const int M = 7, N = 5, K = 70;
    private const int InvalidValue = 7, NotSupported = 15;
    private const int WordsOfChoice = 12;
    private const uint NoEpilogue = 1, CutOff = 2, AddBias = 4;

    [Theory, InlineData(NoEpilogue), InlineData(CutOff), InlineData(AddBias), InlineData(CutOff | AddBias)]
    public void Products_with_what_follows_the_sums(uint epilogue)
    {
        foreach (ulong workspaceBytes in new ulong[] { 0, 1 << 16 })
        {
            Scene scene = Scene.Open(epilogue, workspaceBytes);
            Assert.Equal(workspaceBytes == 0 ? 1 : 2, scene.Found);
            for (int choice = 0; choice < scene.Found; choice++)
            {
                Assert.Equal(0, scene.Run(choice));
                float[] found = Driver.Download(scene.C, M * N, scene.Stream);
                for (int i = 0; i < found.Length; i++)
                {
                    double sum = 0, size = 0;
                    for (int k = 0; k < K; k++)
                    {
                        double term = (double)scene.Left[(i % M * K) + k] * scene.Right[(i / M * K) + k];
                        (sum, size) = (sum + term, size + Math.Abs(term));
                    }

                    if ((epilogue & AddBias) != 0) sum += scene.Added[i % M];
                    if ((epilogue & CutOff) != 0) sum = Math.Max(sum, 0);
                    double bound = (K + 3) * (size + 1) / (1 << 24);   // a rounding of 2^-24 a step
                    Assert.InRange(found[i] - sum, -bound, bound);
                }
            }

            Assert.Equal(scene.Found, Driver.Count("lt_products"));
            scene.Close();
        }
    }

    [Fact]
    public void An_algorithm_is_for_what_it_was_found_for()
    {
        Scene scene = Scene.Open(AddBias, 1 << 16);
        Assert.Equal(0, scene.Run(0));
        Assert.Equal(InvalidValue, scene.Run(0, a: scene.A + 4));
        Assert.Contains("A at 0x", Driver.Report());
        Assert.Contains("was said to be aligned to 16 bytes", Driver.Report());
        scene.SetBias(scene.Bias + 4);
        Assert.Equal(InvalidValue, scene.Run(0));
        Assert.Contains("the bias at 0x", Driver.Report());
        scene.SetBias(scene.Bias);
        Assert.Equal(InvalidValue, scene.Run(0, workspaceBytes: 256));
        Assert.Contains("the workspace has 256 bytes, the algorithm needs 512", Driver.Report());
        Assert.Equal(InvalidValue, scene.Run(0, workspace: scene.Workspace + 16));
        Assert.Contains("the workspace is not aligned to 256 bytes", Driver.Report());
        Assert.Equal(0, scene.Run(1, workspaceBytes: 0));
        scene.SetEpilogue(NoEpilogue);
        Assert.Equal(InvalidValue, scene.Run(0));
        Assert.Contains("the algorithm was found for another product", Driver.Report());
        scene.Forge(0);
        Assert.Equal(InvalidValue, scene.Run(0));
        Assert.Contains("the algorithm is none that was found here", Driver.Report());
        scene.Close();
    }

    [Fact]
    public void Attributes_have_a_size_and_a_range()
    {
        Driver.Start();
        nint description = Driver.Made("cublasLtMatmulDescCreate", 68, 0), preference = Driver.Made("cublasLtMatmulPreferenceCreate");
        ulong value = 1;
        nint at = (nint)(&value);
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulDescSetAttribute", description, 3, at, 8));
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulDescSetAttribute", description, 99, at, 4));
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulPreferenceSetAttribute", preference, 1, at, 4));
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulPreferenceSetAttribute", preference, 2, at, 4));
        value = 32;
        Assert.Equal(NotSupported, Driver.Call("cublasLtMatmulDescSetAttribute", description, 7, at, 4));
        value = 48;
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulPreferenceSetAttribute", preference, 5, at, 4));
        nint made = 0;
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatmulDescCreate", (nint)(&made), 68, 10));
        Assert.Equal(InvalidValue, Driver.Call("cublasLtMatrixLayoutCreate", (nint)(&made), 0, 8, 3, 7));
        Assert.Contains("attribute 3 has 8 bytes, expected 4", Driver.Report());
        Assert.Contains("the attribute 99 is not known", Driver.Report());
        Assert.Contains("the alignment is 48, no power of two", Driver.Report());
        Assert.Contains("8 × 3 with 7 to the next column", Driver.Report());
        Driver.Good("cublasLtMatmulDescDestroy", description);
        Assert.Equal(1, Driver.Call("cublasLtMatmulDescSetAttribute", description, 3, at, 4));
        Assert.Contains("a LtDescription that was destroyed", Driver.Report());
        Driver.Good("cublasLtMatmulPreferenceDestroy", preference);
    }

    [Fact]
    public void Nothing_is_chosen_in_a_capture_and_what_was_chosen_before_is_captured()
    {
        Scene scene = Scene.Open(CutOff | AddBias, 1 << 16);
        nint graph = 0;
        Driver.Good("cuStreamBeginCapture_v2", scene.Stream, 1);
        Assert.Equal(0, scene.Run(0));
        Driver.Good("cuStreamEndCapture", scene.Stream, (nint)(&graph));
        Driver.Good("cuGraphDestroy", graph);
        Driver.Good("cuStreamBeginCapture_v2", scene.Stream, 1);
        Assert.NotEqual(0, scene.Choose());
        Assert.Equal(901, Driver.Call("cuStreamEndCapture", scene.Stream, (nint)(&graph)));
        Assert.Contains("cublasLtMatmulAlgoGetHeuristic during a capture", Driver.Report());
        scene.Close();
    }

    [Fact]
    public void Nothing_is_found_where_it_is_told_so_and_what_is_left_is_a_leak()
    {
        Scene scene = Scene.Open(AddBias, 0);
        Driver.Arm("lt_finds_nothing", 1);
        Assert.Equal(NotSupported, scene.Choose());
        Assert.Equal(0, scene.Found);
        Assert.Equal(6, Driver.Count("cublaslt"));
        Driver.Good("cuStreamDestroy_v2", scene.Stream);
        Driver.Good("cuDevicePrimaryCtxRelease_v2", 0);
        Assert.Contains("leak: 6 things of cuBLASLt", Driver.Report());
    }

    [Fact]
    public void Two_streams_do_not_share_a_workspace()
    {
        Scene scene = Scene.Open(NoEpilogue, 1 << 16);
        nint other = Driver.Made("cuStreamCreate", 1), elsewhere = Driver.Made("cuMemAlloc_v2", M * N * 4);
        Driver.Good("cuCtxSynchronize");
        Assert.Equal(0, scene.Run(0));
        Assert.Equal(0, scene.Run(0, c: elsewhere, stream: other));
        Assert.Equal(719, Driver.Call("cuCtxSynchronize"));
        Assert.Contains("missing wait: work ", Driver.Report());
    }

    // C = Aᵀ B of float32, all in the memory of the device, with algorithms.
    private sealed class Scene
    {
        private readonly ulong[] _choices = new ulong[4 * WordsOfChoice];
        private nint _handle, _description, _preference;
        private nint _a, _b, _c;
        private ulong _workspaceBytes;
        private int _found;

        public float[] Left { get; } = Values(M * K, 1);

        public float[] Right { get; } = Values(N * K, 2);

        public float[] Added { get; } = Values(M, 3);

        public nint Stream { get; private set; }

        public nint A { get; private set; }

        public nint B { get; private set; }

        public nint C { get; private set; }

        public nint Bias { get; private set; }

        public nint Workspace { get; private set; }

        public int Found => _found;

        public static Scene Open(uint epilogue, ulong workspaceBytes)
        {
            Driver.Start();
            var scene = new Scene { _workspaceBytes = workspaceBytes, Stream = Driver.Made("cuStreamCreate", 1) };
            scene.A = Driver.Upload([.. scene.Left, 0f, 0f], scene.Stream);
            scene.B = Driver.Upload(scene.Right, scene.Stream);
            scene.C = Driver.Made("cuMemAlloc_v2", M * N * 4);
            scene.Bias = Driver.Upload([.. scene.Added, 0f, 0f], scene.Stream);
            scene.Workspace = Driver.Made("cuMemAlloc_v2", 1 << 17);
            scene._handle = Driver.Made("cublasLtCreate");
            scene._description = Driver.Made("cublasLtMatmulDescCreate", 68, 0);
            scene._preference = Driver.Made("cublasLtMatmulPreferenceCreate");
            scene._a = Driver.Made("cublasLtMatrixLayoutCreate", 0, K, M, K);
            scene._b = Driver.Made("cublasLtMatrixLayoutCreate", 0, K, N, K);
            scene._c = Driver.Made("cublasLtMatrixLayoutCreate", 0, M, N, M);
            int transposed = 1;
            uint alignment = 16;
            Driver.Good("cublasLtMatmulDescSetAttribute", scene._description, 3, (nint)(&transposed), 4);
            scene.SetEpilogue(epilogue);
            if ((epilogue & AddBias) != 0) scene.SetBias(scene.Bias);
            Driver.Good("cublasLtMatmulPreferenceSetAttribute", scene._preference, 1, (nint)(&workspaceBytes), 8);
            for (int matrix = 5; matrix <= 8; matrix++)
                Driver.Good("cublasLtMatmulPreferenceSetAttribute", scene._preference, matrix, (nint)(&alignment), 4);
            Assert.Equal(0, scene.Choose());
            return scene;
        }

        public void SetEpilogue(uint epilogue) =>
            Driver.Good("cublasLtMatmulDescSetAttribute", _description, 7, (nint)(&epilogue), 4);

        public void SetBias(nint bias) => Driver.Good("cublasLtMatmulDescSetAttribute", _description, 8, (nint)(&bias), 8);

        public void Forge(int choice) => _choices[choice * WordsOfChoice] ^= 1;

        public int Choose()
        {
            fixed (ulong* choices = _choices)
            fixed (int* found = &_found)
            {
                return Driver.Call(
                    "cublasLtMatmulAlgoGetHeuristic", _handle, _description, _a, _b, _c, _c, _preference, 4, (nint)choices, (nint)found);
            }
        }

        public int Run(int choice, nint a = 0, nint c = 0, nint workspace = 0, long workspaceBytes = -1, nint stream = 0)
        {
            float one = 1, zero = 0;
            nint result = c == 0 ? C : c;
            fixed (ulong* choices = _choices)
            {
                return ((delegate* unmanaged[Cdecl]<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, ulong*, nint, nuint, nint, int>)
                    NativeLibrary.GetExport(Driver.Library, "cublasLtMatmul"))(
                    _handle, _description, &one, a == 0 ? A : a, _a, B, _b, &zero, result, _c, result, _c, choices + (choice * WordsOfChoice),
                    workspace == 0 ? Workspace : workspace, workspaceBytes < 0 ? (nuint)_workspaceBytes : (nuint)workspaceBytes,
                    stream == 0 ? Stream : stream);
            }
        }

        public void Close()
        {
            foreach (nint layout in new[] { _a, _b, _c }) Driver.Good("cublasLtMatrixLayoutDestroy", layout);
            Driver.Good("cublasLtMatmulPreferenceDestroy", _preference);
            Driver.Good("cublasLtMatmulDescDestroy", _description);
            Driver.Good("cublasLtDestroy", _handle);
            Assert.Equal(0, Driver.Count("cublaslt"));
        }

        private static float[] Values(int count, int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
        }
    }
}
