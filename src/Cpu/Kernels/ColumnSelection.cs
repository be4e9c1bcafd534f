// y[row, j] = x[row, columns[j]].
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Takes some columns of each row.</summary>
internal readonly unsafe struct ColumnSelection(FloatRows x, FloatRows y, int* columns, int count) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            float* from = x[row], to = y[row];
            for (int j = 0; j < count; j++) to[j] = from[columns[j]];
        }
    }
}
