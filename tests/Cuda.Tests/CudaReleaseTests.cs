// Tensors that are kept when a part of the frame's memory is given back move over themselves, which a copy of the device must not do.
using Engine.Cuda;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

public sealed class CudaReleaseTests
{
    [Fact]
    public void Kept_tensors_move_to_the_mark_with_their_numbers()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        backend.BeginFrame();
        Tensor before = Put(backend, 5, 3, first: 1);
        long mark = backend.Mark();
        Put(backend, 1, 1, first: 0);
        Tensor large = Put(backend, 100, 101, first: 1000);     // moves by less than its size
        Put(backend, 200, 200, first: 0);
        Tensor small = Put(backend, 2, 7, first: 50_000);       // moves by more
        Tensor last = Put(backend, 64, 65, first: 90_000);
        Tensor[] kept = [small, before, last, large];
        backend.Release(mark, kept);
        Assert.Equal(before, kept[1]);
        Tensor next = Put(backend, 300, 301, first: 7);         // lies behind what was kept
        AssertNumbers(backend, kept[0], 50_000);
        AssertNumbers(backend, kept[1], 1);
        AssertNumbers(backend, kept[2], 90_000);
        AssertNumbers(backend, kept[3], 1000);
        AssertNumbers(backend, next, 7);
        Assert.Throws<ArgumentException>(() => backend.Release(mark, [kept[3].RowRange(1, 1)]));
        backend.EndFrame();
    }

    private static Tensor Put(CudaBackend backend, int rows, int columns, int first)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(tensor, Numbers(rows * columns, first));
        return tensor;
    }

    private static void AssertNumbers(CudaBackend backend, Tensor tensor, int first)
    {
        var found = new float[tensor.Shape.Count];
        backend.Read(tensor, found);
        Assert.Equal(Numbers(found.Length, first), found);
    }

    private static float[] Numbers(int count, int first) => [.. Enumerable.Range(first, count).Select(static number => (float)number)];
}
