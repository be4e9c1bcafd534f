// A token of each row drawn by softmax(x / T): the largest of x / T − ln(−ln u) (Gumbel-max). Backends/TokenDraw.cs defines u.
// x [rows, columns], draws [rows, 4], tokens [rows], y [rows].
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Draws tokens, and gives log(softmax(x)) of them.</summary>
internal readonly unsafe struct TokenSampling(
    FloatRows x, int* draws, int drawStride, int* tokens, float* y, int columns, float inverseTemperature) : IRowKernel
{
    private const int Group = TokenDraw.GroupTokens;

    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            float* logits = x[row];
            LogSoftmaxRow measured = LogSoftmaxRow.Measure<TSimd>(logits, columns);
            var draw = TokenDraw.From(new ReadOnlySpan<int>(draws + ((nint)row * drawStride), TokenDraw.Columns));
            tokens[row] = Draw<TSimd>(logits, measured, draw);
            y[row] = measured.Value(logits[tokens[row]]);
        }
    }

    // The largest number of a group is looked up only where it is above all before: some ten times a row.
    [SkipLocalsInit, MethodImpl(MethodImplOptions.NoInlining)]
    private int Draw<TSimd>(float* logits, in LogSoftmaxRow measured, in TokenDraw draw) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* memory = stackalloc float[(2 * Group) + Lanes.Count], noise = Lanes.Align(memory), scores = noise + Group;
        float best = float.NegativeInfinity;
        int token = 0;
        for (int column = 0; column < columns; column += Group)
        {
            int count = Math.Min(Group, columns - column);
            Uniforms(draw, column / Group, noise);
            float largest = Scores<TSimd>(logits + column, count, measured, noise, scores);
            if (!(largest > best)) continue;
            best = largest;
            token = column + new ReadOnlySpan<float>(scores, count).IndexOf(largest);
        }

        return token;
    }

    // Scores of a group, and the largest of the first count.
    private float Scores<TSimd>(float* logits, int count, in LogSoftmaxRow measured, float* uniforms, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd largest = TSimd.Broadcast(float.NegativeInfinity), inverse = TSimd.Broadcast(inverseTemperature);
        for (int i = 0; i < count; i += Lanes.Count)
        {
            int left = Math.Min(Lanes.Count, count - i);
            TSimd distance = measured.Distance(Lanes.LoadFirst<TSimd>(logits + i, left));
            TSimd hazard = TSimd.Zero - SingleLogarithm.Invoke(TSimd.Load(uniforms + i));
            TSimd score = TSimd.Fma(distance, inverse, TSimd.Zero - SingleLogarithm.Invoke(hazard));
            TSimd.Store(score, scores + i);
            if (left < Lanes.Count) score = Lanes.LoadFirst<TSimd>(scores + i, left, float.NegativeInfinity);
            largest = TSimd.Max(score, largest);
        }

        return TSimd.MaxLane(largest);
    }

    private static void Uniforms(in TokenDraw draw, int group, float* uniforms)
    {
        var words = new PhiloxLanes((ulong)draw.Seed, group, (uint)draw.Step, (uint)draw.Hypothesis, TokenDraw.Domain);
        Put(words.W0, uniforms);
        Put(words.W1, uniforms + Lanes.Count);
        Put(words.W2, uniforms + (2 * Lanes.Count));
        Put(words.W3, uniforms + (3 * Lanes.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(Vector512<uint> word, float* uniforms)
    {
        Vector512<int> bits = ((word >>> 8) | Vector512.Create(1u)).AsInt32();
        (Vector512.ConvertToSingle(bits) * Vector512.Create(1f / (1 << 24))).Store(uniforms);
    }
}
