// The sum over a row is one written-down expression: were it another, all rungs would agree on it and nobody would see.
using Cpu.Tests.Simd;
using Engine.Cpu.Kernels;
using Engine.Cpu.Simd;
using Xunit;

namespace Cpu.Tests.Rows;

public sealed unsafe class RowReductionTests
{
    [Fact]
    public void A_sum_is_four_chains_of_sixteen_lanes_joined_two_by_two_and_the_lanes_by_halves()
    {
        for (int columns = 0; columns <= 200; columns++)
        {
            float[] x = Tensors.Random(columns, seed: columns);
            float expected = Expression(x);
            foreach (Rung rung in Rungs.All)
            {
                float found = 0;
                fixed (float* values = x) Ladder.Run(rung, new SumOf { X = values, Columns = columns, Result = &found });
                Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(found));
            }
        }
    }

    private static float Expression(float[] x)
    {
        var chains = new float[64];
        for (int i = 0; i < x.Length; i++) chains[i % 64] += x[i];
        var lanes = new float[16];
        for (int lane = 0; lane < 16; lane++)
            lanes[lane] = (chains[lane] + chains[16 + lane]) + (chains[32 + lane] + chains[48 + lane]);
        for (int half = 8; half > 0; half /= 2)
        {
            for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[half + lane];
        }

        return lanes[0];
    }

    private struct SumOf : IKernel
    {
        public float* X;
        public float* Result;
        public int Columns;

        public readonly void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd> =>
            *Result = RowReduction.Sum<TSimd, ValueTerm<TSimd>>(X, Columns, default);
    }
}
