// Registers as vectors: a register is 32 lanes side by side, and every write is masked.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxMachine.Opcodes;

internal static unsafe class Lanes
{
    /// <summary>Stores one 64-byte part of a register where the mask has ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(Vector512<T> value, T* register, int part, uint mask) where T : unmanaged
    {
        T* at = register + (part * (64 / sizeof(T)));
        if (mask != ~0u) value = Vector512.ConditionalSelect(Expand<T>(mask, part), value, Vector512.Load(at));
        value.Store(at);
    }

    /// <summary>A lane's bit of the mask as all ones or zeros in that lane of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Expand<T>(uint mask, int part) where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            Vector512<uint> bits = Vector512.Create(1u, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768);
            return Vector512.Equals(Vector512.Create(mask >> (16 * part)) & bits, bits).As<uint, T>();
        }

        if (sizeof(T) == 8)
        {
            Vector512<ulong> bits = Vector512.Create(1ul, 2, 4, 8, 16, 32, 64, 128);
            return Vector512.Equals(Vector512.Create((ulong)(mask >> (8 * part))) & bits, bits).As<ulong, T>();
        }

        Vector256<ushort> word = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768);
        return Vector512.Create(
            Vector256.Equals(Vector256.Create((ushort)mask) & word, word),
            Vector256.Equals(Vector256.Create((ushort)(mask >> 16)) & word, word)).As<ushort, T>();
    }

    /// <summary>The sign bits of a part's lanes, moved to where the part's lanes are in a mask.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Bits<T>(Vector512<T> comparison, int part) where T : unmanaged =>
        (uint)comparison.ExtractMostSignificantBits() << (part * (64 / sizeof(T)));

    /// <summary>Writes a predicate where the mask has ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(uint bits, byte* predicate, uint mask) =>
        *(uint*)predicate = (*(uint*)predicate & ~mask) | (bits & mask);
}
