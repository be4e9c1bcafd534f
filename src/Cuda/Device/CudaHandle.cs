// What the driver gives handles for. After an error of a kernel it refuses to free anything, and frees all by itself when the process
// ends; so nobody is told of an error here.
using System.Runtime.InteropServices;
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>Something that lives in a context, which lives at least as long.</summary>
internal abstract class CudaHandle : SafeHandle
{
    private readonly ContextHandle _context;

    /// <summary>Takes over what the driver made.</summary>
    /// <param name="context">Where it lives.</param>
    /// <param name="value">The driver's handle, not 0.</param>
    protected CudaHandle(ContextHandle context, nint value)
        : base(0, ownsHandle: true)
    {
        bool isHeld = false;
        context.DangerousAddRef(ref isHeld);
        _context = context;
        SetHandle(value);
    }

    /// <summary>The driver's handle, or an address.</summary>
    public nint Value => handle;

    /// <inheritdoc />
    public sealed override bool IsInvalid => handle == 0;

    /// <summary>Frees it; the context is the thread's.</summary>
    protected abstract int Destroy();

    /// <inheritdoc />
    protected sealed override bool ReleaseHandle()
    {
        _ = _context.MakeCurrent();
        int error = Destroy();
        _context.DangerousRelease();
        return error == 0;
    }
}

/// <summary>A stream.</summary>
internal sealed class StreamHandle(ICudaDriver driver, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.StreamDestroy(handle);
}

/// <summary>A module.</summary>
internal sealed class ModuleHandle(ICudaDriver driver, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.ModuleUnload(handle);
}

/// <summary>A graph as it was captured.</summary>
internal sealed class GraphHandle(ICudaDriver driver, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.GraphDestroy(handle);
}

/// <summary>A graph that can be launched. One that still runs is freed by the driver when it ends.</summary>
internal sealed class GraphExecHandle(ICudaDriver driver, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.GraphExecDestroy(handle);
}

/// <summary>Device memory.</summary>
internal sealed class DeviceMemory(ICudaDriver driver, ContextHandle context, nint address) : CudaHandle(context, address)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.MemFree(handle);
}

/// <summary>Pinned host memory.</summary>
internal sealed unsafe class PinnedMemory(ICudaDriver driver, ContextHandle context, nint address) : CudaHandle(context, address)
{
    /// <inheritdoc />
    protected override int Destroy() => driver.MemFreeHost((void*)handle);
}

/// <summary>A handle of cuBLAS.</summary>
internal sealed class BlasHandle(IBlas blas, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => blas.Destroy(handle);
}

/// <summary>A handle of cuBLASLt.</summary>
internal sealed class BlasLtHandle(CublasLtCalls lt, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => lt.Destroy(handle);
}

/// <summary>A product as cuBLASLt was told of it.</summary>
internal sealed class BlasLtDescription(CublasLtCalls lt, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => lt.DestroyDescription(handle);
}

/// <summary>A matrix as cuBLASLt was told of it.</summary>
internal sealed class BlasLtLayout(CublasLtCalls lt, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => lt.DestroyLayout(handle);
}

/// <summary>What cuBLASLt's choice is restricted to.</summary>
internal sealed class BlasLtPreference(CublasLtCalls lt, ContextHandle context, nint value) : CudaHandle(context, value)
{
    /// <inheritdoc />
    protected override int Destroy() => lt.DestroyPreference(handle);
}
