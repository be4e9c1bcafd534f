// Guards around what operators write. In a frame every tensor begins at a multiple of 256 bytes: the bytes from its end to the next are
// nobody's, and behind what a test puts there lies a guard of its own. Before each operator the memory that it will take is filled with
// a pattern that nothing computes; guards are looked at when the frame ends. A kernel that writes beyond its tensor, or before it, is
// found out.
using Engine.Cuda;
using Engine.Tensors;
using Xunit;

namespace Engine.GpuCheck.Cases;

/// <summary>A backend whose frames are guarded.</summary>
internal sealed class GuardedBackend(CudaBackend inner) : ForwardingBackend(inner)
{
    private const int Alignment = 256;
    private const int FilledBytes = 256 << 10;  // results of most of the cases are smaller; the others have no guard
    private const int GuardFloats = 64;
    private const int Pattern = 0x7FC5A5A5;     // not a number, and none that arithmetic makes

    private static readonly int[] Filling = [.. Enumerable.Repeat(Pattern, FilledBytes / sizeof(int))];

    private readonly List<Tensor> _guards = [];
    private nint _first;

    public override void EndFrame()
    {
        try
        {
            Check();
        }
        finally
        {
            base.EndFrame();
        }
    }

    public override Tensor Rent(Shape shape, DType type)
    {
        Tensor tensor = base.Rent(shape, type);
        Tensor guard = Inner.Rent(new Shape(1, GuardFloats), DType.Int32);
        if (IsFilled(guard)) _guards.Add(guard);
        return tensor;
    }

    public override void Release(long mark, Span<Tensor> kept)
    {
        Check();
        base.Release(mark, kept);
    }

    // What the frame gives next is filled, and given back.
    protected override CudaBackend Before()
    {
        long mark = Inner.Mark();
        Tensor area = Inner.Rent(new Shape(1, Filling.Length), DType.Int32);
        Inner.Write(area, Filling);
        _first = area.Handle;
        Inner.Release(mark, []);
        return Inner;
    }

    protected override Tensor Passed(in Tensor tensor)
    {
        long bytes = tensor.Shape.Count * tensor.Type.Bytes();
        int rest = (int)(bytes % Alignment);
        if (rest == 0) return tensor;   // an empty one too
        var guard = new Tensor(
            tensor.Handle + (nint)bytes, 0, new Shape(1, (Alignment - rest) / sizeof(int)), (Alignment - rest) / sizeof(int), DType.Int32);
        if (IsFilled(guard)) _guards.Add(guard);
        return tensor;
    }

    private bool IsFilled(in Tensor guard) =>
        guard.Handle >= _first && guard.Handle + (nint)(guard.Shape.Count * sizeof(int)) <= _first + FilledBytes;

    private void Check()
    {
        foreach (Tensor guard in _guards)
        {
            var found = new int[guard.Columns];
            Inner.Read(guard, found);
            int changed = Array.FindIndex(found, static value => value != Pattern);
            Assert.True(changed < 0, $"a guard of {4 * found.Length} bytes was written to at byte {4 * changed}");
        }

        _guards.Clear();
    }
}
