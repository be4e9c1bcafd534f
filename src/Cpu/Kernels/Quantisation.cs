// Activations become integers, row by row, in the strips that integer tiles read.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Engine.Backends;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Quantises rows, a strip a tile.</summary>
internal unsafe struct Quantisation : IJob
{
    /// <summary>What activations are multiplied by before they meet an int16 weight.</summary>
    public const float Int16Scale = 1000f;

    public Rung Rung;
    public GemmPlan Plan;
    public int Inputs;

    /// <summary>The first row.</summary>
    public float* X;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    /// <summary>Strips of whole groups; see <see cref="IntegerTile"/>.</summary>
    public short* Strips;

    /// <summary>[rows], int8: 1 / what each row was multiplied by; null: int16.</summary>
    public float* RowFactors;

    public ActivationRounding Rounding;

    public void Execute(int tile, int worker)
    {
        fixed (Quantisation* self = &this) Ladder.Run(Rung, new QuantiseStrip { Job = self, Strip = tile });
    }
}

/// <summary>Quantises one strip.</summary>
internal unsafe struct QuantiseStrip : IKernel
{
    public Quantisation* Job;
    public int Strip;

    public readonly void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
    {
        int first = Job->Plan.StripStart(Strip), rows = Job->Plan.StripStart(Strip + 1) - first;
        short* strip = Job->Strips + ((nint)first * IntegerGroup.Count(Job->Inputs) * IntegerGroup.Inputs);
        for (int r = 0; r < rows; r++)
        {
            float* x = Job->X + ((first + r) * Job->Stride);
            short* destination = strip + (r * IntegerGroup.Inputs);
            nint step = rows * IntegerGroup.Inputs;
            bool isLegacy = Job->Rounding == ActivationRounding.Legacy;
            if (Job->RowFactors != null)
            {
                float largest = Largest<TSimd>(x, Job->Inputs);
                float scale = largest == 0f ? 1f : 127f / largest;
                Job->RowFactors[first + r] = 1f / scale;
                if (isLegacy) Row<TSimd, ShiftedDown>(x, Job->Inputs, scale, -128f, 127f, destination, step);
                else Row<TSimd, ShiftedToNearest>(x, Job->Inputs, scale, -128f, 127f, destination, step);
            }
            else
            {
                const float Scale = Quantisation.Int16Scale;
                if (isLegacy) Row<TSimd, TowardZero>(x, Job->Inputs, Scale, -32768f, 32767f, destination, step);
                else Row<TSimd, ToNearest>(x, Job->Inputs, Scale, -32768f, 32767f, destination, step);
            }
        }
    }

    private static float Largest<TSimd>(float* x, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a = TSimd.Zero, b = TSimd.Zero;
        int k = 0;
        for (; k <= count - (2 * Lanes.Count); k += 2 * Lanes.Count)
        {
            a = TSimd.Max(TSimd.Abs(TSimd.Load(x + k)), a);
            b = TSimd.Max(TSimd.Abs(TSimd.Load(x + k + Lanes.Count)), b);
        }

        for (; k < count; k += Lanes.Count)
            a = TSimd.Max(TSimd.Abs(Lanes.LoadFirst<TSimd>(x + k, Math.Min(Lanes.Count, count - k))), a);
        return TSimd.MaxLane(TSimd.Max(a, b));
    }

    private static void Row<TSimd, TRounding>(
        float* x, int count, float scale, float lowest, float highest, short* destination, nint step)
        where TSimd : unmanaged, ISimd<TSimd>
        where TRounding : unmanaged, IMap
    {
        float* whole = stackalloc float[Lanes.Count];
        for (int k = 0; k < count; k += Lanes.Count)
        {
            int left = Math.Min(Lanes.Count, count - k);
            TSimd value = TRounding.Invoke(Lanes.LoadFirst<TSimd>(x + k, left) * TSimd.Broadcast(scale));
            value = TSimd.Min(TSimd.Max(value, TSimd.Broadcast(lowest)), TSimd.Broadcast(highest));
            TSimd.Store(value, whole);
            for (int i = 0; i < left; i += IntegerGroup.Inputs, destination += step)
            {
                Vector128<int> four = Vector128.ConvertToInt32(Vector128.Load(whole + i));
                *(long*)destination = Vector128.Narrow(four, four).AsInt64().ToScalar();
            }
        }
    }

    private readonly struct ToNearest : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Round(x);
    }

    // CTranslate2 rounds after it has moved the number to 0 .. 255, where float32 is coarser (2⁻¹⁶): what lies nearer than that
    // to a border counts as on it. Without the shift one answer in twenty differs.
    private readonly struct ShiftedToNearest : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Round(x + TSimd.Broadcast(128f)) - TSimd.Broadcast(128f);
    }

    private readonly struct ShiftedDown : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Floor(x + TSimd.Broadcast(128f)) - TSimd.Broadcast(128f);
    }

    private readonly struct TowardZero : IMap
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.CopySign(TSimd.Floor(TSimd.Abs(x)), x);
    }
}
