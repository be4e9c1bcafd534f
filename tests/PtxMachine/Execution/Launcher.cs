// Runs a grid: threads of this process take its blocks in an order drawn from the seed.
using System.Runtime.InteropServices;
using PtxMachine.Memory;

namespace PtxMachine.Execution;

internal static unsafe class Launcher
{
    /// <summary>Runs all blocks; gives the warp instructions that ran.</summary>
    /// <exception cref="PtxFaultException">The launch is refused, or the kernel did something wrong.</exception>
    public static long Run(Kernel kernel, LaunchSpec spec, DeviceMemory memory, ReadOnlySpan<byte> parameters)
    {
        Limits.Check(kernel, spec, parameters.Length);
        byte* bank = (byte*)NativeMemory.AlignedAlloc((nuint)(kernel.ParameterBytes + 64), 64);
        parameters.CopyTo(new Span<byte>(bank, kernel.ParameterBytes + 64));
        try
        {
            return Run(kernel, spec, memory, bank);
        }
        finally
        {
            NativeMemory.AlignedFree(bank);
        }
    }

    private static long Run(Kernel kernel, LaunchSpec spec, DeviceMemory memory, byte* parameters)
    {
        long blocks = (long)spec.GridX * spec.GridY * spec.GridZ;
        uint launch = spec.Races && blocks is > 1 and <= BlockRaces.MostBlocks && !kernel.HasFence ? memory.NextLaunch() : 0;
        long stride = Stride(blocks, spec.Seed);
        long taken = 0, instructions = 0;
        Exception? first = null;
        int workers = (int)Math.Min(blocks, spec.Workers > 0 ? spec.Workers : Environment.ProcessorCount);
        if (workers == 1)
        {
            Work();
        }
        else
        {
            var threads = new Thread[workers - 1];
            for (int i = 0; i < threads.Length; i++)
            {
                threads[i] = new Thread(Work) { IsBackground = true };
                threads[i].Start();
            }

            Work();
            foreach (Thread thread in threads) thread.Join();
        }

        if (first != null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        return instructions;

        void Work()
        {
            try
            {
                using var block = new Block(kernel, spec, memory, parameters, launch);
                while (Volatile.Read(ref first) == null)
                {
                    long next = Interlocked.Increment(ref taken) - 1;
                    if (next >= blocks) break;
                    block.Run((long)((UInt128)next * (ulong)stride % (ulong)blocks));
                }

                Interlocked.Add(ref instructions, block.Instructions);
                if (block.Profile is not { } profile) return;
                profile.Instructions = block.Instructions;
                lock (spec.Profile!) spec.Profile.Add(profile);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref first, exception, null);
            }
        }
    }

    // A step that has no divisor in common with the number of blocks visits each block once.
    private static long Stride(long blocks, ulong seed)
    {
        if (seed == 0 || blocks < 3) return 1;
        long stride = (long)((seed * 0x9E3779B97F4A7C15 >> 1) % (ulong)blocks);
        while (Divisor(stride, blocks) != 1) stride = stride <= 1 ? 1 : stride - 1;
        return stride;
    }

    private static long Divisor(long a, long b) => b == 0 ? a : Divisor(b, a % b);
}
