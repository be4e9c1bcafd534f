// The device's primary context, retained for as long as anything of ours lives in it: each handle holds a reference, so it goes last,
// whoever disposes of what first, and if nobody does, finalisers included.
using System.Runtime.InteropServices;
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>A retained primary context.</summary>
internal sealed class ContextHandle : SafeHandle
{
    private static long s_last;

    // The driver's current context belongs to the thread; it is set here only, so that this is true. A number, since a reference
    // would keep what nobody uses.
    [ThreadStatic]
    private static long t_current;

    private readonly long _number = Interlocked.Increment(ref s_last);
    private readonly ICudaDriver _driver;
    private readonly int _device;

    /// <summary>Takes over a context that was retained.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="device">Whose context it is.</param>
    /// <param name="context">The driver's handle, not 0.</param>
    public ContextHandle(ICudaDriver driver, int device, nint context)
        : base(0, ownsHandle: true)
    {
        _driver = driver;
        _device = device;
        SetHandle(context);
    }

    /// <inheritdoc />
    public override bool IsInvalid => handle == 0;

    /// <summary>Whether it is the calling thread's.</summary>
    public bool IsCurrent => t_current == _number;

    /// <summary>Makes it the calling thread's.</summary>
    /// <returns>The driver's error code.</returns>
    public int MakeCurrent()
    {
        if (IsCurrent) return 0;
        int error = _driver.CtxSetCurrent(handle);
        t_current = error == 0 ? _number : 0;
        return error;
    }

    /// <inheritdoc />
    protected override bool ReleaseHandle()
    {
        if (IsCurrent) t_current = 0;
        return _driver.DevicePrimaryCtxRelease(_device) == 0;
    }
}
