// The checks that a model of any format passes before anyone builds a graph of it, so that building cannot fail later.
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Formats;

/// <summary>Checks a model's configuration, tensors and vocabularies against each other.</summary>
internal static class ModelValidation
{
    /// <summary>Checks everything but the weights' numbers: those are checked when they are read.</summary>
    /// <param name="model">The model.</param>
    /// <param name="configFile">The file that the configuration came from, for messages.</param>
    /// <exception cref="ModelFormatException">Something does not fit.</exception>
    public static void Check(ModelData model, string configFile)
    {
        CheckConfig(model.Config, configFile);
        CheckTensors(model);
        CheckVocabularies(model, configFile);
    }

    /// <summary>Checks the configuration by itself: after this no size that follows from it overflows.</summary>
    public static void CheckConfig(TransformerConfig config, string file)
    {
        void Demand(bool holds, string what, object? found, string expected)
        {
            if (!holds) throw new ModelFormatException(file, what, $"{found}", expected);
        }

        Demand(config.ModelDim >= 1, "model_dim", config.ModelDim, "at least 1");
        Demand(config.SourceVocabulary >= 1, "source_vocabulary_size", config.SourceVocabulary, "at least 1");
        Demand(config.TargetVocabulary >= 1, "target_vocabulary_size", config.TargetVocabulary, "at least 1");
        foreach (var (side, stack) in
            (ReadOnlySpan<(string, StackConfig)>)[("encoder", config.Encoder), ("decoder", config.Decoder)])
        {
            AttentionConfig attention = stack.Attention;
            Demand(stack.Layers >= 1, $"{side}.layers", stack.Layers, "at least 1");
            Demand(stack.HiddenDim >= 0, $"{side}.hidden_dim", stack.HiddenDim, "at least 0");
            Demand(stack.HiddenDim > 0 || !stack.Gated, $"{side}.gated", stack.Gated, "false, as there is no feed-forward block");
            CheckMixing(stack.Mixing, side, config.ModelDim, Demand);
            Demand(attention.Group is null || (attention.Group >= 1 && side == "encoder"), $"{side}.attention.group",
                attention.Group, side == "encoder" ? "at least 1, or null" : "null, as a group sees positions that come later");
            Demand(attention.Heads >= 1, $"{side}.attention.heads", attention.Heads, "at least 1");
            Demand(attention.HeadDim >= 1, $"{side}.attention.head_dim", attention.HeadDim, "at least 1");
            Demand((long)attention.Heads * attention.HeadDim <= int.MaxValue, $"{side}.attention.head_dim",
                attention.HeadDim, $"at most {int.MaxValue / attention.Heads:N0} with {attention.Heads} heads");
            Demand(attention.Scale is null or > 0 and < float.PositiveInfinity, $"{side}.attention.scale",
                attention.Scale, "greater than 0 and finite, or null");
            Demand(attention.WindowLeft is null or >= 0, $"{side}.attention.window_left", attention.WindowLeft,
                "at least 0, or null");
            Demand(attention.WindowRight is null or >= 0, $"{side}.attention.window_right", attention.WindowRight,
                "at least 0, or null");
            Demand(Enum.IsDefined(attention.Kind), $"{side}.attention.kind", attention.Kind, "a kind of attention");
            Demand(Enum.IsDefined(stack.Activation), $"{side}.activation", stack.Activation, "an activation");
            Demand(stack.NormEpsilon is > 0 and < float.PositiveInfinity, $"{side}.norm_epsilon", stack.NormEpsilon,
                "greater than 0 and finite");
            Demand(stack.EmbeddingScale is not { } scale || float.IsFinite(scale), $"{side}.embedding_scale",
                stack.EmbeddingScale, "a finite number, or null");
            CheckPositions(stack.Positions, side, config.ModelDim, Demand);
        }

        int layers = config.Decoder.Layers, heads = config.Decoder.Attention.Heads;
        Demand(config.AlignmentLayer >= -layers && config.AlignmentLayer < layers, "alignment_layer",
            config.AlignmentLayer, $"a layer of the decoder, {-layers} to {layers - 1}");
        Demand(config.AlignmentHeads >= 0 && config.AlignmentHeads <= heads, "alignment_heads", config.AlignmentHeads,
            $"0 to {heads}, the decoder's heads");
    }

    private static void CheckMixing(MixingConfig mixing, string side, int width, Action<bool, string, object?, string> demand)
    {
        demand(Enum.IsDefined(mixing.Kind), $"{side}.mixing.kind", mixing.Kind, "a kind of mixing");
        demand(mixing.Kernel >= 1 && (long)mixing.Kernel * width <= int.MaxValue, $"{side}.mixing.kernel", mixing.Kernel,
            $"1 to {int.MaxValue / width:N0}");
        demand(mixing.Dilation >= 1, $"{side}.mixing.dilation", mixing.Dilation, "at least 1");
        demand(width <= int.MaxValue / 4, "model_dim", width, $"at most {int.MaxValue / 4:N0}");
    }

    private static void CheckPositions(
        PositionConfig positions, string side, int width, Action<bool, string, object?, string> demand)
    {
        demand(Enum.IsDefined(positions.Kind), $"{side}.positions.kind", positions.Kind, "a kind of positions");
        demand(positions.Start is >= 0 and <= 1_000_000, $"{side}.positions.start", positions.Start, "0 to 1,000,000");
        if (positions.Kind != PositionKind.Sinusoidal) return;
        demand(width % 2 == 0, "model_dim", width, "an even number, as there is a cosine for each sine");
        demand(width >= 4 || !positions.ReachesLongest, "model_dim", width,
            "at least 4, so that there are two wavelengths");
    }

    private static void CheckTensors(ModelData model)
    {
        var known = new HashSet<string>();
        foreach (TensorSpec spec in TensorSpec.Of(model.Config))
        {
            known.Add(spec.Name);
            if (model.Tensors.TryGetValue(spec.Name, out HostTensor? tensor))
            {
                CheckTensor(spec, tensor);
            }
            else if (!spec.IsOptional)
            {
                throw new ModelFormatException(model.Path, spec.Name, "missing", Expected(spec));
            }
        }
        foreach (var (name, tensor) in model.Tensors)
            if (!known.Contains(name))
                throw new ModelFormatException(tensor.File, name, "there", "no such tensor, by the configuration");
    }

    private static void CheckTensor(in TensorSpec spec, HostTensor tensor)
    {
        string name = Named(spec.Name, tensor);
        Shape shape = tensor.Shape;
        if (shape.Columns != spec.Columns || (spec.Rows == 0 ? shape.Rows < 1 : shape.Rows != spec.Rows))
            throw new ModelFormatException(tensor.File, $"the shape of {name}", $"{shape}", Expected(spec));
        bool isKnown = tensor.Type.IsFloat()
            || (spec.Role == TensorRole.Weight && tensor.Type is DType.Int8 or DType.Int16);
        if (!isKnown)
        {
            string expected = spec.Role == TensorRole.Weight ? "a float type, int8 or int16" : "a float type";
            throw new ModelFormatException(tensor.File, $"the element type of {name}", tensor.Type.Word(), expected);
        }
        int scales = tensor.Type switch { DType.Int8 => shape.Rows, DType.Int16 => 1, _ => 0 };
        if ((tensor.Scales?.Length ?? 0) != scales)
            throw new ModelFormatException(tensor.File, $"the number of scales of {name}",
                $"{tensor.Scales?.Length ?? 0}", $"{scales}");
        for (int i = 0; i < scales; i++)
        {
            if (!WeightConversion.IsUsableScale(tensor.Scales![i], tensor.Type))
            {
                throw new ModelFormatException(tensor.File, $"scale {i} of {name}", $"{tensor.Scales[i]}",
                    "a number greater than 0 by which the weights can be divided");
            }
        }
    }

    private static void CheckVocabularies(ModelData model, string configFile)
    {
        CheckCount(model.Path, "source", model.SourceVocabulary, model.Config.SourceVocabulary);
        CheckCount(model.Path, "target", model.TargetVocabulary, model.Config.TargetVocabulary);
        SpecialTokens tokens = model.Tokens;
        CheckToken(configFile, "end", tokens.End, "target", model.TargetVocabulary);
        if (tokens.AddSourceBegin) CheckToken(configFile, "begin", tokens.Begin, "source", model.SourceVocabulary);
        if (tokens.AddSourceEnd) CheckToken(configFile, "end", tokens.End, "source", model.SourceVocabulary);
        // Marian's start token is in no vocabulary: its embedding is zeros, whatever its id.
        if (tokens.DecoderStart is { } start && !model.Config.StartsFromZeroEmbedding)
            CheckToken(configFile, "decoder start", start, "target", model.TargetVocabulary);
        if (!Tokenizer.Words.Contains(model.Tokenizer))
        {
            throw new ModelFormatException(configFile, "the tokenizer", Quote.Text(model.Tokenizer),
                string.Join(" or ", Tokenizer.Words.Select(static word => $"\"{word}\"")));
        }
    }

    private static void CheckCount(string file, string side, Vocabulary vocabulary, int rows)
    {
        if (vocabulary.Count != rows)
            throw new ModelFormatException(file, $"the number of {side} tokens", $"{vocabulary.Count:N0}",
                $"{rows:N0}, rows of the embedding");
    }

    private static void CheckToken(string file, string what, string token, string side, Vocabulary vocabulary)
    {
        if (!vocabulary.TryGetId(token, out _))
            throw new ModelFormatException(file, $"the {what} token", Quote.Text(token),
                $"a token of the {side} vocabulary");
    }

    private static string Expected(in TensorSpec spec) => spec.Role == TensorRole.Vector
        ? $"a vector of {spec.Columns:N0}"
        : $"a matrix of [{(spec.Rows == 0 ? "positions" : spec.Rows)}, {spec.Columns}]";

    // The file's own name is what its author knows; ours says which part of a fused matrix is meant.
    private static string Named(string name, HostTensor tensor) =>
        tensor.Name == name ? name : $"{tensor.Name} ({name})";
}
