// libtorch through its C interface, made for ahead-of-time compiled models (torch/csrc/inductor/aoti_torch/c/shim.h): no
// shim of our own is compiled, and TorchSharp's does not load everywhere.
using System.Runtime.InteropServices;
using Engine.Perf.Kernels;

namespace Engine.Perf.Peers;

/// <summary>Operators of libtorch on the CPU.</summary>
internal static unsafe class Torch
{
    private const string PeerName = "libtorch";
    private const int Float = 6;       // c10::ScalarType
    private const int BFloat16 = 15;

    private static readonly nint Library = Load();

    /// <summary>Whether it was found.</summary>
    public static bool IsHere => Library != 0;

    public static string Describe => IsHere ? $"{PeerName}: {Version}" : $"{PeerName}: not here. dotnet publish perf/peer-packages";

    private static string Version
    {
        get
        {
            ulong version = ((delegate* unmanaged<ulong>)Export("aoti_torch_abi_version"))();
            return $"{version >> 56}.{version >> 48 & 255}.{version >> 40 & 255}";
        }
    }

    /// <summary>mm of x with the transposed view of W.</summary>
    public static PeerCall Gemm(GemmShape shape, float[] x, float[] weight)
    {
        var y = new float[shape.Rows * shape.Outputs];
        var call = new Operator(shape.Threads, y);
        nint left = call.Tensor(x, Float, [shape.Rows, shape.Inputs]);
        nint right = call.Tensor(weight, Float, [shape.Inputs, shape.Outputs], [1, shape.Inputs]);
        nint output = call.Tensor(y, Float, [shape.Rows, shape.Outputs]);
        call.Run = () => Multiply(output, left, right);
        return call;
    }

    /// <summary>The same with both factors and the result in bfloat16.</summary>
    public static PeerCall BFloat16Gemm(GemmShape shape, float[] x, float[] weight)
    {
        var call = new Operator(shape.Threads, []);
        nint left = call.Tensor(Halves(x), BFloat16, [shape.Rows, shape.Inputs]);
        nint right = call.Tensor(Halves(weight), BFloat16, [shape.Inputs, shape.Outputs], [1, shape.Inputs]);
        nint output = call.Tensor(new ushort[shape.Rows * shape.Outputs], BFloat16, [shape.Rows, shape.Outputs]);
        call.Run = () => Multiply(output, left, right);
        return call;
    }

    /// <summary>Its flash attention.</summary>
    public static PeerCall Attention(int length, bool isCausal, int threads, float[][] inputs)
    {
        var attend = (delegate* unmanaged<nint, nint, nint, double, int, nint*, double*, nint*, nint*, int>)Export(
            "aoti_torch_cpu__scaled_dot_product_flash_attention_for_cpu");
        var call = new Operator(threads, []);
        nint[] x = [.. inputs.Select(values => call.Tensor(
            values, Float, [1, AttentionRows.Heads, length, AttentionRows.HeadDim],
            [length * AttentionRows.Width, AttentionRows.HeadDim, AttentionRows.Width, 1]))];
        call.Run = () =>
        {
            nint output = 0, sums = 0;
            Must(attend(x[0], x[1], x[2], 0, isCausal ? 1 : 0, null, null, &output, &sums));
            Delete(output);
            Delete(sums);
        };
        return call;
    }

    /// <summary>log_softmax or native_layer_norm.</summary>
    public static PeerCall Rowwise(bool isSoftmax, int rows, int columns, int threads, float[] x)
    {
        var dispatch = (delegate* unmanaged<byte*, byte*, ulong*, int>)Export("aoti_torch_call_dispatcher");
        var call = new Operator(threads, []);
        nint input = call.Tensor(x, Float, [rows, columns]);
        nint gain = call.Tensor(RandomTensors.Values(columns, 3), Float, [columns]);
        nint bias = call.Tensor(RandomTensors.Values(columns, 4), Float, [columns]);
        call.Run = () =>
        {
            ulong* stack = stackalloc ulong[5];
            stack[0] = (ulong)Share(input);   // the dispatcher takes what it is given
            fixed (byte* softmax = "aten::_log_softmax\0"u8, norm = "aten::native_layer_norm\0"u8, overload = "\0"u8)
            {
                if (isSoftmax)
                {
                    (stack[1], stack[2]) = (1, 0);   // dimension, half to float
                    Must(dispatch(softmax, overload, stack));
                    Delete((nint)stack[0]);
                    return;
                }

                stack[1] = (ulong)List(columns);
                (stack[2], stack[3]) = (Optional(Share(gain)), Optional(Share(bias)));
                stack[4] = BitConverter.DoubleToUInt64Bits(1e-5);
                Must(dispatch(norm, overload, stack));
                for (int i = 0; i < 3; i++) Delete((nint)stack[i]);
            }
        };
        return call;
    }

    private static void Multiply(nint output, nint left, nint right) => Must(
        ((delegate* unmanaged<nint, nint, nint, int>)Export("aoti_torch_cpu_mm_out"))(output, left, right));

    private static nint Load()
    {
        string[] files = ["libtorch_cpu.so", "torch_cpu.dll"];
        string? file = files.Select(static name => Path.Combine(AllPeers.Folder, name)).FirstOrDefault(File.Exists);
        return file is not null && NativeLibrary.TryLoad(file, out nint library) ? library : 0;
    }

    private static nint Export(string name) => NativeLibrary.GetExport(Library, name);

    private static void SetThreads(int threads)
    {
        string name = OperatingSystem.IsWindows() ? "?set_num_threads@at@@YAXH@Z" : "_ZN2at15set_num_threadsEi";
        ((delegate* unmanaged<int, void>)Export(name))(threads);
    }

    private static void Must(int error)
    {
        if (error != 0) throw new InvalidOperationException($"{PeerName} refused an operator (error {error}).");
    }

    private static void Delete(nint tensor) => Must(
        ((delegate* unmanaged<nint, int>)Export("aoti_torch_delete_tensor_object"))(tensor));

    private static nint Share(nint tensor)
    {
        nint shared = 0;
        Must(((delegate* unmanaged<nint, nint*, int>)Export("aoti_torch_new_tensor_handle"))(tensor, &shared));
        return shared;
    }

    private static nint List(long number)
    {
        nint list = 0;
        Must(((delegate* unmanaged<nuint, nint*, int>)Export("torch_new_list_reserve_size"))(1, &list));
        Must(((delegate* unmanaged<nint, ulong, int>)Export("torch_list_push_back"))(list, (ulong)number));
        return list;
    }

    // What is there lies in a cell that the dispatcher deletes.
    private static ulong Optional(nint tensor)
    {
        var cell = (ulong*)NativeMemory.Alloc(sizeof(ulong));
        *cell = (ulong)tensor;
        return (ulong)cell;
    }

    private static ushort[] Halves(float[] values) =>
        [.. values.Select(static value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))];

    // An operator with its tensors, which look at pinned arrays.
    private sealed class Operator(int threads, float[] output) : PeerCall(PeerName)
    {
        private readonly List<GCHandle> _pinned = [];
        private readonly List<nint> _tensors = [];

        public Action Run { get; set; } = static () => { };

        public override ReadOnlySpan<float> Output => output;

        public nint Tensor(Array values, int type, long[] extents, long[]? strides = null)
        {
            GCHandle handle = GCHandle.Alloc(values, GCHandleType.Pinned);
            _pinned.Add(handle);
            if (strides is null)
            {
                strides = new long[extents.Length];
                long step = 1;
                for (int i = extents.Length - 1; i >= 0; i--, step *= extents[i + 1]) strides[i] = step;
            }

            nint tensor = 0;
            fixed (long* sizes = extents, steps = strides)
            {
                Must(((delegate* unmanaged<nint, long, long*, long*, long, int, int, int, nint*, int>)Export(
                    "aoti_torch_create_tensor_from_blob"))(
                    handle.AddrOfPinnedObject(), extents.Length, sizes, steps, 0, type, 0, 0, &tensor));
            }

            _tensors.Add(tensor);
            return tensor;
        }

        public override void Call()
        {
            SetThreads(threads);
            Run();
        }

        public override void Dispose()
        {
            foreach (nint tensor in _tensors) Delete(tensor);
            foreach (GCHandle handle in _pinned) handle.Free();
        }
    }
}
