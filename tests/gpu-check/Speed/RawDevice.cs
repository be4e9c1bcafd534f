// The driver and cuBLAS without the backend between: what they reach by themselves is the roof that the backend is held against.
using Engine.Cuda;
using Engine.Cuda.Device;
using Engine.Cuda.Driver;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

/// <summary>A stream and a handle of cuBLAS beside those of a backend.</summary>
internal sealed unsafe class RawDevice : IDisposable
{
    private const uint NonBlocking = 1;
    private const int WorkspaceBytes = 32 << 20;

    private readonly CudaBackend _backend;
    private readonly Tensor _workspace;
    private readonly nint _stream;
    private readonly nint _blas;

    /// <summary>Makes them.</summary>
    public RawDevice(CudaBackend backend)
    {
        _backend = backend;
        _workspace = backend.Allocate(new Shape(1, WorkspaceBytes / sizeof(int)), DType.Int32);
        backend.Context.MakeCurrent();
        nint stream, blas;
        Check(Calls.StreamCreate(&stream, NonBlocking), "cuStreamCreate");
        _stream = stream;
        Check(Blas.Create(&blas), "cublasCreate");
        _blas = blas;
        Check(Blas.SetStream(blas, stream), "cublasSetStream");
        Check(Blas.SetWorkspace(blas, _workspace.Handle, WorkspaceBytes), "cublasSetWorkspace");
        Check(Blas.SetMathMode(blas, CublasCalls.NoReducedPrecisionReduction), "cublasSetMathMode");
    }

    private ICudaDriver Calls => _backend.Context.Calls;

    private IBlas Blas => _backend.Context.Blas;

    /// <summary>Waits for what the backend has put in its own stream, such as zeros and numbers: this one would not.</summary>
    public void WaitForBackend() => _backend.Context.Stream.Wait();

    /// <summary>Waits for the stream.</summary>
    public void Wait() => Check(Calls.StreamSynchronize(_stream), "cuStreamSynchronize");

    /// <summary>Copies within the device.</summary>
    public void Copy(in Tensor destination, in Tensor source, long bytes) =>
        Check(Calls.MemcpyDtoDAsync(destination.Handle, source.Handle, (nuint)bytes, _stream), "cuMemcpyDtoDAsync");

    /// <summary>y[rows, outputs] = x[rows, inputs] · w[outputs, inputs]ᵀ.</summary>
    public void Multiply(in RawProduct product, in Tensor x, in Tensor w, in Tensor y, int rows, int outputs, int inputs)
    {
        float one = 1, zero = 0;
        int whole = 1, nothing = 0;
        bool isWhole = product.Compute == CublasCalls.ComputeInt32;
        void* alpha = isWhole ? &whole : &one, beta = isWhole ? &nothing : &zero;
        Check(
            Blas.GemmEx(
                _blas, CublasCalls.Transposed, CublasCalls.AsStored, outputs, rows, inputs, alpha, w.Handle, product.Input, inputs,
                x.Handle, product.Input, inputs, beta, y.Handle, product.Output, outputs, product.Compute, CublasCalls.DefaultAlgorithm),
            $"cublasGemmEx of {product.Type} [{rows}, {inputs}] and [{outputs}, {inputs}]");
    }

    /// <summary>The same by each of cuBLASLt's first algorithms; none where it has no such product, or is not there.</summary>
    /// <param name="product">Types.</param>
    /// <param name="x">The left factor.</param>
    /// <param name="w">The right factor.</param>
    /// <param name="y">The product.</param>
    /// <param name="sizes">Rows, outputs, inputs.</param>
    /// <param name="most">How many algorithms at most.</param>
    /// <param name="measure">What is done with a call that puts the product into the stream.</param>
    public void MultiplyByEach(
        in RawProduct product, in Tensor x, in Tensor w, in Tensor y, (int Rows, int Outputs, int Inputs) sizes, int most,
        Action<Action> measure)
    {
        if (_backend.Context.Stream.Lt is not { } lt) return;
        var whole = new BlasProduct
        {
            TransposeA = CublasCalls.Transposed,
            TransposeB = CublasCalls.AsStored,
            M = sizes.Outputs,
            N = sizes.Rows,
            K = sizes.Inputs,
            A = new BlasMatrix(w.Handle, product.Input, sizes.Inputs),
            B = new BlasMatrix(x.Handle, product.Input, sizes.Inputs),
            C = new BlasMatrix(y.Handle, product.Output, sizes.Outputs),
            Compute = product.Compute,
        };
        using var described = new LtProduct(lt, whole);
        foreach (BlasLtChoice choice in described.Find(most, WorkspaceBytes))
        {
            measure(() => Check(
                described.Multiply(whole, choice.Algorithm, _workspace.Handle, WorkspaceBytes, _stream),
                $"cublasLtMatmul {whole.Sizes()}"));
        }
    }

    /// <summary>Frees stream, handle and workspace.</summary>
    public void Dispose()
    {
        _backend.Context.MakeCurrent();
        Check(Calls.StreamSynchronize(_stream), "cuStreamSynchronize");
        Check(Blas.Destroy(_blas), "cublasDestroy");
        Check(Calls.StreamDestroy(_stream), "cuStreamDestroy");
        _backend.Free(_workspace);
    }

    private static void Check(int code, string call)
    {
        if (code != 0) throw new InvalidOperationException($"{call} gives {code}.");
    }
}

/// <summary>Types of a product of cuBLAS, by the word that the engine has for it.</summary>
internal readonly record struct RawProduct(string Type, int Input, int Output, int Compute, int BytesOfInput)
{
    /// <summary>What the engine uses or may use.</summary>
    public static IReadOnlyList<RawProduct> All { get; } =
    [
        new("float32", CublasCalls.Float32, CublasCalls.Float32, CublasCalls.ComputeFloat32, 4),
        new("tf32", CublasCalls.Float32, CublasCalls.Float32, CublasCalls.ComputeTf32, 4),
        new("float16", CublasCalls.Float16, CublasCalls.Float32, CublasCalls.ComputeFloat32, 2),
        new("bfloat16", CublasCalls.BFloat16, CublasCalls.Float32, CublasCalls.ComputeFloat32, 2),
        new("int8", CublasCalls.Int8, CublasCalls.Int32, CublasCalls.ComputeInt32, 1),
    ];
}
