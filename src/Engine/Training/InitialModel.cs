// The model before the first step: every number a function of the seed and of its place, so that neither the order in which
// tensors are made nor the machine changes one.
using Engine.Formats;
using Engine.Models;
using Engine.Numerics;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>Makes models with random weights to train.</summary>
internal static class InitialModel
{
    private const uint WeightDomain = 0x77676874;   // "wght"

    /// <summary>Makes a model.</summary>
    /// <remarks>
    /// Linear layers: uniform within √(6 / (inputs + outputs)) (Glorot and Bengio 2010), query, key and value each by itself, and so each
    /// gate of a recurrent layer; the score of additive attention as a layer of one output, the filter of a column as one from its taps
    /// to as many. Embeddings, output layer and learned positions: normal with
    /// deviation modelDim^−0.5. Gains are 1, biases 0.
    /// </remarks>
    /// <param name="config">The configuration.</param>
    /// <param name="coding">Tokenizer and vocabularies.</param>
    /// <param name="splitLongerThan">Of how many tokens the longest sentences are that it will know.</param>
    public static ModelData Create(TrainingConfig config, TextCoding coding, int splitLongerThan = ModelData.DefaultSplit)
    {
        ModelSettings settings = config.Model;
        var shape = new TransformerConfig
        {
            ModelDim = settings.ModelDim,
            SourceVocabulary = coding.Source.Count,
            TargetVocabulary = coding.Target.Count,
            Encoder = settings.Encoder,
            Decoder = settings.Decoder,
        };
        ModelValidation.CheckConfig(shape, config.File);
        return new ModelData
        {
            Path = coding.Directory,
            Format = "training",
            Config = shape,
            Tensors = Tensors(shape, settings.Tie, settings.MaxPositions, (ulong)config.Seed),
            SourceVocabulary = coding.Source,
            TargetVocabulary = coding.Target,
            Tokens = TextCoding.Tokens,
            Tokenizer = coding.Tokenizer.Word,
            SplitLongerThan = splitLongerThan,
        };
    }

    /// <summary>The weights of a shape.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="tie">Which embeddings are one.</param>
    /// <param name="maxPositions">Rows of a learned table of positions.</param>
    /// <param name="seed">Decides them.</param>
    internal static Dictionary<string, HostTensor> Tensors(TransformerConfig shape, Tying tie, int maxPositions, ulong seed)
    {
        var tensors = new Dictionary<string, HostTensor>(StringComparer.Ordinal);
        uint number = 0;
        foreach (TensorSpec spec in TensorSpec.Of(shape))
        {
            number++;
            if (Twin(spec.Name, tie) is { } twin)
            {
                tensors.Add(spec.Name, tensors[twin]);
                continue;
            }

            var size = new Shape(spec.Rows == 0 ? maxPositions : spec.Rows, spec.Columns);
            var values = new float[checked((int)size.Count)];
            if (spec.Name.EndsWith(".depthwise.weight", StringComparison.Ordinal))
                FillUniform(values, Math.Sqrt(3.0 / spec.Rows), seed, number);
            else if (spec.Role == TensorRole.Table || IsEmbedding(spec.Name))
                FillNormal(values, Math.Pow(shape.ModelDim, -0.5), seed, number);
            else if (spec.Name.EndsWith(".score.weight", StringComparison.Ordinal))
                FillUniform(values, Math.Sqrt(6.0 / (spec.Columns + 1)), seed, number);
            else if (spec.Name.EndsWith(".mixing.input.weight", StringComparison.Ordinal)
                || spec.Name.EndsWith(".mixing.hidden.weight", StringComparison.Ordinal))
                FillUniform(values, Math.Sqrt(3.0 / spec.Columns), seed, number);
            else if (spec.Role == TensorRole.Weight)
                FillUniform(values, Math.Sqrt(6.0 / (spec.Rows + spec.Columns)), seed, number);
            else if (spec.Name.EndsWith("weight", StringComparison.Ordinal))
                values.AsSpan().Fill(1);
            tensors.Add(spec.Name, HostTensor.FromValues(spec.Name, size, values));
        }

        return tensors;
    }

    private static bool IsEmbedding(string name) =>
        name is "encoder.embedding.weight" or "decoder.embedding.weight" or "output.weight";

    // Names come encoder first, so that a tensor is there before those that are the same.
    private static string? Twin(string name, Tying tie) => (name, tie) switch
    {
        ("decoder.embedding.weight", Tying.All) or ("output.weight", Tying.All) => "encoder.embedding.weight",
        ("output.weight", Tying.Decoder) => "decoder.embedding.weight",
        _ => null,
    };

    private static void FillUniform(float[] values, double bound, ulong seed, uint tensor)
    {
        for (int i = 0; i < values.Length; i++)
        {
            var (word, _, _, _) = Philox.Block(seed, (uint)i, tensor, 0, WeightDomain);
            values[i] = (float)(bound * (((word + 0.5) / (1L << 31)) - 1));
        }
    }

    // Box and Muller 1958.
    private static void FillNormal(float[] values, double deviation, ulong seed, uint tensor)
    {
        for (int i = 0; i < values.Length; i++)
        {
            var (first, second, _, _) = Philox.Block(seed, (uint)i, tensor, 0, WeightDomain);
            double radius = Math.Sqrt(-2 * Math.Log((first + 0.5) / (1L << 32)));
            values[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * second / (1L << 32)));
        }
    }
}
