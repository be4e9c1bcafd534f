// Models with random weights, of any shape: for tests of properties and for benchmarks, where the numbers do not matter.
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Reference;

/// <summary>Makes models in memory.</summary>
public static class RandomModel
{
    /// <summary>The shape of a model with the same encoder and decoder.</summary>
    public static TransformerConfig Config(
        int modelDim, int heads, int hiddenDim, int layers, int vocabulary, Func<StackConfig, StackConfig>? change = null)
    {
        var stack = new StackConfig
        {
            Layers = layers,
            HiddenDim = hiddenDim,
            Attention = new AttentionConfig { Heads = heads, HeadDim = modelDim / heads },
        };
        stack = change?.Invoke(stack) ?? stack;
        return new TransformerConfig
        {
            ModelDim = modelDim,
            SourceVocabulary = vocabulary,
            TargetVocabulary = vocabulary,
            Encoder = stack,
            Decoder = stack,
        };
    }

    /// <summary>Fills every weight with random numbers. Tokens are <c>&lt;unk&gt;</c>, <c>&lt;s&gt;</c>, <c>&lt;/s&gt;</c>, <c>t3</c>, <c>t4</c>, ...</summary>
    /// <param name="config">Shape.</param>
    /// <param name="seed">The same seed gives the same model.</param>
    /// <param name="tied">Whether source, target and output embeddings are one.</param>
    public static ModelData Create(TransformerConfig config, int seed = 1, bool tied = false)
    {
        var tensors = new Dictionary<string, HostTensor>(StringComparer.Ordinal);
        var random = new Random(seed);
        AddStack(tensors, random, "encoder", config, config.Encoder, isDecoder: false);
        AddStack(tensors, random, "decoder", config, config.Decoder, isDecoder: true);
        Add(tensors, random, "encoder.embedding.weight", config.SourceVocabulary, config.ModelDim);
        if (tied)
        {
            tensors["decoder.embedding.weight"] = tensors["output.weight"] = tensors["encoder.embedding.weight"];
        }
        else
        {
            Add(tensors, random, "decoder.embedding.weight", config.TargetVocabulary, config.ModelDim);
            Add(tensors, random, "output.weight", config.TargetVocabulary, config.ModelDim);
        }

        Add(tensors, random, "output.bias", 1, config.TargetVocabulary);
        return new ModelData
        {
            Path = "random model",
            Format = "random",
            Config = config,
            Tensors = tensors,
            SourceVocabulary = Tokens(config.SourceVocabulary),
            TargetVocabulary = Tokens(config.TargetVocabulary),
            Tokens = new SpecialTokens(),
            Tokenizer = "space",
        };
    }

    /// <summary>A random sentence.</summary>
    public static string[] Sentence(Random random, int length, int vocabulary) =>
        [.. Enumerable.Range(0, length).Select(_ => $"t{random.Next(3, vocabulary)}")];

    private static Vocabulary Tokens(int count) =>
        new(Enumerable.Range(0, count).Select(static i => i switch { 0 => "<unk>", 1 => "<s>", 2 => "</s>", _ => $"t{i}" }), "<unk>");

    private static void AddStack(
        Dictionary<string, HostTensor> tensors, Random random, string side, TransformerConfig config, StackConfig stack, bool isDecoder)
    {
        int dim = config.ModelDim, width = stack.Attention.Heads * stack.Attention.HeadDim;
        void Linear(string name, int outputs, int inputs)
        {
            Add(tensors, random, $"{name}.weight", outputs, inputs);
            Add(tensors, random, $"{name}.bias", 1, outputs);
        }

        void Attention(string name)
        {
            foreach (string part in new[] { "query", "key", "value" }) Linear($"{name}.{part}", width, dim);
            Linear($"{name}.output", dim, width);
            if (stack.Attention.Kind == AttentionKind.Additive) Add(tensors, random, $"{name}.score.weight", 1, width);
        }

        void Mixing(string name, MixingConfig mixing)
        {
            int gates = mixing.Kind switch { MixingKind.Lstm => 4, MixingKind.Gru => 3, _ => 1 };
            switch (mixing.Kind)
            {
                case MixingKind.Convolution:
                    Linear($"{name}.filter", dim, mixing.Kernel * dim);
                    break;
                case MixingKind.SeparableConvolution:
                    Add(tensors, random, $"{name}.depthwise.weight", mixing.Kernel, dim);
                    Add(tensors, random, $"{name}.depthwise.bias", 1, dim);
                    Linear($"{name}.pointwise", dim, dim);
                    break;
                default:
                    Linear($"{name}.input", gates * dim, dim);
                    Linear($"{name}.hidden", gates * dim, dim);
                    break;
            }
        }

        void Norm(string name)
        {
            AddNorm(tensors, random, $"{name}.weight", dim, 1);
            if (!stack.RmsNorm) AddNorm(tensors, random, $"{name}.bias", dim, 0);
        }

        for (int i = 0; i < stack.Layers; i++)
        {
            string layer = $"{side}.layers.{i}";
            if (stack.Mixing.Kind == MixingKind.Attention)
            {
                Attention($"{layer}.self_attention");
                Norm($"{layer}.self_attention_norm");
            }
            else
            {
                Mixing($"{layer}.mixing", stack.Mixing);
                Norm($"{layer}.mixing_norm");
            }

            if (isDecoder)
            {
                Attention($"{layer}.cross_attention");
                Norm($"{layer}.cross_attention_norm");
            }

            if (stack.HiddenDim == 0) continue;
            Linear($"{layer}.feed_forward.up", stack.HiddenDim, dim);
            if (stack.Gated) Linear($"{layer}.feed_forward.gate", stack.HiddenDim, dim);
            Linear($"{layer}.feed_forward.down", dim, stack.HiddenDim);
            Norm($"{layer}.feed_forward_norm");
        }

        if (stack.FinalNorm) Norm($"{side}.final_norm");
        if (stack.EmbeddingNorm) Norm($"{side}.embedding_norm");
        if (stack.Positions.Kind == PositionKind.Learned) Add(tensors, random, $"{side}.positions.weight", 64, dim);
    }

    // The size of weights that keeps sums near 1, as a trained model's do.
    private static void Add(Dictionary<string, HostTensor> tensors, Random random, string name, int rows, int columns)
    {
        float size = 1.7f / MathF.Sqrt(columns);
        AddValues(tensors, name, rows, columns, () => size * (random.NextSingle() - 0.5f) * 2);
    }

    private static void AddNorm(Dictionary<string, HostTensor> tensors, Random random, string name, int columns, float center) =>
        AddValues(tensors, name, 1, columns, () => center + (0.2f * (random.NextSingle() - 0.5f)));

    private static void AddValues(
        Dictionary<string, HostTensor> tensors, string name, int rows, int columns, Func<float> next)
    {
        var values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++) values[i] = next();
        tensors.Add(name, HostTensor.FromValues(name, new Shape(rows, columns), values));
    }
}
