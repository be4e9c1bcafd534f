// In steady state nothing is allocated, managed or native.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Linear;

[Collection(nameof(NativeMemoryTests))]
public class SteadyStateTests
{
    public static TheoryData<DType> AllTypes => LinearTests.AllTypes;

    [Theory, MemberData(nameof(AllTypes))]
    public void Frames_of_products_and_look_ups_allocate_nothing(DType type)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        using Weight weight = backend.Pack([TestWeight.Create(type, 400, 128, 1).Host]);
        Tensor ids = backend.Allocate(new Shape(1, 30), DType.Int32), none = Tensor.None;
        Tensor bias = backend.Allocate(new Shape(1, 400), DType.Float32);
        var linear = new LinearWeights(weight, bias);
        long managed = 0, native = 0;
        for (int frame = 0; frame < 40; frame++)
        {
            if (frame == 20) (managed, native) = (GC.GetAllocatedBytesForCurrentThread(), NativeBuffer.Allocations);
            backend.BeginFrame();
            Tensor x = backend.Embed(ids, weight, 2f, none, none);
            backend.Linear(x, linear, Activation.Relu);
            backend.Linear(x.RowRange(0, 1), linear);
            backend.EndFrame();
        }

        Assert.Equal(managed, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(native, NativeBuffer.Allocations);
    }

    [Fact]
    public void Scratch_memory_is_given_back_at_the_end_of_a_product()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight weight = backend.Pack([TestWeight.Create(DType.Float32, 16, 16, 1).Host]);
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(8, 16), DType.Float32);
        backend.Write(x, Run.Floats(128, 1));
        var linear = new LinearWeights(weight, Tensor.None);
        Tensor first = backend.Linear(x, linear), second = backend.Linear(x, linear);
        Assert.Equal(first.Handle + (first.Shape.Count * sizeof(float)), second.Handle);
    }
}
