// A parameter of a kernel by value: eight bytes are room for each kind, so that a launch's parameters are a span on the stack.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Cuda.Device;

/// <summary>A number or an address that a kernel is given. Only as many bytes are read as the kernel's parameter has.</summary>
[StructLayout(LayoutKind.Sequential, Size = 8)]
internal readonly struct KernelArgument
{
    private readonly long _bits;

    private KernelArgument(long bits) => _bits = bits;

    public static implicit operator KernelArgument(nint address) => new(address);

    public static implicit operator KernelArgument(long number) => new(number);

    public static implicit operator KernelArgument(int number) => new(number);

    public static implicit operator KernelArgument(uint number) => new(number);

    public static implicit operator KernelArgument(float number) => new(Unsafe.BitCast<float, uint>(number));
}

/// <summary>A kernel of an embedded module.</summary>
/// <param name="family">The module: a file in <c>native/ptx</c>, without its ending.</param>
/// <param name="name">Its name in the PTX.</param>
internal sealed class Kernel(string family, string name)
{
    /// <summary>The module.</summary>
    public string Family { get; } = family;

    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>The driver's handle; 0: not loaded yet.</summary>
    public nint Function { get; set; }

    /// <summary>Whether it may have more shared memory than every block.</summary>
    public bool IsSharedAllowed { get; set; }
}
