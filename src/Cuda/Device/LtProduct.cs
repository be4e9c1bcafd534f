// A product as cuBLASLt is told of it: a description and layouts of the matrices, which serve all products of its shape.
using Engine.Backends;
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>The shape of a product, and what follows its sums.</summary>
internal sealed unsafe class LtProduct : IDisposable
{
    private readonly BlasLt _lt;
    private readonly BlasProduct _shape;
    private readonly BlasLtDescription? _description;
    private readonly BlasLtLayout? _a;
    private readonly BlasLtLayout? _b;
    private readonly BlasLtLayout? _c;

    /// <summary>Describes a product.</summary>
    public LtProduct(BlasLt lt, in BlasProduct product)
    {
        _lt = lt;
        _shape = product.Shape();
        int transposeA = product.TransposeA, transposeB = product.TransposeB;
        uint epilogue = Epilogue(product);
        nint bias = product.Bias;   // nobody reads there before a product is done, but its alignment counts
        try
        {
            _description = lt.Describe(product.Compute, IsInteger ? CublasCalls.Int32 : CublasCalls.Float32);
            Set(CublasLtCalls.TransposeA, &transposeA, sizeof(int));
            Set(CublasLtCalls.TransposeB, &transposeB, sizeof(int));
            Set(CublasLtCalls.Epilogue, &epilogue, sizeof(uint));
            if (bias != 0) Set(CublasLtCalls.BiasPointer, &bias, sizeof(nint));
            _a = Layout(product.A, product.TransposeA, product.M, product.K);
            _b = Layout(product.B, product.TransposeB, product.K, product.N);
            _c = Layout(product.C, CublasCalls.AsStored, product.M, product.N);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private bool IsInteger => _shape.Compute == CublasCalls.ComputeInt32;

    /// <summary>Algorithms for it, the library's first choice first; none: it has no such product.</summary>
    /// <param name="most">How many at most.</param>
    /// <param name="workspaceBytes">How much workspace there is, aligned to 256 bytes.</param>
    public BlasLtChoice[] Find(int most, long workspaceBytes)
    {
        var choices = new BlasLtChoice[most];
        int found = 0;
        using BlasLtPreference preference = _lt.Prefer(_shape, workspaceBytes);
        fixed (BlasLtChoice* first = choices)
        {
            int status = _lt.Calls.GetHeuristic(
                _lt.Handle, _description!.Value, _a!.Value, _b!.Value, _c!.Value, preference.Value, most, first, &found);
            if (status == CublasLtCalls.NotSupported) return [];
            _lt.Check(status, $"cublasLtMatmulAlgoGetHeuristic {_shape.Sizes()}");
        }

        return [.. choices.Take(found).Where(static choice => choice.State == 0)];
    }

    /// <summary>Puts a product of this shape into a stream; gives a status.</summary>
    public int Multiply(in BlasProduct product, BlasLtAlgorithm algorithm, nint workspace, long workspaceBytes, nint stream)
    {
        float one = 1, beta = product.Accumulates ? 1 : 0;
        int oneInteger = 1, betaInteger = product.Accumulates ? 1 : 0;
        nint bias = product.Bias;
        if (bias != 0) Set(CublasLtCalls.BiasPointer, &bias, sizeof(nint));
        return _lt.Calls.Multiply(
            _lt.Handle, _description!.Value, IsInteger ? &oneInteger : &one, product.A.Address, _a!.Value, product.B.Address, _b!.Value,
            IsInteger ? &betaInteger : &beta, product.C.Address, _c!.Value, &algorithm, workspace, (nuint)workspaceBytes, stream);
    }

    /// <summary>Frees what was made. Products that were put into a stream do not need it.</summary>
    public void Dispose()
    {
        _description?.Dispose();
        _a?.Dispose();
        _b?.Dispose();
        _c?.Dispose();
    }

    private static uint Epilogue(in BlasProduct product)
    {
        if (product.IsPlain) return CublasLtCalls.NoEpilogue;
        return (product.Bias != 0 ? CublasLtCalls.AddBias : 0) | (product.Activation == Activation.Relu ? CublasLtCalls.CutOff : 0);
    }

    // Rows and columns are those of op(matrix).
    private BlasLtLayout Layout(in BlasMatrix matrix, int transpose, int rows, int columns) =>
        transpose == CublasCalls.Transposed
            ? _lt.Layout(matrix.Type, columns, rows, matrix.Leading)
            : _lt.Layout(matrix.Type, rows, columns, matrix.Leading);

    private void Set(int attribute, void* value, int bytes) => _lt.Check(
        _lt.Calls.SetDescription(_description!.Value, attribute, value, bytes), "cublasLtMatmulDescSetAttribute");
}
