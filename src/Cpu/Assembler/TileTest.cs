// What every machine-made tile must show before it is used: the bits of plain loops on random numbers.
using System.Runtime.CompilerServices;

namespace Engine.Cpu.Assembler;

/// <summary>Compares tiles with plain loops.</summary>
internal static unsafe class TileTest
{
    // No step in the unrolled loop, one round of it and a rest, two rounds; and in the loop before the last steps of a stream.
    private static readonly int[] s_steps = [3, 5, 8, 73];

    private const int MostSteps = 73;
    private const int PanelFloats = 16 * MostSteps;
    private const int PanelsInMemory = TileCode.MostPanels;

    /// <summary>Looks for a tile whose result differs in a bit.</summary>
    /// <returns>Which and how; null: none.</returns>
    public static string? FindFault(nint* functions, TileKind kind)
    {
        var random = new Random(1);
        uint[] x = new uint[TileCode.MostRows * MostSteps];
        uint[] panels = new uint[PanelsInMemory * PanelFloats];
        uint[] start = new uint[PanelsInMemory * 16];
        float[] factors = Numbers(random, TileCode.MostRows), scales = Numbers(random, PanelsInMemory * 16);
        float[] bias = Numbers(random, PanelsInMemory * 16);
        float[] y = new float[TileCode.MostRows * PanelsInMemory * 16];
        Fill(kind, random, x);
        Fill(kind, random, panels);
        Fill(kind == TileKind.BFloat16 ? TileKind.Float32 : kind, random, start);
        fixed (uint* xs = x, ws = panels, starts = start)
        fixed (float* ys = y, rowFactors = factors, outputScales = scales, biases = bias)
        {
            for (int slot = 0; slot < TileSet.Slots; slot++)
            {
                if (functions[slot] == 0) continue;
                (int rows, int columns, _) = TileSet.Size(slot);
                foreach (int steps in s_steps)
                {
                    var arguments = new TileArguments
                    {
                        X = (byte*)xs,
                        XStride = MostSteps * sizeof(uint),
                        Panels = (byte*)ws,
                        PanelBytes = PanelFloats * sizeof(uint),
                        Steps = steps,
                        Start = (byte*)starts,
                        StartStride = 0,
                        Y = (byte*)ys,
                        YStride = PanelsInMemory * 16 * sizeof(float),
                        Next = (byte*)ws,
                        NextX = (byte*)xs,
                        NextY = (byte*)ys,
                        RowFactors = rowFactors,
                        Scales = outputScales,
                        Bias = steps == s_steps[0] ? null : biases,
                        Relu = steps == s_steps[1] ? 1 : 0,
                    };
                    ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)functions[slot])(&arguments);
                    for (int row = 0; row < rows; row++)
                    {
                        for (int output = 0; output < columns * 16; output++)
                        {
                            uint* w = ws + (output / 16 * PanelFloats) + (output % 16);
                            float expected = Plain(kind, xs + (row * MostSteps), w, steps, starts[output]);
                            if (kind == TileKind.Int8) expected = expected * factors[row] / scales[output];
                            if (arguments.Bias != null) expected += bias[output];
                            if (arguments.Relu != 0) expected = MathF.Max(expected, 0f);
                            float found = ys[(row * PanelsInMemory * 16) + output];
                            if (BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(found)) continue;
                            return $"{kind}, {rows} rows, {columns} panels, {steps} steps: row {row}, output {output} is "
                                + $"{found:R}, expected {expected:R}";
                        }
                    }
                }
            }
        }

        return null;
    }

    // Floats between 1/4 and 2 of both signs: no sum of so few vanishes, and each multiply-add rounds.
    private static void Fill(TileKind kind, Random random, uint[] numbers)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = kind switch
            {
                TileKind.Float32 => BitConverter.SingleToUInt32Bits(Number(random)),
                TileKind.BFloat16 => (BitConverter.SingleToUInt32Bits(Number(random)) & 0xFFFF0000)
                    | (BitConverter.SingleToUInt32Bits(Number(random)) >> 16),
                _ => (uint)random.NextInt64(1L << 32),
            };
        }
    }

    private static float[] Numbers(Random random, int count)
    {
        var numbers = new float[count];
        for (int i = 0; i < count; i++) numbers[i] = Number(random);
        return numbers;
    }

    private static float Number(Random random) => (0.25f + (1.75f * random.NextSingle())) * ((random.Next() & 1) == 0 ? 1 : -1);

    // Compiled at once with all optimisations: as the first tier compiles it, the test took most of the start of a process.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Plain(TileKind kind, uint* x, uint* w, int steps, uint start)
    {
        if (kind == TileKind.Int8)
        {
            int total = (int)start;
            for (int step = 0; step < steps; step++)
            {
                for (int i = 0; i < 32; i += 8) total += (byte)(x[step] >> i) * (sbyte)(byte)(w[16 * step] >> i);
            }

            return total;
        }

        float sum = BitConverter.UInt32BitsToSingle(start);
        for (int step = 0; step < steps; step++)
        {
            if (kind == TileKind.Float32) sum = MathF.FusedMultiplyAdd(Float(x[step]), Float(w[16 * step]), sum);
            else   // the upper of a pair first
            {
                sum = MathF.FusedMultiplyAdd(Float(x[step] & 0xFFFF0000), Float(w[16 * step] & 0xFFFF0000), sum);
                sum = MathF.FusedMultiplyAdd(Float(x[step] << 16), Float(w[16 * step] << 16), sum);
            }
        }

        return sum;
    }

    private static float Float(uint bits) => BitConverter.UInt32BitsToSingle(bits);
}
