// ldmatrix and mma.sync with the fragment layouts of the PTX manual: group = lane / 4, within = lane % 4.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Opcodes;

/// <summary>How a 32-bit register of a fragment is cut into elements.</summary>
internal interface IFragment
{
    /// <summary>Elements in one register.</summary>
    static abstract int Pack { get; }

    static abstract float Element(uint register, int index);
}

internal readonly struct HalfFragment<TFormat> : IFragment where TFormat : IHalfFormat
{
    public static int Pack => 2;

    public static float Element(uint register, int index) => TFormat.ToSingle((ushort)(register >> (16 * index)));
}

/// <summary>The hardware reads 19 bits of an f32: the lower ones are cut off.</summary>
internal readonly struct TF32Fragment : IFragment
{
    public static int Pack => 1;

    public static float Element(uint register, int index) => BitConverter.UInt32BitsToSingle(register & 0xFFFF_E000);
}

internal static unsafe class MatrixOps
{
    /// <summary>D is 4 registers of More from 0; then come A's, B's (Count says how many are A's) and C's.</summary>
    public static void Float<TFragment>(Op* op, Warp warp, uint mask) where TFragment : IFragment
    {
        Whole(op, warp, mask);
        byte* r = warp.Registers;
        int* more = op->More;
        int registersA = op->Count, registersB = registersA / 2;
        int pack = TFragment.Pack, depth = registersB * 4 * pack;
        float* a = stackalloc float[16 * 32], b = stackalloc float[8 * 32];
        for (int lane = 0; lane < 32; lane++)
        {
            int group = lane / 4, within = lane % 4;
            for (int i = 0; i < registersA; i++)
            {
                uint register = ((uint*)(r + more[4 + i]))[lane];
                int row = group + (8 * (i & 1)), column = (within * pack) + (4 * pack * (i >> 1));
                for (int e = 0; e < pack; e++) a[(row * depth) + column + e] = TFragment.Element(register, e);
            }

            for (int i = 0; i < registersB; i++)
            {
                uint register = ((uint*)(r + more[4 + registersA + i]))[lane];
                int k = (within * pack) + (4 * pack * i);
                for (int e = 0; e < pack; e++) b[((k + e) * 8) + group] = TFragment.Element(register, e);
            }
        }

        float* sums = stackalloc float[16 * 8];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < 4; i++)
                sums[Row(lane, i) * 8 + Column(lane, i)] = ((float*)(r + more[4 + registersA + registersB + i]))[lane];
        }

        for (int row = 0; row < 16; row++)
        {
            var sum = Vector256.Load(sums + (row * 8));
            for (int k = 0; k < depth; k++)
            {
                sum = Vector256.FusedMultiplyAdd(
                    Vector256.Create(a[(row * depth) + k]),
                    Vector256.Load(b + (k * 8)), sum);
            }

            Vector256.Store(sum, sums + (row * 8));
        }

        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < 4; i++) ((float*)(r + more[i]))[lane] = sums[(Row(lane, i) * 8) + Column(lane, i)];
        }
    }

    /// <summary>m16n8k32 and m16n8k16 of bytes; Immediate's bits say which of A and B are unsigned, and bit 2 .satfinite.</summary>
    public static void Integer(Op* op, Warp warp, uint mask)
    {
        Whole(op, warp, mask);
        byte* r = warp.Registers;
        int* more = op->More;
        int registersA = op->Count, registersB = registersA / 2, depth = registersB * 16;
        bool unsignedA = (op->Immediate & 1) != 0, unsignedB = (op->Immediate & 2) != 0;
        int* a = stackalloc int[16 * 32], b = stackalloc int[8 * 32];
        for (int lane = 0; lane < 32; lane++)
        {
            int group = lane / 4, within = lane % 4;
            for (int i = 0; i < registersA; i++)
            {
                uint register = ((uint*)(r + more[4 + i]))[lane];
                int row = group + (8 * (i & 1)), column = (within * 4) + (16 * (i >> 1));
                for (int e = 0; e < 4; e++) a[(row * depth) + column + e] = Byte(register, e, unsignedA);
            }

            for (int i = 0; i < registersB; i++)
            {
                uint register = ((uint*)(r + more[4 + registersA + i]))[lane];
                for (int e = 0; e < 4; e++) b[(((within * 4) + (16 * i) + e) * 8) + group] = Byte(register, e, unsignedB);
            }
        }

        long* sums = stackalloc long[16 * 8];
        for (int row = 0; row < 16; row++)
        {
            for (int column = 0; column < 8; column++)
            {
                long sum = 0;
                for (int k = 0; k < depth; k++) sum += a[(row * depth) + k] * b[(k * 8) + column];
                sums[(row * 8) + column] = sum;
            }
        }

        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < 4; i++)
            {
                long sum = sums[(Row(lane, i) * 8) + Column(lane, i)] + ((int*)(r + more[4 + registersA + registersB + i]))[lane];
                bool saturate = (op->Immediate & 4) != 0;
                ((int*)(r + more[i]))[lane] = saturate ? (int)Math.Clamp(sum, int.MinValue, int.MaxValue) : unchecked((int)sum);
            }
        }
    }

    /// <summary>Count matrices of 8 rows of 16 bytes; lanes 8i to 8i + 7 have the addresses of matrix i's rows.</summary>
    public static void LoadMatrix(Op* op, Warp warp, uint mask)
    {
        Whole(op, warp, mask);
        int count = op->Count;
        uint used = count == 4 ? ~0u : (1u << (8 * count)) - 1;
        Addressing.Compute(op, warp, used, 16);
        if (op->Space == Parsing.Space.None && Addressing.InWindow(warp, used, DeviceMemory.SharedWindow) != used)
            throw warp.Fault(op, FaultKind.IllegalAddress, "ldmatrix of an address that is not in shared memory");
        warp.Block.Profile?.CountShared(warp.Addresses, used, 16);
        SharedAccess.Run(op, warp, used, 16, Mode.Read);
        bool transposed = op->D != 0;
        uint* result = stackalloc uint[32];
        for (int matrix = 0; matrix < count; matrix++)
        {
            ulong* rows = warp.Addresses + (8 * matrix);
            for (int lane = 0; lane < 32; lane++)
            {
                int group = lane / 4, within = lane % 4;
                result[lane] = transposed
                    ? ((ushort*)rows[2 * within])[group] | ((uint)((ushort*)rows[(2 * within) + 1])[group] << 16)
                    : ((uint*)rows[group])[within];
            }

            Buffer.MemoryCopy(result, warp.Registers + op->More[matrix], 128, 128);
        }
    }

    private static int Row(int lane, int i) => (lane / 4) + (8 * (i >> 1));

    private static int Column(int lane, int i) => (lane % 4 * 2) + (i & 1);

    private static int Byte(uint register, int index, bool unsigned) =>
        unsigned ? (byte)(register >> (8 * index)) : (sbyte)(register >> (8 * index));

    private static void Whole(Op* op, Warp warp, uint mask)
    {
        if (mask != ~0u) throw warp.Fault(op, FaultKind.Convergence, $"all 32 lanes are needed, {BitOperations.PopCount(mask)} are here");
    }
}
