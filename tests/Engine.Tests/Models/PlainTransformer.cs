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
            memory = Mix(encoder, memory, layer, i, (q, k) => IsInWindow(encoder, q, k) && IsInGroup(encoder, q, k), isCausal: false);
            if (encoder.HiddenDim > 0)
                memory = SubLayer(encoder, memory, $"{layer}.feed_forward_norm", h => FeedForward(encoder, layer, h));
        }

        if (encoder.FinalNorm) memory = Norm(encoder, "encoder.final_norm", memory);
        double[][] x = Embed("decoder", decoder, target);
        for (int i = 0; i < decoder.Layers; i++)
        {
            string layer = $"decoder.layers.{i}";
            x = Mix(decoder, x, layer, i, (q, k) => k <= q && IsInWindow(decoder, q, k), isCausal: true);
            x = SubLayer(decoder, x, $"{layer}.cross_attention_norm", h => Attention(
                decoder, $"{layer}.cross_attention", h, memory, static (_, _) => true));
            if (decoder.HiddenDim > 0) x = SubLayer(decoder, x, $"{layer}.feed_forward_norm", h => FeedForward(decoder, layer, h));
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

    private double[][] Mix(
        StackConfig stack, double[][] x, string layer, int number, Func<int, int, bool> isSeen, bool isCausal)
    {
        if (stack.Mixing.Kind == MixingKind.Attention)
            return SubLayer(stack, x, $"{layer}.self_attention_norm", h => Attention(stack, $"{layer}.self_attention", h, h, isSeen));
        int kernel = stack.Mixing.Kernel, before = isCausal ? kernel - 1 : (kernel - 1) / 2;
        int dilation = (int)Math.Pow(stack.Mixing.Dilation, number);
        return SubLayer(stack, x, $"{layer}.mixing_norm", h => stack.Mixing.Kind switch
        {
            MixingKind.Convolution => Linear($"{layer}.mixing.filter", [.. h.Select((_, t) => (double[])
                [.. Enumerable.Range(0, kernel).SelectMany(tap => At(h, t + ((tap - before) * dilation)))])]),
            MixingKind.SeparableConvolution => Separable($"{layer}.mixing", h, kernel, before, dilation),
            _ => Recurrent(stack.Mixing.Kind, $"{layer}.mixing", h),
        });
    }

    private double[] At(double[][] h, int position) =>
        position >= 0 && position < h.Length ? h[position] : new double[data.Config.ModelDim];

    private double[][] Separable(string name, double[][] h, int kernel, int before, int dilation)
    {
        double[][] filter = Matrix($"{name}.depthwise.weight");
        double[]? bias = data.Tensors.ContainsKey($"{name}.depthwise.bias") ? Matrix($"{name}.depthwise.bias")[0] : null;
        return Linear($"{name}.pointwise", [.. h.Select((row, t) => row.Select((_, c) => (bias?[c] ?? 0) +
            Enumerable.Range(0, kernel).Sum(tap => filter[tap][c] * At(h, t + ((tap - before) * dilation))[c])).ToArray())]);
    }

    private double[][] Recurrent(MixingKind kind, string name, double[][] h)
    {
        static double Sigmoid(double value) => 1 / (1 + Math.Exp(-value));
        int width = data.Config.ModelDim;
        double[] state = new double[width], memory = new double[width];
        var y = new double[h.Length][];
        for (int t = 0; t < h.Length; t++)
        {
            double[] a = Linear($"{name}.input", [h[t]])[0], b = Linear($"{name}.hidden", [state])[0];
            double Gate(int gate, int c) => a[(gate * width) + c] + b[(gate * width) + c];
            for (int c = 0; c < width; c++)
            {
                if (kind == MixingKind.Recurrent) state[c] = Math.Tanh(Gate(0, c));
                else if (kind == MixingKind.Lstm)
                {
                    memory[c] = (Sigmoid(Gate(1, c)) * memory[c]) + (Sigmoid(Gate(0, c)) * Math.Tanh(Gate(2, c)));
                    state[c] = Sigmoid(Gate(3, c)) * Math.Tanh(memory[c]);
                }
                else
                {
                    double z = Sigmoid(Gate(1, c)), n = Math.Tanh(a[(2 * width) + c] + (Sigmoid(Gate(0, c)) * b[(2 * width) + c]));
                    state[c] = ((1 - z) * n) + (z * state[c]);
                }
            }

            y[t] = [.. state];
        }

        return y;
    }

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

    private static bool IsInGroup(StackConfig stack, int query, int key) =>
        stack.Attention.Group is not { } size || query / size == key / size;

    private static bool IsInWindow(StackConfig stack, int query, int key) =>
        key >= query - (long)(stack.Attention.WindowLeft ?? int.MaxValue) &&
        key <= query + (long)(stack.Attention.WindowRight ?? int.MaxValue);

    private static double[][] Sum(double[][] x, double[][] y) =>
        [.. x.Select((row, i) => row.Zip(y[i], static (a, b) => a + b).ToArray())];
}
