// Sums of four byte products, and the instructions of four operands.
using System.Numerics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal readonly struct Dot4SS : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c)
    {
        int sum = (int)c;
        for (int i = 0; i < 32; i += 8) sum = unchecked(sum + ((sbyte)(a >> i) * (sbyte)(b >> i)));
        return (uint)sum;
    }
}

internal readonly struct Dot4UU : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c)
    {
        for (int i = 0; i < 32; i += 8) c = unchecked(c + ((uint)(byte)(a >> i) * (byte)(b >> i)));
        return c;
    }
}

internal readonly struct Dot4SU : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c)
    {
        int sum = (int)c;
        for (int i = 0; i < 32; i += 8) sum = unchecked(sum + ((sbyte)(a >> i) * (byte)(b >> i)));
        return (uint)sum;
    }
}

internal readonly struct Dot4US : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => Dot4SU.Invoke(b, a, c);
}

internal static unsafe class FourOperands
{
    /// <summary>bfi: the low bits of a put into b at c, as many as d says.</summary>
    public static void InsertBits(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        bool wide = op->Size == 8;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            int position = (int)(((uint*)(r + op->C))[lane] & 255);
            int length = (int)(((uint*)(r + op->More[0]))[lane] & 255);
            int width = wide ? 64 : 32;
            UInt128 field = position >= width ? 0 : (((UInt128)1 << Math.Min(length, 64)) - 1) << position;
            ulong bits = (ulong)field;
            if (wide)
            {
                ulong a = ((ulong*)(r + op->A))[lane], b = ((ulong*)(r + op->B))[lane];
                ((ulong*)(r + op->D))[lane] = (b & ~bits) | (position >= width ? 0 : (a << position) & bits);
            }
            else
            {
                ulong a = ((uint*)(r + op->A))[lane], b = ((uint*)(r + op->B))[lane];
                ((uint*)(r + op->D))[lane] = (uint)((b & ~bits) | (position >= width ? 0 : (a << position) & bits));
            }
        }
    }

    /// <summary>lop3: the table in the immediate says the result for each of the eight combinations of bits.</summary>
    public static void Logic3(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        int table = (int)op->Immediate;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint a = ((uint*)(r + op->A))[lane], b = ((uint*)(r + op->B))[lane], c = ((uint*)(r + op->C))[lane];
            uint result = 0;
            for (int i = 0; i < 8; i++)
            {
                if ((table & (1 << i)) == 0) continue;
                result |= ((i & 4) != 0 ? a : ~a) & ((i & 2) != 0 ? b : ~b) & ((i & 1) != 0 ? c : ~c);
            }

            ((uint*)(r + op->D))[lane] = result;
        }
    }
}
