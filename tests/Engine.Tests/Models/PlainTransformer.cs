// The whole graph once more, in double precision and as plainly as the papers have it: a sentence at a time, no backend, no
// batch, no cache. It shares nothing with the engine but the names of the weights.
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Tests.Models;

/// <summary>Computes the logits of one sentence pair.</summary>
internal sealed class PlainTransformer(ModelData data)
{
    private readonly Dictionary<string, double[][]> _matrices = [];

    /// <summary>Logits of each position of the target, [targets][vocabulary].</summary>
    public double[][] Logits(int[] source, int[] target)
    {
        (StackConfig encoder, StackConfig decoder) = (data.Config.Encoder, data.Config.Decoder);
        double[][] memory = Embed("encoder", encoder, source);
        for (int i = 0; i < encoder.Layers; i++)
        {
            string layer = $"encoder.layers.{i}";
            memory = SubLayer(encoder, memory, $"{layer}.self_attention_norm", h => Attention(
                encoder, $"{layer}.self_attention", h, h, (q, k) => IsInWindow(encoder, q, k)));
            memory = SubLayer(encoder, memory, $"{layer}.feed_forward_norm", h => FeedForward(encoder, layer, h));
        }

        if (encoder.FinalNorm) memory = Norm(encoder, "encoder.final_norm", memory);
        double[][] x = Embed("decoder", decoder, target);
        for (int i = 0; i < decoder.Layers; i++)
        {
            string layer = $"decoder.layers.{i}";
            x = SubLayer(decoder, x, $"{layer}.self_attention_norm", h => Attention(
                decoder, $"{layer}.self_attention", h, h, (q, k) => k <= q && IsInWindow(decoder, q, k)));
            x = SubLayer(decoder, x, $"{layer}.cross_attention_norm", h => Attention(
                decoder, $"{layer}.cross_attention", h, memory, static (_, _) => true));
            x = SubLayer(decoder, x, $"{layer}.feed_forward_norm", h => FeedForward(decoder, layer, h));
        }

        if (decoder.FinalNorm) x = Norm(decoder, "decoder.final_norm", x);
        return Linear("output", x);
    }

    private double[][] Embed(string side, StackConfig stack, int[] ids)
    {
        double[][] table = Matrix($"{side}.embedding.weight");
        double scale = stack.EmbeddingScale ?? Math.Sqrt(data.Config.ModelDim);
        var x = new double[ids.Length][];
        for (int i = 0; i < ids.Length; i++)
        {
            double[] position = Position(side, stack.Positions, i);
            x[i] = [.. table[ids[i]].Select((value, column) => (value * scale) + position[column])];
        }

        return stack.EmbeddingNorm ? Norm(stack, $"{side}.embedding_norm", x) : x;
    }

    private double[] Position(string side, PositionConfig positions, int index)
    {
        int width = data.Config.ModelDim;
        if (positions.Kind == PositionKind.Learned) return Matrix($"{side}.positions.weight")[index];
        var row = new double[width];
        if (positions.Kind == PositionKind.None) return row;
        for (int i = 0; i < width / 2; i++)
        {
            double exponent = positions.ReachesLongest ? i / ((width / 2.0) - 1) : 2.0 * i / width;
            double angle = (index + positions.Start) / Math.Pow(10000, exponent);
            row[positions.Interleaved ? 2 * i : i] = Math.Sin(angle);
            row[positions.Interleaved ? (2 * i) + 1 : (width / 2) + i] = Math.Cos(angle);
        }

        return row;
    }

    private double[][] SubLayer(StackConfig stack, double[][] x, string norm, Func<double[][], double[][]> layer) => stack.PreNorm
        ? Sum(x, layer(Norm(stack, norm, x)))
        : Norm(stack, norm, Sum(x, layer(x)));

    private double[][] Attention(
        StackConfig stack, string name, double[][] x, double[][] memory, Func<int, int, bool> isSeen)
    {
        AttentionConfig attention = stack.Attention;
        bool isAdditive = attention.Kind == AttentionKind.Additive;
        double scale = attention.Scale ?? (isAdditive ? 1 : 1 / Math.Sqrt(attention.HeadDim));
        double[] score = isAdditive ? Matrix($"{name}.score.weight")[0] : [];
        double[][] queries = Linear($"{name}.query", x), keys = Linear($"{name}.key", memory);
        double[][] values = Linear($"{name}.value", memory);
        var context = new double[x.Length][];
        for (int q = 0; q < x.Length; q++)
        {
            context[q] = new double[attention.Heads * attention.HeadDim];
            int[] seen = [.. Enumerable.Range(0, memory.Length).Where(k => isSeen(q, k))];
            for (int first = 0; first < context[q].Length && seen.Length > 0; first += attention.HeadDim)
            {
                double Match(int k, int c) => isAdditive ? score[c] * Math.Tanh(queries[q][c] + keys[k][c]) : queries[q][c] * keys[k][c];
                double[] scores = [.. seen.Select(k => scale * Enumerable.Range(first, attention.HeadDim).Sum(c => Match(k, c)))];
                double[] weights = [.. scores.Select(s => Math.Exp(s - scores.Max()))];
                for (int c = first; c < first + attention.HeadDim; c++)
                    context[q][c] = seen.Select((k, i) => weights[i] / weights.Sum() * values[k][c]).Sum();
            }
        }

        return Linear($"{name}.output", context);
    }

    private double[][] FeedForward(StackConfig stack, string layer, double[][] x)
    {
        double[][] hidden = [.. Linear($"{layer}.feed_forward.up", x)
            .Select(row => row.Select(value => ActivationReference.Invoke(stack.Activation, value)).ToArray())];
        if (stack.Gated)
        {
            double[][] gate = Linear($"{layer}.feed_forward.gate", x);
            hidden = [.. hidden.Select((row, i) => row.Select((value, c) => value * gate[i][c]).ToArray())];
        }

        return Linear($"{layer}.feed_forward.down", hidden);
    }

    private double[][] Norm(StackConfig stack, string name, double[][] x) => [.. x.Select(row =>
    {
        double[] gain = Matrix($"{name}.weight")[0];
        double[]? bias = data.Tensors.ContainsKey($"{name}.bias") ? Matrix($"{name}.bias")[0] : null;
        double mean = stack.RmsNorm ? 0 : row.Average();
        double root = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + stack.NormEpsilon);
        return row.Select((value, c) => ((value - mean) / root * gain[c]) + (bias?[c] ?? 0)).ToArray();
    })];

    private double[][] Linear(string name, double[][] x)
    {
        double[][] weight = Matrix($"{name}.weight");
        double[]? bias = data.Tensors.ContainsKey($"{name}.bias") ? Matrix($"{name}.bias")[0] : null;
        return [.. x.Select(row => weight.Select((w, o) => (bias?[o] ?? 0) + w.Zip(row, static (a, b) => a * b).Sum()).ToArray())];
    }

    private double[][] Matrix(string name)
    {
        if (_matrices.TryGetValue(name, out double[][]? matrix)) return matrix;
        HostTensor tensor = data.Tensors[name];
        matrix = [.. tensor.ReadFloats().Chunk(tensor.Shape.Columns).Select(static row => ErrorBound.Widen(row))];
        return _matrices[name] = matrix;
    }

    private static bool IsInWindow(StackConfig stack, int query, int key) =>
        key >= query - (long)(stack.Attention.WindowLeft ?? int.MaxValue) &&
        key <= query + (long)(stack.Attention.WindowRight ?? int.MaxValue);

    private static double[][] Sum(double[][] x, double[][] y) =>
        [.. x.Select((row, i) => row.Zip(y[i], static (a, b) => a + b).ToArray())];
}
