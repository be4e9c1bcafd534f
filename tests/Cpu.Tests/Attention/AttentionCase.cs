// One call of attention with made-up numbers: run on a backend, and by the one expression that every backend must follow.
using Cpu.Tests.Rows;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Kernels;
using Engine.Cpu.Simd;
using Engine.Tensors;

namespace Cpu.Tests.Attention;

/// <summary>What is attended to, and how.</summary>
internal sealed record AttentionCase(
    int[] Queries, int[] Keys, int Heads, int HeadDim, int ValueDim, AttentionMask Mask, bool IsAdditive = false)
{
    public int Width => Heads * HeadDim;

    public int ValueWidth => Heads * ValueDim;

    public AttentionSpec Spec => new(Heads, IsAdditive ? 0.9f : 1 / MathF.Sqrt(HeadDim), Mask);

    public float[] Query { get; init; } = Tensors.Random(Queries.Sum() * Heads * HeadDim, seed: 1);

    public float[] Key { get; init; } = Tensors.Random(Keys.Sum() * Heads * HeadDim, seed: 2);

    public float[] Value { get; init; } = Tensors.Random(Keys.Sum() * Heads * ValueDim, seed: 3);

    public float[] Score { get; init; } = Tensors.Random(IsAdditive ? Heads * HeadDim : 0, seed: 4);

    /// <summary>Every sentence attends to itself.</summary>
    public static AttentionCase Self(int[] lengths, int heads, int headDim, AttentionMask mask, bool isAdditive = false) =>
        new(lengths, lengths, heads, headDim, headDim, mask, isAdditive);

    /// <summary>One of the sentences alone.</summary>
    public AttentionCase Sentence(int s)
    {
        int query = Queries[..s].Sum(), key = Keys[..s].Sum();
        return this with
        {
            Queries = [Queries[s]],
            Keys = [Keys[s]],
            Query = Query[(query * Width)..((query + Queries[s]) * Width)],
            Key = Key[(key * Width)..((key + Keys[s]) * Width)],
            Value = Value[(key * ValueWidth)..((key + Keys[s]) * ValueWidth)],
        };
    }

    /// <summary>The result, in a frame of its own.</summary>
    public float[] Run(CpuBackend backend, int gap = 0)
    {
        backend.BeginFrame();
        float[] found = Tensors.Read(backend, Attend(backend, gap));
        backend.EndFrame();
        return found;
    }

    public float[] Run(Rung rung, int threads, int gap = 0)
    {
        using var backend = new CpuBackend(rung, threads);
        return Run(backend, gap);
    }

    /// <summary>The result, in the frame that is open.</summary>
    public Tensor Attend(CpuBackend backend, int gap = 0)
    {
        Tensor query = Tensors.Floats(backend, Query, Queries.Sum(), Width, gap);
        Tensor key = Tensors.Floats(backend, Key, Keys.Sum(), Width, gap);
        Tensor value = Tensors.Floats(backend, Value, Keys.Sum(), ValueWidth, gap);
        Ragged queries = Ragged.Create(backend, Queries), keys = Ragged.Create(backend, Keys);
        return IsAdditive
            ? backend.AdditiveAttention(
                query, key, value, Tensors.Floats(backend, Score, 1, Width, gap), queries, keys, Spec)
            : backend.Attention(query, key, value, queries, keys, Spec);
    }

    /// <summary>
    /// The result by the expression itself: number by number, over all blocks of keys, of which those that a query does not see
    /// weigh 0.
    /// </summary>
    public float[] Exact()
    {
        var y = new float[Queries.Sum() * ValueWidth];
        int queryRow = 0, keyRow = 0;
        for (int s = 0; s < Queries.Length; s++)
        {
            for (int i = 0; i < Queries[s]; i++, queryRow++)
            {
                for (int head = 0; head < Heads; head++)
                {
                    ExactRow(queryRow, keyRow, Keys[s], i + Keys[s] - Queries[s], head)
                        .CopyTo(y, (queryRow * ValueWidth) + (head * ValueDim));
                }
            }

            keyRow += Keys[s];
        }

        return y;
    }

    private float[] ExactRow(int queryRow, int keyRow, int keys, long position, int head)
    {
        const int Block = 64;
        float largest = float.NegativeInfinity, sum = 0;
        var output = new float[ValueDim];
        var p = new float[Block];
        for (int block = 0; block < keys; block += Block)
        {
            int count = Math.Min(Block, keys - block);
            Array.Fill(p, float.NegativeInfinity);
            for (int j = 0; j < count; j++)
            {
                long distance = block + j - position;
                if (distance < -(long)Mask.Left || distance > Mask.Right) continue;
                float chain = 0;
                for (int k = head * HeadDim; k < (head + 1) * HeadDim; k++)
                {
                    float q = Query[(queryRow * Width) + k], x = Key[((keyRow + block + j) * Width) + k];
                    chain = IsAdditive ? MathF.FusedMultiplyAdd(Score[k], Tanh(q + x), chain) : MathF.FusedMultiplyAdd(q, x, chain);
                }

                p[j] = Spec.Scale * chain;
            }

            float found = p.Max();
            if (found > largest)
            {
                float correction = Exp(largest - found);
                sum *= correction;
                for (int c = 0; c < ValueDim; c++) output[c] *= correction;
                largest = found;
            }

            for (int j = 0; j < Block; j++) p[j] = float.IsNegativeInfinity(p[j]) ? 0 : Exp(p[j] - largest);
            sum += Tree(p);
            for (int j = 0; j < count; j++)
            {
                for (int c = 0; c < ValueDim; c++)
                {
                    float v = Value[((keyRow + block + j) * ValueWidth) + (head * ValueDim) + c];
                    output[c] = MathF.FusedMultiplyAdd(p[j], v, output[c]);
                }
            }
        }

        float inverse = sum == 0 ? 0 : 1 / sum;
        for (int c = 0; c < ValueDim; c++) output[c] = MathF.FusedMultiplyAdd(output[c], inverse, 0f);
        return output;
    }

    // Four vectors of sixteen lanes, then the lanes by halves.
    private static float Tree(float[] p)
    {
        var lanes = new float[16];
        for (int i = 0; i < 16; i++) lanes[i] = (p[i] + p[16 + i]) + (p[32 + i] + p[48 + i]);
        for (int half = 8; half > 0; half /= 2)
            for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
        return lanes[0];
    }

    private static float Exp(float x) => Simd128.MaxLane(Exponential.Invoke(Simd128.Broadcast(x)));

    private static float Tanh(float x) => Simd128.MaxLane(HyperbolicTangent.Invoke(Simd128.Broadcast(x)));
}
