// Memory of weights: slabs of huge pages, given back with the last weight in them.
using Engine.Cpu.Memory;
using Xunit;

namespace Cpu.Tests.Memory;

[Collection(nameof(NativeMemoryTests))]
public unsafe class WeightMemoryTests
{
    [Fact]
    public void Weights_lie_behind_each_other_and_are_zero()
    {
        var memory = new WeightMemory();
        long before = NativeBuffer.LiveBytes;
        long[] sizes = [1, 64, 65, 1 << 20, (3 << 20) + 5, 80L << 20, 1000];
        WeightMemory.Block[] blocks = [.. sizes.Select(memory.Take)];
        Assert.Equal(before + sizes.Sum(), NativeBuffer.LiveBytes);
        for (int i = 0; i < blocks.Length; i++)
        {
            Assert.Equal(0, (nint)blocks[i].Start % NativeBuffer.Alignment);
            long[] places = [0, sizes[i] / 2, sizes[i] - 1];
            foreach (long place in places) Assert.Equal(0, blocks[i].Start[place]);
            foreach (long place in places) blocks[i].Start[place] = 1;
        }

        if (Pages.IsSupported)
        {
            Assert.Equal(0, (nint)blocks[0].Start % Pages.HugeBytes);
            Assert.Equal((nint)blocks[0].Start + 64, (nint)blocks[1].Start);
            Assert.Equal((nint)blocks[1].Start + 64, (nint)blocks[2].Start);
        }

        foreach (WeightMemory.Block block in blocks)
        {
            block.Dispose();
            block.Dispose();
        }

        Assert.Equal(before, NativeBuffer.LiveBytes);
        using WeightMemory.Block again = memory.Take(100);   // the slabs are gone: this is a new one
        Assert.Equal(0, again.Start[0]);
    }

    [Fact]
    public void Large_buffers_are_pages_that_cost_nothing_before_they_are_touched()
    {
        const long Bytes = 1L << 30;
        long before = NativeBuffer.LiveBytes, resident = Environment.WorkingSet;
        var memory = (byte*)NativeBuffer.Allocate(Bytes, zeroed: true);
        Assert.Equal(before + Bytes, NativeBuffer.LiveBytes);
        Assert.Equal(0, memory[Bytes - 1]);
        if (Pages.IsSupported) Assert.InRange(Environment.WorkingSet - resident, long.MinValue, Bytes / 2);
        NativeBuffer.Free(memory, Bytes);
        Assert.Equal(before, NativeBuffer.LiveBytes);
    }
}
