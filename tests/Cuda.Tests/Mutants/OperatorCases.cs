// Small cases of the operators at the seams of their kernels: primes, several sentences, masks, one more than a tile or a block. Each
// must give the CPU's bits, or, for gradients of attention, what its definition allows. The table of mutants has their names.
using Engine.Backends;
using Engine.Conformance;
using Engine.Reference;
using Engine.Tensors;

namespace Cuda.Tests.Mutants;

/// <summary>Operators, and how the backend that runs them is opened and the frame begun.</summary>
internal sealed record OperatorCase(Action<Bench> Run)
{
    public bool UsesOwnProducts { get; init; } = true;

    public Arithmetic Arithmetic { get; init; }

    /// <summary>Whether the frame's work is written down first.</summary>
    public bool Repeats { get; init; }
}

internal static class OperatorCases
{
    public static IReadOnlyDictionary<string, OperatorCase> All { get; } = new Dictionary<string, OperatorCase>
    {
        ["norm"] = new(Norm),
        ["elements"] = new(Elements),
        ["logits"] = new(Logits),
        ["softmax"] = new(Softmax),
        ["best"] = new(Best),
        ["sample"] = new(Sample),
        ["beams"] = new(Beams),
        ["embed"] = new(Embed),
        ["product"] = new(Product),
        ["half"] = new(Half),
        ["few"] = new(Few),
        ["few floats"] = new(FewFloats) { UsesOwnProducts = false, Repeats = true },
        ["few integers"] = new(FewIntegers) { Repeats = true },
        ["integers"] = new(Integers),
        ["rounded"] = new(Rounded),
        ["refresh"] = new(Refresh),
        ["attention"] = new(static bench => Attention(bench, isAdditive: false, 0f)),
        ["additive"] = new(static bench => Attention(bench, isAdditive: true, 0f)),
        ["dropped attention"] = new(static bench => Attention(bench, isAdditive: false, 0.3f)),
        ["dropped additive"] = new(static bench => Attention(bench, isAdditive: true, 0.3f)),
        ["cache"] = new(static bench => Cache(bench, isAdditive: false)),
        ["additive cache"] = new(static bench => Cache(bench, isAdditive: true)),
        ["parts"] = new(Parts) { UsesOwnProducts = false },
        ["flash bf16"] = new(static bench => Flash(bench, 1.0 / 256)) { UsesOwnProducts = false, Arithmetic = Arithmetic.BFloat16 },
        ["flash f16"] = new(static bench => Flash(bench, 1.0 / 2048)) { UsesOwnProducts = false, Arithmetic = Arithmetic.Float16 },
        ["flash tf32"] = new(static bench => Flash(bench, 1.0 / 2048))
        {
            UsesOwnProducts = false, Arithmetic = Arithmetic.TensorFloat32,
        },
        ["copied blocks"] = new(CopiedBlocks),
        ["convolution"] = new(Convolution),
        ["cached convolution"] = new(CachedConvolution),
        ["positions"] = new(Positions),
        ["cells"] = new(Cells),
        ["convolution gradient"] = new(ConvolutionGradient),
        ["dropout"] = new(Dropped),
        ["slopes"] = new(Slopes),
        ["loss"] = new(Loss),
        ["norm gradient"] = new(NormGradient),
        ["embed gradient"] = new(EmbedGradient),
        ["product gradient"] = new(ProductGradient),
        ["optimizer"] = new(Optimizer),
        ["attention gradient"] = new(static bench => AttentionGradient(bench, isAdditive: false)),
        ["additive gradient"] = new(static bench => AttentionGradient(bench, isAdditive: true)),
    };

    // Columns before a table, and how many more a row of the larger one has: no row begins where four numbers may be read at once; all do;
    // rows follow each other without a gap; and a row of an odd width begins there.
    private static readonly (int Before, int Around)[] Places = [(3, 7), (4, 8), (0, 0), (0, 1)];

    private static void Norm(Bench bench)
    {
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int rows, int columns) in new[] { (6, 133), (3, 294), (3, 700), (2, 1122) })
            {
                Tensor x = bench.Table(rows, columns, 1), residual = bench.Table(rows, columns, 2), bias = bench.Table(1, columns, 4);
                var plain = new NormWeights(bench.Table(1, columns, 3), Tensor.None, 1e-5f);
                bench.GiveAlone(rows, columns, () => bench.Backend.Norm(x, plain with { Bias = bias }));
                bench.GiveAlone(rows, columns, () => bench.Backend.AddNorm(x, residual, plain with { IsRms = true }));
                bench.Give(bench.Backend.AddNorm(x, residual, plain, out Tensor sum));
                bench.Give(sum);
            }
        }
    }

    private static void Elements(Bench bench)
    {
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int rows, int columns) in new[] { (3, 257), (5, 36), (2, 1028), (1, 1027) })
            {
                Tensor x = bench.Table(rows, columns, 1, 3), y = bench.Table(rows, columns, 2);
                bench.GiveAlone(rows, columns, () => bench.Backend.Add(x, y));
                bench.GiveAlone(rows, columns, () => bench.Backend.Multiply(x, y));
                foreach (Activation activation in Enum.GetValues<Activation>())
                    bench.GiveAlone(rows, columns, () => bench.Backend.Activate(x, activation));
            }
        }

        bench.Lay(3, 7);
        Tensor part = bench.Into(5, 261, 3);
        bench.Backend.Clear(part);
    }

    private static void Logits(Bench bench)
    {
        Tensor x = bench.Into(5, 263, 1);
        bench.Backend.Suppress(x, bench.Integers(4, 2, 0, 0, 4, 262, 2, 17, 3, 1));
        bench.Backend.Penalize(x, bench.Integers(4, 2, 0, 5, 1, 262, 2, 0, 4, 1), bench.Table(1, 4, [1.2f, 1.5f, 0.7f, 1.9f]));
        Tensor columns = bench.Row([.. Enumerable.Range(0, 261).Select(static i => i * 7 % 263)]);
        bench.GiveAlone(5, 261, () => bench.Backend.SelectColumns(x, columns));
    }

    // More than 4096 columns are summed in two parts, and a thread has more than 16,384 in two; a warp has rows of up to 512 and 1024.
    private static void Softmax(Bench bench)
    {
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int rows, int columns) in new[] { (2, 1021), (1, 4501), (3, 37), (2, 2), (6, 300), (5, 702), (1, 20_003) })
            {
                int[] last = [.. Enumerable.Range(0, rows).Select(row => columns - 1 - row)];
                Tensor x = bench.Table(rows, columns, 1, 3), tokens = bench.Row(last);
                bench.GiveAlone(rows, columns, () => bench.Backend.LogSoftmax(x));
                bench.GiveAlone(rows, 1, () => bench.Backend.LogProbability(x, tokens));
            }
        }
    }

    // Less than a group of 64, less than a counter for each thread, several for each; equal logits, of which two tokens of different warps
    // have the same number.
    private static void Sample(Bench bench)
    {
        Tensor equal = bench.Table(1, 32_000, new float[32_000]);
        bench.Give(bench.Backend.Sample(equal, bench.Integers(1, 4, 1, 0, 0, 259), 1f, out Tensor lower));
        bench.Give(lower);
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int rows, int columns, float deviation, float temperature) in new[]
                { (3, 37, 2f, 1f), (2, 1021, 3, 0.7f), (2, 4501, 0, 1f), (1, 20_003, 1, 2f) })
            {
                Tensor x = bench.Table(rows, columns, 1, deviation);
                for (int step = 0; step < 4; step++)
                {
                    Tensor draws = bench.Integers(rows, 4, [.. Enumerable.Range(0, rows).SelectMany(row => (int[])[5, -row, row, step])]);
                    bench.Give(bench.Backend.Sample(x, draws, temperature, out Tensor tokens));
                    bench.Give(tokens);
                }
            }
        }
    }

    // Searches of several sizes that part, end, and come to the end of a block; more candidates than threads; a sentence that is not there.
    private static void Beams(Bench bench)
    {
        (int Beams, int Live, int Length, int MaxLength)[] small = [(4, 1, 13, 40), (3, 3, 14, 22), (1, 1, 15, 17), (0, 0, 0, 0), (5, 5, 30, 40)];
        for (int seed = 0; seed < 6; seed++) Take(new BeamCase(small, steps: 5, seed));
        Take(new BeamCase([(32, 32, 140, 200), (7, 6, 3, 200)], steps: 3, seed: 3));

        void Take(BeamCase search)
        {
            foreach (BeamTables tables in search.Run(bench.Backend, view: true))
                bench.Give(Array.ConvertAll(tables.All, BitConverter.Int32BitsToSingle));
        }
    }

    // k to 16, to 256, more, equal numbers, and so many equal ones that they do not fit among the candidates; rows that a warp has.
    private static void Best(Bench bench)
    {
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int columns, int k, bool isRounded, double deviation) in new[]
            {
                (1021, 5, false, 3.0), (1021, 300, false, 3), (1021, 20, false, 3), (601, 9, true, 2), (3001, 3, true, 0.1), (20_003, 16, false, 3),
                (700, 4, false, 3), (702, 32, true, 1), (300, 5, false, 3), (512, 30, true, 0.1), (38, 32, false, 1),
            })
            {
                float[] logits = Bench.Values(3 * columns, 1, deviation);
                if (isRounded) logits = [.. logits.Select(static value => MathF.Round(value))];
                bench.Give(bench.Backend.TopK(bench.Table(3, columns, logits), k, out Tensor tokens));
                bench.Give(tokens);
            }
        }
    }

    private static void Embed(Bench bench)
    {
        const int Words = 11, Columns = 133;
        Tensor ids = bench.Row(3, -1, Words - 1, 0), places = bench.Row(0, 4, 1, 2), positions = bench.Table(5, Columns, 2);
        foreach (DType type in new[] { DType.Float32, DType.Float16, DType.BFloat16, DType.Int8, DType.Int16 })
        {
            Weight table = bench.Weight(type, Words, Columns, 1);
            bench.GiveAlone(4, Columns, () => bench.Backend.Embed(ids, table, 1.7f, positions, places));
            bench.GiveAlone(4, Columns, () => bench.Backend.Embed(ids, table, 0.3f, Tensor.None, Tensor.None));
        }
    }

    private static void Product(Bench bench) => Products(bench, DType.Float32, 70);

    private static void Half(Bench bench)
    {
        Products(bench, DType.Float16, 70);
        Products(bench, DType.BFloat16, 70);
    }

    private static void Few(Bench bench)
    {
        Products(bench, DType.Float32, 9);
        Products(bench, DType.Float16, 9);
        Products(bench, DType.BFloat16, 9);
    }

    private static void Products(Bench bench, DType type, int rows)
    {
        const int Inputs = 45, Outputs = 67;
        Tensor x = bench.Table(rows, Inputs, 1);
        var weights = new LinearWeights(bench.Weight(type, Outputs, Inputs, 2), bench.Table(1, Outputs, 3));
        bench.GiveAlone(rows, Outputs, () => bench.Backend.Linear(x, weights, Activation.Relu));
        bench.GiveAlone(rows, Outputs, () => bench.Backend.Linear(x, weights with { Bias = Tensor.None }, Activation.Gelu));
    }

    private static void Integers(Bench bench)
    {
        const int Rows = 11;
        foreach ((int before, int around, int inputs, int outputs) in new[] { (3, 7, 149, 67), (4, 8, 148, 68), (0, 0, 1100, 68), (3, 7, 1030, 4) })
        {
            bench.Lay(before, around);
            Tensor x = bench.Table(Rows, inputs, 1), bias = bench.Table(1, outputs, 3);
            foreach (DType type in new[] { DType.Int8, DType.Int16 })
            {
                foreach (ActivationRounding rounding in new[] { ActivationRounding.Nearest, ActivationRounding.Legacy })
                {
                    Weight weight = bench.Weight(type, outputs, inputs, 2, rounding);
                    bench.Give(bench.Backend.Linear(x, new LinearWeights(weight, bias), Activation.Silu));
                    bench.Give(bench.Backend.Linear(x, new LinearWeights(weight, Tensor.None)));
                }
            }
        }
    }

    // For so few rows a product is another kernel, which takes the norm before it along. Sums of integers are exact.
    private static void FewIntegers(Bench bench)
    {
        const int Inputs = 149, Outputs = 67;
        var norm = new NormWeights(bench.Table(1, Inputs, 3), bench.Table(1, Inputs, 4), 1e-5f);
        Tensor bias = bench.Table(1, Outputs, 5);
        foreach (int rows in new[] { 1, 3, 7 })
        {
            foreach (DType type in new[] { DType.Int8, DType.Int16 })
            {
                var weights = new LinearWeights(bench.Weight(type, Outputs, Inputs, 2), bias);
                Tensor x = bench.Table(rows, Inputs, 1), normed = bench.Backend.Norm(x, norm);
                bench.Give(bench.Backend.Linear(normed, weights, Activation.Relu));
                bench.Give(normed);
                bench.Give(bench.Backend.Linear(x, weights));
            }
        }
    }

    // Sums of floats are those of lanes, so they are held against what the length of a sum allows.
    private static void FewFloats(Bench bench)
    {
        const int Inputs = 149, Outputs = 67;
        float[] gain = Bench.Values(Inputs, 3), shift = Bench.Values(Inputs, 4);
        var norm = new NormWeights(bench.Table(1, Inputs, 3), bench.Table(1, Inputs, 4), 1e-5f);
        (DType Type, ActivationRounding Rounding)[] types =
        [
            (DType.Float32, ActivationRounding.Nearest), (DType.Float16, ActivationRounding.Nearest),
            (DType.BFloat16, ActivationRounding.Nearest), (DType.BFloat16, ActivationRounding.BFloat16),
        ];
        foreach (int rows in new[] { 1, 3, 7 })
        {
            foreach ((DType type, ActivationRounding rounding) in types)
            {
                float[] x = Bench.Values(rows * Inputs, 1), weight = Bench.Values(Outputs * Inputs, 2, 0.3);
                double[] bound = new double[rows * Outputs], boundOfNorm = new double[rows * Outputs];
                for (int i = 0; i < bound.Length; i++)
                {
                    for (int k = 0; k < Inputs; k++)
                    {
                        double w = Math.Abs(weight[(i % Outputs * Inputs) + k]);
                        bound[i] += Math.Abs(x[(i / Outputs * Inputs) + k]) * w;
                        boundOfNorm[i] += ((Math.Sqrt(Inputs) * Math.Abs(gain[k])) + Math.Abs(shift[k])) * w;
                    }

                    bound[i] *= 1.02 * (Inputs + 2) * ErrorBound.UnitRoundoff;      // rounded numbers are up to 2^-7 larger
                    boundOfNorm[i] *= 1.02 * (Inputs + 2) * ErrorBound.UnitRoundoff;
                }

                var weights = new LinearWeights(bench.Weight(type, Outputs, Inputs, 2, rounding), Tensor.None);
                bench.Give(bench.Backend.Linear(bench.Table(rows, Inputs, x), weights), bound);
                Tensor normed = bench.Backend.Norm(bench.Table(rows, Inputs, x), norm);
                bench.Give(bench.Backend.Linear(normed, weights), boundOfNorm);
                bench.Give(normed);
            }
        }
    }

    private static void Rounded(Bench bench)
    {
        foreach ((int before, int around, int inputs) in new[] { (3, 7, 149), (4, 8, 148), (0, 0, 1100) })
        {
            bench.Lay(before, around);
            Weight weight = bench.Weight(DType.BFloat16, 35, inputs, 2, ActivationRounding.BFloat16);
            bench.Give(bench.Backend.Linear(bench.Table(3, inputs, 1), new LinearWeights(weight, Tensor.None)));
        }
    }

    private static void Refresh(Bench bench)
    {
        foreach ((int before, int around, int inputs) in new[] { (3, 7, 45), (4, 8, 44), (4, 8, 45) })
        {
            bench.Lay(before, around);
            Tensor x = bench.Table(3, inputs, 1);
            foreach (DType type in new[] { DType.Float32, DType.BFloat16 })
            {
                foreach (bool transposed in new[] { false, true })
                {
                    Weight weight = bench.Refreshed(type, 37, inputs, 2, transposed);
                    bench.Give(bench.Backend.Linear(x, new LinearWeights(weight, Tensor.None)));
                }
            }
        }
    }

    // Heads of 5, 37 and 33 columns, values of 7, 41 and 97: kernels of 1, 2 and 4 columns a lane. Two blocks of keys, an empty sentence.
    private static void Attention(Bench bench, bool isAdditive, float rate)
    {
        int[] queries = [5, 0, 18], keys = [9, 3, 71];
        var dropout = new Dropout(rate, 0x1234_5678_9ABC, 3);
        foreach ((int heads, int headDim, int valueDim) in new[] { (2, 5, 7), (1, 37, 41), (1, 33, 97) })
        {
            foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Window(20, 3) })
            {
                var spec = new AttentionSpec(heads, 0.4f, mask);
                Tensor q = bench.Table(queries.Sum(), heads * headDim, 1), k = bench.Table(keys.Sum(), heads * headDim, 2);
                Tensor v = bench.Table(keys.Sum(), heads * valueDim, 3), score = bench.Table(1, heads * headDim, 4);
                (Ragged rows, Ragged seen) = (Ragged.Create(bench.Backend, queries), Ragged.Create(bench.Backend, keys));
                bench.GiveAlone(queries.Sum(), heads * valueDim, () => isAdditive
                    ? bench.Backend.AdditiveAttention(q, k, v, score, rows, seen, spec, dropout)
                    : bench.Backend.Attention(q, k, v, rows, seen, spec, dropout));
                if (rate > 0) continue;
                bench.GiveAlone(queries.Sum() * heads, keys.Max(), () => bench.Backend.AttentionWeights(
                    q, k, isAdditive ? score : Tensor.None, rows, seen, spec));
            }
        }
    }

    // Histories of one block and less, and of more than 64 positions, in blocks that are out of order.
    private static void Cache(Bench bench, bool isAdditive)
    {
        const int Blocks = 9;
        int[] lengths = [3, 71, 16];
        int[][] blocks = [[7], [2, 8, 0, 5, 3], [6]];
        foreach ((int heads, int headDim, int valueDim) in new[] { (2, 5, 7), (1, 19, 41), (1, 3, 97) })
        {
            foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Window(20, 0) })
            {
                var spec = new AttentionSpec(heads, 0.4f, mask);
                KeyValueCache cache = bench.Backend.AllocateCache(Blocks, heads * headDim, heads * valueDim, heads);
                for (int row = 0; row < lengths.Length; row++)
                {
                    int[] own = blocks[row];
                    int[] slots = [.. Enumerable.Range(0, lengths[row]).Select(place => (own[place / 16] * 16) + (place % 16))];
                    Tensor keys = bench.Table(lengths[row], heads * headDim, 10 + row);
                    bench.Backend.Append(cache, keys, bench.Table(lengths[row], heads * valueDim, 20 + row), bench.Row(slots));
                }

                int[] table = [.. blocks.SelectMany(static row => row.Concat(new int[5 - row.Length]))];
                var view = new CacheView(bench.Integers(3, 5, table), bench.Row(lengths), lengths.Max());
                Tensor q = bench.Table(3, heads * headDim, 1);
                Tensor score = isAdditive ? bench.Table(1, heads * headDim, 2) : Tensor.None;
                bench.GiveAlone(3, heads * valueDim, () => isAdditive
                    ? bench.Backend.CachedAdditiveAttention(q, score, cache, view, spec)
                    : bench.Backend.CachedAttention(q, cache, view, spec));
                bench.GiveAlone(3, 71, () => bench.Backend.CachedAttentionWeights(q, score, cache, view, spec, heads));
                if (isAdditive)
                {
                    bench.Backend.FreeCache(cache);
                    continue;
                }

                // The next position: in the middle of a block, at its last place, and nowhere.
                var next = new CacheView(view.Blocks, bench.Row(4, 80, 16), 80);
                Tensor newKeys = bench.Table(3, heads * headDim, 3), newValues = bench.Table(3, heads * valueDim, 4);
                Tensor places = bench.Row((7 * 16) + 3, (3 * 16) + 15, -1);
                for (int place = 71; place < 79; place++)
                {
                    Tensor key = bench.Table(1, heads * headDim, place), value = bench.Table(1, heads * valueDim, place);
                    bench.Backend.Append(cache, key, value, bench.Row((3 * 16) + (place % 16)));
                }

                bench.GiveAlone(3, heads * valueDim, () => bench.Backend.AppendAndAttend(q, newKeys, newValues, places, cache, next, spec));
                bench.GiveAlone(3, heads * valueDim, () => bench.Backend.CachedAttention(q, cache, next, spec));
                bench.Backend.FreeCache(cache);
            }
        }
    }

    // A history that is long enough to be attended to in parts, whose sums are joined in another order than the CPU's.
    private static void Parts(Bench bench)
    {
        const int HeadDim = 5, Length = 300, Blocks = (Length + 15) / 16;
        var spec = new AttentionSpec(1, 0.4f, AttentionMask.None);
        foreach (int valueDim in new[] { 7, 41 })
        {
            float[] query = Bench.Values(2 * HeadDim, 1), keys = Bench.Values(Length * HeadDim, 2);
            float[] values = Bench.Values(Length * valueDim, 3);
            KeyValueCache cache = bench.Backend.AllocateCache(Blocks, HeadDim, valueDim, 1);
            bench.Backend.Append(
                cache, bench.Table(Length, HeadDim, keys), bench.Table(Length, valueDim, values),
                bench.Row([.. Enumerable.Range(0, Length)]));
            int[] own = [.. Enumerable.Range(0, Blocks)];
            int shorter = Length - 30;
            var view = new CacheView(bench.Integers(2, Blocks, [.. own, .. own]), bench.Row(Length, shorter), Length);
            double[] bound =
            [
                .. OperatorBound.AttentionRow(Widen(query[..HeadDim]), Widen(keys), Widen(values), [], Length - 1, spec),
                .. OperatorBound.AttentionRow(
                    Widen(query[HeadDim..]), Widen(keys[..(shorter * HeadDim)]), Widen(values[..(shorter * valueDim)]), [], shorter - 1,
                    spec),
            ];
            bench.Give(bench.Backend.CachedAttention(bench.Table(2, HeadDim, query), cache, view, spec), bound);
            bench.Backend.FreeCache(cache);
        }
    }

    // By tensor cores: numbers are rounded to a unit. A score then moves by at most d, so a weight by a factor of e^2d, and each value
    // and weight is rounded once more.
    private static void Flash(Bench bench, double unit)
    {
        int[] queries = [5, 0, 18], keys = [9, 3, 71];
        foreach (int width in new[] { 14, 30, 64 })
        {
            foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Window(20, 3) })
            {
                var spec = new AttentionSpec(1, 1 / MathF.Sqrt(width), mask);
                float[] q = Bench.Values(queries.Sum() * width, 1), k = Bench.Values(keys.Sum() * width, 2);
                float[] v = Bench.Values(keys.Sum() * width, 3);
                double score = 0;
                for (int row = 0; row < q.Length; row += width)
                {
                    for (int key = 0; key < k.Length; key += width)
                        score = Math.Max(score, Enumerable.Range(0, width).Sum(c => Math.Abs((double)q[row + c] * k[key + c])));
                }

                double moved = 2.02 * unit * spec.Scale * score, largest = v.Max(static value => Math.Abs(value));
                var bound = new double[q.Length];
                Array.Fill(bound, largest * (Math.Exp(2 * moved) - 1 + (3 * unit)));
                (Ragged rows, Ragged seen) = (Ragged.Create(bench.Backend, queries), Ragged.Create(bench.Backend, keys));
                bench.Give(
                    bench.Backend.Attention(
                        bench.Table(queries.Sum(), width, q), bench.Table(keys.Sum(), width, k), bench.Table(keys.Sum(), width, v), rows,
                        seen, spec),
                    bound);
            }
        }
    }

    private static void CopiedBlocks(Bench bench)
    {
        const int Width = 37;
        KeyValueCache cache = bench.Backend.AllocateCache(3, Width, Width, 1);
        bench.Backend.Append(cache, bench.Table(16, Width, 1), bench.Table(16, Width, 2), bench.Row([.. Enumerable.Range(0, 16)]));
        bench.Backend.CopyBlocks(cache, bench.Integers(1, 2, 0, 2));
        bench.Backend.Append(cache, bench.Table(1, Width, 3), bench.Table(1, Width, 4), bench.Row(16 + 15));
        KeyValueCache other = bench.Backend.AllocateCache(3, Width, Width, 1);
        bench.Backend.Append(other, bench.Table(16, Width, 6), bench.Table(16, Width, 7), bench.Row([.. Enumerable.Range(0, 16)]));
        bench.Backend.CopyBlocks([cache, other], bench.Integers(1, 2, 0, 1));
        var view = new CacheView(bench.Integers(2, 1, 2, 1), bench.Row(16, 16), 16);
        var spec = new AttentionSpec(1, 0.4f, AttentionMask.None);
        foreach (KeyValueCache copied in new[] { cache, other })
        {
            var own = copied == cache ? view : view with { Blocks = bench.Integers(2, 1, 0, 1) };
            bench.Give(bench.Backend.CachedAttention(bench.Table(2, Width, 5), copied, own, spec));
            bench.Backend.FreeCache(copied);
        }
    }

    // Taps to both sides, dilated ones behind, such as are all ahead, and more than a sentence has positions; an empty sentence, and one
    // that is longer than what a thread of the filter's gradient reads at once. Columns that four numbers fill, and such as they do not.
    private static readonly int[] Sentences = [5, 0, 1, 21];
    private static readonly Taps[] Filters = [Taps.Centered(3), Taps.Causal(4, 2), new(2, -1), Taps.Centered(12)];

    private static void Convolution(Bench bench)
    {
        int rows = Sentences.Sum();
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            Ragged batch = Ragged.Create(bench.Backend, Sentences);
            foreach (int columns in new[] { 44, 37 })
            {
                Tensor x = bench.Table(rows, columns, 1), bias = bench.Table(1, columns, 2);
                foreach (Taps taps in Filters)
                {
                    Tensor filter = bench.Table(taps.Count, columns, 3);
                    bench.GiveAlone(rows, taps.Count * columns, () => bench.Backend.Unfold(x, batch, taps));
                    bench.GiveAlone(rows, columns, () => bench.Backend.DepthwiseConvolution(x, filter, bias, batch, taps));
                    bench.GiveAlone(rows, columns, () => bench.Backend.DepthwiseConvolution(x, filter, Tensor.None, batch, taps));
                }
            }
        }
    }

    // A cache of values alone, in blocks that are out of order; histories of one position and of more than a block.
    private static void CachedConvolution(Bench bench)
    {
        const int Blocks = 6;
        int[] lengths = [1, 35, 16];
        int[][] blocks = [[4], [2, 5, 0], [3]];
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach (int columns in new[] { 44, 37 })
            {
                KeyValueCache cache = bench.Backend.AllocateCache(Blocks, 0, columns, 1);
                for (int row = 0; row < lengths.Length; row++)
                {
                    int[] own = blocks[row];
                    int[] slots = [.. Enumerable.Range(0, lengths[row]).Select(place => (own[place / 16] * 16) + (place % 16))];
                    Tensor values = bench.Table(lengths[row], columns, 20 + row);
                    bench.Backend.Append(cache, bench.Table(lengths[row], 0, 10), values, bench.Row(slots));
                }

                int[] table = [.. blocks.SelectMany(static row => row.Concat(new int[3 - row.Length]))];
                var view = new CacheView(bench.Integers(3, 3, table), bench.Row(lengths), lengths.Max());
                foreach (Taps taps in Filters)
                {
                    Tensor filter = bench.Table(taps.Count, columns, 3), bias = bench.Table(1, columns, 4);
                    bench.GiveAlone(3, taps.Count * columns, () => bench.Backend.CachedUnfold(cache, view, taps));
                    bench.GiveAlone(3, columns, () => bench.Backend.CachedDepthwiseConvolution(cache, view, filter, bias, taps));
                }

                bench.Backend.FreeCache(cache);
            }
        }
    }

    private static void Positions(Bench bench)
    {
        int rows = Sentences.Sum();
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            Ragged batch = Ragged.Create(bench.Backend, Sentences);
            foreach (int columns in new[] { 44, 37 })
            {
                Tensor x = bench.Table(rows, columns, 1), gradient = bench.Into(rows, columns, 2);
                foreach (int position in new[] { -1, 0, 4, 20 })
                {
                    bench.GiveAlone(Sentences.Length, columns, () => bench.Backend.TakePosition(x, batch, position));
                    bench.Backend.TakePositionBackward(bench.Table(Sentences.Length, columns, 3), batch, position, gradient);
                }

                Tensor[] positions =
                    [.. Enumerable.Range(0, batch.Longest).Select(place => bench.Table(Sentences.Length, columns, 100 + place))];
                bench.GiveAlone(rows, columns, () => bench.Backend.JoinPositions(positions, batch));
            }

            bench.Give(bench.Backend.Cut(batch, 4).Offsets);
        }
    }

    // Numbers far from 0 and near to it, so that both halves of a hyperbolic tangent are used.
    private static void Cells(Bench bench)
    {
        foreach ((int rows, int columns) in new[] { (3, 37), (2, 132) })
        {
            foreach (CellKind kind in Enum.GetValues<CellKind>())
            {
                (int gates, int states) = (kind.Gates() * columns, kind.States() * columns);
                Tensor input = bench.Table(rows, gates, 1), hidden = bench.Table(rows, gates, 2), state = bench.Table(rows, states, 3);
                bench.GiveAlone(rows, states, () => bench.Backend.RecurrentCell(input, hidden, state, kind));
                Tensor dy = bench.Table(rows, states, 4);
                bench.Give(bench.Backend.RecurrentCellBackward(
                    input, hidden, state, dy, kind, out Tensor ofHidden, out Tensor ofState));
                bench.Give(ofHidden);
                bench.Give(ofState);
            }
        }
    }

    private static void ConvolutionGradient(Bench bench)
    {
        int rows = Sentences.Sum();
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            Ragged batch = Ragged.Create(bench.Backend, Sentences);
            foreach (int columns in new[] { 44, 37 })
            {
                Tensor x = bench.Table(rows, columns, 1), dy = bench.Table(rows, columns, 2);
                foreach (Taps taps in Filters)
                {
                    Tensor unfolded = bench.Table(rows, taps.Count * columns, 3), filter = bench.Table(taps.Count, columns, 4);
                    bench.GiveAlone(rows, columns, () => bench.Backend.UnfoldBackward(unfolded, batch, taps));
                    Tensor ofFilter = bench.Into(taps.Count, columns, 5), ofBias = bench.Into(1, columns, 6);
                    bench.GiveAlone(rows, columns, () => bench.Backend.DepthwiseConvolutionBackward(
                        x, filter, dy, batch, taps, ofFilter, ofBias));
                }

                bench.Backend.Accumulate(bench.Into(rows, columns, 7), x);
            }
        }
    }

    private static void Dropped(Bench bench)
    {
        foreach ((int rows, int columns) in new[] { (3, 300), (5, 40), (2, 2100) })
        {
            Tensor x = bench.Table(rows, columns, 1);
            bench.GiveAlone(rows, columns, () => bench.Backend.Dropout(x, new Dropout(0.3f, 0x1234_5678_9ABC, 5)));
        }
    }

    private static void Slopes(Bench bench)
    {
        float[] values = Bench.Values(3 * 260, 1, 3);
        for (int i = 7; i < values.Length; i += 50) values[i] *= 30;
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            Tensor x = bench.Table(3, 260, values), dy = bench.Table(3, 260, 2);
            foreach (Activation activation in Enum.GetValues<Activation>())
                bench.GiveAlone(3, 260, () => bench.Backend.ActivationBackward(x, dy, activation));
        }
    }

    private static void Loss(Bench bench)
    {
        foreach ((int before, int around) in Places)
        {
            bench.Lay(before, around);
            foreach ((int rows, int columns) in new[] { (3, 1021), (2, 4501), (2, 3) })
            {
                Tensor x = bench.Into(rows, columns, 1);
                int[] targets = [.. Enumerable.Range(0, rows).Select(row => row == 1 ? -1 : columns - 1 - (300 * row))];
                bench.Give(bench.Backend.CrossEntropy(x, bench.Row(targets), 0.1f, 0.125f));
            }
        }
    }

    private static void NormGradient(Bench bench)
    {
        const int Rows = 39;
        foreach ((int before, int around, int columns) in new[] { (3, 7, 133), (4, 8, 138), (0, 0, 530), (4, 8, 1028) })
        {
            bench.Lay(before, around);
            Tensor x = bench.Table(Rows, columns, 1), dy = bench.Table(Rows, columns, 2), passed = bench.Table(Rows, columns, 3);
            var weights = new NormWeights(bench.Table(1, columns, 4), bench.Table(1, columns, 5), 1e-5f);
            bench.Give(bench.Backend.NormBackward(x, weights, dy, passed, bench.Into(1, columns, 6), bench.Into(1, columns, 7)));
            var rms = new NormWeights(weights.Gain, Tensor.None, 1e-5f, IsRms: true);
            bench.Give(bench.Backend.NormBackward(x, rms, dy, Tensor.None, bench.Into(1, columns, 8), Tensor.None));
        }
    }

    // More rows than a block has threads, and ids that come again.
    private static void EmbedGradient(Bench bench)
    {
        const int Rows = 139, Columns = 131, Words = 7;
        int[] ids = [.. Enumerable.Range(0, Rows).Select(static row => row % 5 == 2 ? -1 : row * 3 % Words)];
        bench.Backend.EmbedBackward(
            bench.Row(ids), bench.Table(Rows, Columns, 1), 2.5f, bench.Into(Words, Columns, 2),
            bench.Row([.. Enumerable.Range(0, Rows).Select(static row => row % 70)]), bench.Into(70, Columns, 3));
    }

    // More than 256 rows of a column, tiles of 64, and so few outputs that they are added last.
    private static void ProductGradient(Bench bench)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (19, 65, 67), (517, 3, 2) })
        {
            foreach (DType type in new[] { DType.Float32, DType.BFloat16 })
            {
                bench.Backend.LinearBackward(
                    bench.Table(rows, inputs, 1), bench.Table(rows, outputs, 2), bench.Into(outputs, inputs, 3),
                    bench.Into(1, outputs, 4), type);
            }
        }
    }

    private static void Optimizer(Bench bench)
    {
        foreach ((int before, int count) in new[] { (3, 16_500), (4, 16_502), (2, 70) })
        {
            bench.Lay(before, 8);
            Tensor x = bench.Into(1, count, 1), gradient = bench.Table(1, count, 2), first = bench.Into(1, count, 3);
            Tensor second = bench.Into(1, count, [.. Bench.Values(count, 4).Select(static value => MathF.Abs(value))]);
            double squares = bench.Backend.SumOfSquares(gradient);
            bench.Give((float)squares, (float)(squares - (float)squares));
            bench.Backend.AdamStep(x, gradient, first, second, new AdamStep(0.01f, 0.9f, 0.98f, 1e-9f, 0.1f, 0.19f, 0.04f, 0.5f));
        }
    }

    private static void AttentionGradient(Bench bench, bool isAdditive)
    {
        int[] queries = [5, 18], keys = [9, 71];
        int[] queryOffsets = [0, 5, 23], keyOffsets = [0, 9, 80];
        foreach ((int heads, int headDim, int valueDim) in new[] { (2, 5, 7), (1, 37, 35) })
        {
            foreach ((AttentionMask mask, float rate) in new[] { (AttentionMask.None, 0.3f), (AttentionMask.Window(20, 3), 0f) })
            {
                var spec = new AttentionSpec(heads, 0.4f, mask);
                var dropout = new Dropout(rate, 0x1234_5678_9ABC, 3);
                (int rows, int keyRows, int width, int valueWidth) = (queries.Sum(), keys.Sum(), heads * headDim, heads * valueDim);
                float[] q = Bench.Values(rows * width, 1), k = Bench.Values(keyRows * width, 2);
                float[] v = Bench.Values(keyRows * valueWidth, 3);
                float[] score = isAdditive ? Bench.Values(width, 4) : [], dy = Bench.Values(rows * valueWidth, 5);
                float[] startQuery = Bench.Values(q.Length, 6), startKey = Bench.Values(k.Length, 7);
                float[] startValue = Bench.Values(v.Length, 8), startScore = Bench.Values(score.Length, 9);
                AttentionGradients bound = GradientBound.Attention(
                    Widen(q), Widen(k), Widen(v), Widen(score), Widen(dy), queryOffsets, keyOffsets, width, valueWidth, spec, dropout,
                    new AttentionGradients(Widen(startQuery), Widen(startKey), Widen(startValue), Widen(startScore)));
                Tensor ofQuery = bench.Into(rows, width, startQuery, bound.Query);
                Tensor ofKey = bench.Into(keyRows, width, startKey, bound.Key);
                Tensor ofValue = bench.Into(keyRows, valueWidth, startValue, bound.Value);
                Tensor query = bench.Table(rows, width, q), key = bench.Table(keyRows, width, k);
                Tensor value = bench.Table(keyRows, valueWidth, v), d = bench.Table(rows, valueWidth, dy);
                (Ragged asked, Ragged seen) = (Ragged.Create(bench.Backend, queries), Ragged.Create(bench.Backend, keys));
                if (!isAdditive)
                {
                    bench.Backend.AttentionBackward(query, key, value, d, asked, seen, spec, dropout, ofQuery, ofKey, ofValue);
                    continue;
                }

                bench.Backend.AdditiveAttentionBackward(
                    query, key, value, bench.Table(1, width, score), d, asked, seen, spec, dropout, ofQuery, ofKey, ofValue,
                    bench.Into(1, width, startScore, bound.Score));
            }
        }
    }

    private static double[] Widen(float[] values) => Array.ConvertAll(values, static value => (double)value);
}
