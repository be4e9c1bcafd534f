// The arena's promises: the same addresses in each frame, aligned, apart from each other, and no allocation once it is warm.
using CsCheck;
using Engine.Cpu.Memory;
using Xunit;

namespace Cpu.Tests.Memory;

[CollectionDefinition("Native memory", DisableParallelization = true)]
public sealed class NativeMemoryTests;

[Collection("Native memory")]
public sealed unsafe class ArenaTests
{
    private static readonly long[] Step = [0, 1, 63, 64, 65, 3 << 20, 100, 700_000, 700_000, 9 << 20, 5];

    [Fact]
    public void A_warm_arena_gives_the_same_addresses_and_allocates_nothing()
    {
        using var arena = new Arena();
        Frame(arena, Step);
        nint[] expected = Frame(arena, Step);
        long native = NativeBuffer.Allocations, managed = GC.GetAllocatedBytesForCurrentThread();
        for (int frame = 0; frame < 10; frame++)
        {
            foreach (long bytes in Step) arena.Take(bytes);
            arena.Reset();
        }

        Assert.Equal(managed, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(native, NativeBuffer.Allocations);
        Assert.Equal(expected, Frame(arena, Step));
    }

    [Fact]
    public void Pieces_are_aligned_and_do_not_overlap()
    {
        Gen.Long[0, 2 << 20].Array[0, 20].Array[1, 4].Sample(
            frames =>
            {
                using var arena = new Arena();
                foreach (long[] sizes in frames)
                {
                    nint[] addresses = Frame(arena, sizes);
                    for (int i = 0; i < sizes.Length; i++)
                    {
                        if (addresses[i] % NativeBuffer.Alignment != 0) return false;
                        for (int j = 0; j < i; j++)
                        {
                            if (addresses[i] < addresses[j] + Math.Max(sizes[j], 1) &&
                                addresses[j] < addresses[i] + Math.Max(sizes[i], 1))
                            {
                                return false;
                            }
                        }
                    }
                }

                return true;
            },
            iter: 200, threads: 1);
    }

    [Fact]
    public void Chunks_of_a_frame_become_one()
    {
        using var arena = new Arena();
        Frame(arena, Step);
        long capacity = arena.Capacity;
        nint[] addresses = Frame(arena, Step);
        Assert.Equal(capacity, arena.Capacity);
        for (int i = 1; i < Step.Length; i++)
            Assert.Equal((Math.Max(Step[i - 1], 1) + 63) / 64 * 64, addresses[i] - addresses[i - 1]);
    }

    [Fact]
    public void A_refused_piece_leaves_the_arena_usable()
    {
        using var arena = new Arena();
        arena.Take(100);
        Assert.ThrowsAny<OutOfMemoryException>(() => arena.Take(1L << 60));
        nint first = (nint)arena.Take(100);
        new Span<byte>((void*)first, 100).Fill(1);
        arena.Reset();
        Assert.NotEqual(0, (nint)arena.Take(100));
    }

    [Fact]
    public void Dispose_gives_all_memory_back()
    {
        long before = NativeBuffer.LiveBytes;
        var arena = new Arena();
        Frame(arena, Step);
        arena.Take(4 << 20);
        arena.Dispose();
        arena.Dispose();
        Assert.Equal(before, NativeBuffer.LiveBytes);
    }

    private static nint[] Frame(Arena arena, long[] sizes)
    {
        var addresses = new nint[sizes.Length];
        for (int i = 0; i < sizes.Length; i++) addresses[i] = (nint)arena.Take(sizes[i]);
        arena.Reset();
        return addresses;
    }
}
