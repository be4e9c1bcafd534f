// Local and parameter memory: a thread's own bytes, and the launch's, which are only read.
using System.Numerics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Opcodes;

internal static unsafe class LocalAccess
{
    public static void Local(Op* op, Warp warp, uint mask, int bytes)
    {
        int size = warp.Block.Kernel.LocalBytes;
        ulong* addresses = warp.Addresses;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong offset = addresses[lane] & ~DeviceMemory.LocalWindow;
            if (offset + (ulong)bytes > (ulong)size)
            {
                throw warp.Fault(op, FaultKind.IllegalAddress,
                    $"illegal address: {bytes} bytes at offset {offset:N0} of {size:N0} bytes of local memory", lane);
            }

            addresses[lane] = (ulong)(warp.Local + ((long)lane * size) + offset);
        }
    }

    public static void Parameter(Op* op, Warp warp, uint mask, int bytes)
    {
        int size = warp.Block.Kernel.ParameterBytes;
        ulong* addresses = warp.Addresses;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (addresses[lane] + (ulong)bytes > (ulong)size)
            {
                throw warp.Fault(op, FaultKind.IllegalAddress,
                    $"illegal address: {bytes} bytes at offset {addresses[lane]:N0} of {size:N0} bytes of parameters", lane);
            }

            addresses[lane] = (ulong)(warp.Block.Parameters + addresses[lane]);
        }
    }
}
