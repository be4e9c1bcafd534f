// Rows of all sentences at one position: taken, put back, and added to.
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>y[sentence] = x at the position, or zeros.</summary>
internal readonly unsafe struct TakenRows(FloatRows x, FloatRows y, int columns, int* offsets, int position) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int sentence = first; sentence < end; sentence++)
        {
            var target = new Span<float>(y[sentence], columns);
            bool isThere = position >= 0 && position < offsets[sentence + 1] - offsets[sentence];
            if (isThere) new ReadOnlySpan<float>(x[offsets[sentence] + position], columns).CopyTo(target);
            else target.Clear();
        }
    }
}

/// <summary>x at the position = y[sentence], or added to it.</summary>
internal readonly unsafe struct PutRows(FloatRows y, FloatRows x, int columns, int* offsets, int position, bool adds) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int sentence = first; sentence < end; sentence++)
        {
            if (position < 0 || position >= offsets[sentence + 1] - offsets[sentence]) continue;
            float* from = y[sentence], to = x[offsets[sentence] + position];
            if (adds) Elementwise<Addition>.Row<TSimd>(to, from, to, columns);
            else new ReadOnlySpan<float>(from, columns).CopyTo(new Span<float>(to, columns));
        }
    }
}
