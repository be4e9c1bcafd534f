// Rows laid side by side, [k][rows] a strip: a tile then reads one stream with constant offsets, and rows whose stride
// is a power of two do not fight for the same lines of the cache.
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Lays the rows of x side by side, a strip a tile.</summary>
internal unsafe struct PackRows : IJob
{
    public GemmPlan Plan;
    public int Inputs;

    /// <summary>The first row.</summary>
    public float* X;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    /// <summary>Room for as many numbers as x has.</summary>
    public float* Strips;

    public void Execute(int tile, int worker)
    {
        int row = Plan.StripStart(tile), rows = Plan.StripStart(tile + 1) - row;
        float* x = X + (row * Stride), strip = Strips + ((nint)row * Inputs);
        int r = 0;
        if (Sse.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            for (; r <= rows - 4; r += 4) PackFour(x + (r * Stride), strip + r, rows);
            for (; r <= rows - 2; r += 2) PackTwo(x + (r * Stride), strip + r, rows);
        }

        for (; r < rows; r++)
        {
            for (int k = 0; k < Inputs; k++) strip[((nint)k * rows) + r] = x[(r * Stride) + k];
        }
    }

    // Four rows of four columns, transposed in registers.
    private readonly void PackFour(float* x, float* strip, int rows)
    {
        float* a = x, b = a + Stride, c = b + Stride, d = c + Stride;
        int k = 0;
        for (; k <= Inputs - 4; k += 4, strip += 4 * rows)
        {
            (Vector128<float> ac, Vector128<float> ac2) = Interleave(Vector128.Load(a + k), Vector128.Load(c + k));
            (Vector128<float> bd, Vector128<float> bd2) = Interleave(Vector128.Load(b + k), Vector128.Load(d + k));
            (Vector128<float> first, Vector128<float> second) = Interleave(ac, bd);
            (Vector128<float> third, Vector128<float> fourth) = Interleave(ac2, bd2);
            first.Store(strip);
            second.Store(strip + rows);
            third.Store(strip + (2 * rows));
            fourth.Store(strip + (3 * rows));
        }

        for (; k < Inputs; k++, strip += rows)
        {
            strip[0] = a[k];
            strip[1] = b[k];
            strip[2] = c[k];
            strip[3] = d[k];
        }
    }

    private readonly void PackTwo(float* x, float* strip, int rows)
    {
        float* a = x, b = a + Stride;
        int k = 0;
        for (; k <= Inputs - 4; k += 4, strip += 4 * rows)
        {
            (Vector128<float> low, Vector128<float> high) = Interleave(Vector128.Load(a + k), Vector128.Load(b + k));
            *(double*)strip = low.AsDouble().ToScalar();
            *(double*)(strip + rows) = low.AsDouble().GetElement(1);
            *(double*)(strip + (2 * rows)) = high.AsDouble().ToScalar();
            *(double*)(strip + (3 * rows)) = high.AsDouble().GetElement(1);
        }

        for (; k < Inputs; k++, strip += rows)
        {
            strip[0] = a[k];
            strip[1] = b[k];
        }
    }

    // (a0 b0 a1 b1, a2 b2 a3 b3).
    private static (Vector128<float> Low, Vector128<float> High) Interleave(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported
            ? (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b))
            : (AdvSimd.Arm64.ZipLow(a, b), AdvSimd.Arm64.ZipHigh(a, b));
}
