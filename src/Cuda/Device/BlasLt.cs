// cuBLASLt, opened. A product that it is asked for is described, and its algorithm chosen, when a shape is first met, and kept: the
// library's first choice, so that results repeat, and made before work is captured.
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>Products with a bias and an activation in the same pass, of one stream.</summary>
internal sealed unsafe class BlasLt : IDisposable
{
    // Ragged batches have any number of rows, so shapes do not end; some hundred bytes of the host each.
    private const int MostKept = 4096;

    private readonly WorkStream _stream;
    private readonly ContextHandle _context;
    private readonly BlasLtHandle _handle;
    private readonly nint _workspace;
    private readonly long _workspaceBytes;
    private readonly Dictionary<BlasProduct, Known?> _known = [];

    /// <summary>Makes a handle.</summary>
    /// <param name="stream">Where products are put.</param>
    /// <param name="context">The device's context.</param>
    /// <param name="calls">The library.</param>
    /// <param name="workspace">Memory that products of this stream may use, aligned to 256 bytes.</param>
    /// <param name="workspaceBytes">Its size.</param>
    public BlasLt(WorkStream stream, ContextHandle context, CublasLtCalls calls, nint workspace, long workspaceBytes)
    {
        _stream = stream;
        _context = context;
        Calls = calls;
        _workspace = workspace;
        _workspaceBytes = workspaceBytes;
        nint handle;
        Check(calls.Create(&handle), "cublasLtCreate");
        _handle = new BlasLtHandle(calls, context, handle);
    }

    /// <summary>The library.</summary>
    public CublasLtCalls Calls { get; }

    /// <summary>Its handle.</summary>
    public nint Handle => _handle.Value;

    /// <summary>Shapes that are kept.</summary>
    public int Count => _known.Count;

    /// <summary>Describes a product, if its shape is new, and chooses its algorithm; false: the library has none.</summary>
    /// <param name="product">The product.</param>
    /// <param name="mayForget">Whether no product that was prepared is still to be done.</param>
    public bool TryPrepare(in BlasProduct product, bool mayForget)
    {
        BlasProduct shape = product.Shape();
        if (_known.TryGetValue(shape, out Known? known)) return known is not null;
        if (mayForget && _known.Count >= MostKept) Forget();
        _known.Add(shape, known = Choose(product));
        return known is not null;
    }

    /// <summary>Puts a product that was prepared into the stream; gives a status.</summary>
    public int Multiply(in BlasProduct product)
    {
        Known known = _known[product.Shape()]!;
        return known.Product.Multiply(product, known.Algorithm, _workspace, _workspaceBytes, _stream.Handle);
    }

    /// <summary>A new description.</summary>
    public BlasLtDescription Describe(int compute, int scale)
    {
        nint description;
        Check(Calls.CreateDescription(&description, compute, scale), "cublasLtMatmulDescCreate");
        return new BlasLtDescription(Calls, _context, description);
    }

    /// <summary>A new layout.</summary>
    public BlasLtLayout Layout(int type, int rows, int columns, int leading)
    {
        nint layout;
        Check(Calls.CreateLayout(&layout, type, rows, columns, leading), "cublasLtMatrixLayoutCreate");
        return new BlasLtLayout(Calls, _context, layout);
    }

    /// <summary>A new preference: algorithms that need no better alignment and no more workspace than there is.</summary>
    public BlasLtPreference Prefer(in BlasProduct shape, long workspaceBytes)
    {
        nint made;
        Check(Calls.CreatePreference(&made), "cublasLtMatmulPreferenceCreate");
        var preference = new BlasLtPreference(Calls, _context, made);
        try
        {
            Set(CublasLtCalls.MostWorkspaceBytes, &workspaceBytes, sizeof(long));
            SetNumber(CublasLtCalls.Reductions, CublasLtCalls.InPlace | CublasLtCalls.InComputeType);
            SetNumber(CublasLtCalls.AlignmentA, (uint)shape.A.Address);
            SetNumber(CublasLtCalls.AlignmentB, (uint)shape.B.Address);
            SetNumber(CublasLtCalls.AlignmentC, (uint)shape.C.Address);
            SetNumber(CublasLtCalls.AlignmentD, (uint)shape.C.Address);
            return preference;
        }
        catch
        {
            preference.Dispose();
            throw;
        }

        void SetNumber(int attribute, uint value) => Set(attribute, &value, sizeof(uint));

        void Set(int attribute, void* value, int bytes) =>
            Check(Calls.SetPreference(preference.Value, attribute, value, bytes), "cublasLtMatmulPreferenceSetAttribute");
    }

    /// <summary>Throws where a status is an error.</summary>
    public void Check(int status, string call)
    {
        if (status != 0) _stream.CheckBlas(status, call);
    }

    /// <summary>Frees the handle and what is kept.</summary>
    public void Dispose()
    {
        Forget();
        _handle.Dispose();
    }

    private void Forget()
    {
        foreach (Known? known in _known.Values) known?.Product.Dispose();
        _known.Clear();
    }

    private Known? Choose(in BlasProduct product)
    {
        var described = new LtProduct(this, product);
        try
        {
            BlasLtChoice[] choices = described.Find(1, _workspaceBytes);
            if (choices.Length > 0) return new Known(described, choices[0].Algorithm);
            described.Dispose();
            return null;
        }
        catch
        {
            described.Dispose();
            throw;
        }
    }

    private sealed record Known(LtProduct Product, BlasLtAlgorithm Algorithm);
}
