// The engine's own format, as docs/model-format.md has it: model.safetensors, config.json and vocabularies.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Formats;

/// <summary>Reads models of the engine's own format; <see cref="ModelWriter"/> writes them.</summary>
internal static class OwnFormat
{
    /// <summary>The file that makes a directory one of this format.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>Shape of the graph and tokens.</summary>
    public const string ConfigName = "config.json";

    /// <summary>What <c>format_version</c> is.</summary>
    public const int Version = 1;

    /// <summary>Words of the configuration for activations.</summary>
    public static readonly (string Word, Activation Value)[] Activations =
    [
        ("relu", Activation.Relu), ("gelu", Activation.Gelu), ("gelu_tanh", Activation.GeluTanh),
        ("gelu_sigmoid", Activation.GeluSigmoid), ("silu", Activation.Silu), ("tanh", Activation.Tanh),
        ("sigmoid", Activation.Sigmoid), ("none", Activation.None),
    ];

    /// <summary>Words of the configuration for kinds of attention.</summary>
    public static readonly (string Word, AttentionKind Value)[] AttentionKinds =
        [("dot_product", AttentionKind.DotProduct), ("additive", AttentionKind.Additive)];

    /// <summary>Words of the configuration for kinds of mixing.</summary>
    public static readonly (string Word, MixingKind Value)[] MixingKinds =
    [
        ("attention", MixingKind.Attention), ("recurrent", MixingKind.Recurrent), ("lstm", MixingKind.Lstm), ("gru", MixingKind.Gru),
        ("convolution", MixingKind.Convolution), ("separable_convolution", MixingKind.SeparableConvolution),
    ];

    /// <summary>Words of the configuration for kinds of positions.</summary>
    public static readonly (string Word, PositionKind Value)[] PositionKinds =
        [("sinusoidal", PositionKind.Sinusoidal), ("learned", PositionKind.Learned), ("none", PositionKind.None)];

    /// <summary>Words of the configuration for how activations are rounded.</summary>
    public static readonly (string Word, ActivationRounding Value)[] Roundings =
        [("nearest", ActivationRounding.Nearest), ("legacy", ActivationRounding.Legacy)];

    /// <summary>Words of the configuration for the order of a matrix's numbers.</summary>
    public static readonly (string Word, WeightLayout Value)[] Layouts =
        [("rows", WeightLayout.Rows), ("packed", WeightLayout.Packed)];

    /// <summary>Reads the model of a directory.</summary>
    public static ModelData Open(string directory)
    {
        string configFile = Path.Combine(directory, ConfigName);
        JsonSection root = JsonSection.Read(configFile);
        root.Integer("format_version", null, Version, Version);
        SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(directory, FileName));
        try
        {
            WeightLayout layout = root.Word("layout", WeightLayout.Rows, Layouts);
            var (config, tensors) = layout == WeightLayout.Rows
                ? Rows(root, configFile, file)
                : Packed(root, configFile, file);
            SpecialTokens tokens = Tokens(root.SectionOrNull("tokens"));
            string tokenizer = root.Word("tokenizer", Tokenizer.Space.Word,
                [.. Tokenizer.Words.Select(static word => (word, word))]);
            int split = root.Integer("split_longer_than", ModelData.DefaultSplit, 0);
            ActivationRounding rounding = root.Word("activation_rounding", ActivationRounding.Nearest, Roundings);
            root.RefuseUnknownKeys();

            var (source, target) = VocabularyReader.Read(
                directory, tokens.Unknown, config.SourceVocabulary, config.TargetVocabulary);
            var model = new ModelData
            {
                Path = directory,
                Format = $"safetensors, format version {Version}{(layout == WeightLayout.Packed ? ", packed" : "")}",
                Config = config,
                Tensors = tensors,
                SourceVocabulary = source,
                TargetVocabulary = target,
                VocabularyMap = VocabularyMapFile.Read(directory, target, tokens),
                Tokens = tokens,
                Tokenizer = tokenizer,
                SplitLongerThan = split,
                Rounding = rounding,
                Resource = file,
            };
            ModelValidation.Check(model, configFile);
            return model;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static (TransformerConfig, Dictionary<string, HostTensor>) Rows(
        JsonSection root, string configFile, SafeTensorsFile file)
    {
        Dictionary<string, HostTensor> tensors = Tensors(file);
        foreach (var (name, target) in Aliases(root, configFile, file)) tensors.Add(name, tensors[target]);
        int RowsOf(string name) => tensors.TryGetValue(name, out HostTensor? tensor)
            ? tensor.Shape.Rows
            : throw new ModelFormatException(
                file.File, name, "missing", "a tensor of the file, or an alias in config.json");
        TransformerConfig config = Config(
            root, RowsOf("encoder.embedding.weight"), RowsOf("decoder.embedding.weight"));
        ModelValidation.CheckConfig(config, configFile);
        CheckRanks(config, file, tensors);
        return (config, tensors);
    }

    private static (TransformerConfig, Dictionary<string, HostTensor>) Packed(
        JsonSection root, string configFile, SafeTensorsFile file)
    {
        TransformerConfig config = Config(root, null, null);
        ModelValidation.CheckConfig(config, configFile);
        return (config, PackedTensors.Read(file, config, Aliases(root, configFile, file)));
    }

    private static Dictionary<string, HostTensor> Tensors(SafeTensorsFile file)
    {
        var tensors = new Dictionary<string, HostTensor>();
        foreach (SafeTensorsEntry entry in file.Entries.Values)
        {
            if (IsScale(entry.Name))
            {
                string owner = entry.Name[..^"_scale".Length];
                DType? type = file.Entries.TryGetValue(owner, out SafeTensorsEntry? weight) ? weight.KnownType : null;
                if (type is DType.Int8 or DType.Int16) continue;
                throw new ModelFormatException(file.File, entry.Name, "there",
                    $"a scale only beside int8 or int16 weights {Quote.Text(owner)}");
            }
            tensors.Add(entry.Name, file.Tensor(entry, Scales(file, entry)));
        }
        return tensors;
    }

    private static float[]? Scales(SafeTensorsFile file, SafeTensorsEntry entry)
    {
        if (entry.KnownType is not (DType.Int8 or DType.Int16)) return null;
        string name = $"{entry.Name}_scale";
        bool isPerRow = entry.KnownType == DType.Int8;
        string expected = isPerRow
            ? $"F32 [{entry.Dimensions.FirstOrDefault()}], one number a row"
            : "F32 [], one number";
        if (!file.Entries.TryGetValue(name, out SafeTensorsEntry? scale))
            throw new ModelFormatException(file.File, name, "missing", expected);
        bool fits = scale.KnownType == DType.Float32 && (isPerRow
            ? scale.Dimensions.Length == 1 && entry.Dimensions.Length == 2 && scale.Dimensions[0] == entry.Dimensions[0]
            : scale.Dimensions.Length == 0 || scale.Dimensions is [1]);
        return fits
            ? file.Tensor(scale).ReadFloats()
            : throw new ModelFormatException(file.File, name, $"{scale.Type} {scale.Shape}", expected);
    }

    // Weights that are shared are stored once. Targets are tensors of the file, so there are no chains and no loops.
    private static Dictionary<string, string> Aliases(JsonSection root, string configFile, SafeTensorsFile file)
    {
        var found = new Dictionary<string, string>();
        if (root.SectionOrNull("aliases") is not { } aliases) return found;
        foreach (string name in aliases.Keys)
        {
            string target = aliases.String(name, null);
            string field = $"the alias {Quote.Text(name)}";
            if (file.Entries.ContainsKey(name) && !IsScale(name))
                throw new ModelFormatException(configFile, field, "a tensor of the file too", "one or the other");
            if (!file.Entries.ContainsKey(target) || IsScale(target))
                throw new ModelFormatException(configFile, field, Quote.Text(target), $"a tensor of {FileName}");
            found.Add(name, target);
        }
        return found;
    }

    private static bool IsScale(string name) => name.EndsWith("_scale", StringComparison.Ordinal);

    // In the table of the graph a vector is a matrix of one row; in the file it has one dimension.
    private static void CheckRanks(
        TransformerConfig config, SafeTensorsFile file, Dictionary<string, HostTensor> tensors)
    {
        foreach (TensorSpec spec in TensorSpec.Of(config))
        {
            if (!tensors.TryGetValue(spec.Name, out HostTensor? tensor))
            {
                if (!spec.IsOptional) return;   // the checks that follow say what is missing
                continue;
            }
            SafeTensorsEntry entry = file.Entries[tensor.Name];
            if (entry.Dimensions.Length != (spec.Role == TensorRole.Vector ? 1 : 2))
            {
                throw new ModelFormatException(file.File, $"the shape of {spec.Name}", entry.Shape,
                    spec.Role == TensorRole.Vector ? "one dimension" : "two dimensions");
            }
        }
    }

    // The sizes of the vocabularies are required where the tensors do not tell them.
    private static TransformerConfig Config(JsonSection root, int? sourceRows, int? targetRows)
    {
        int modelDim = root.Integer("model_dim", null, 1);
        return new TransformerConfig
        {
            ModelDim = modelDim,
            SourceVocabulary = root.Integer("source_vocabulary_size", sourceRows, 1),
            TargetVocabulary = root.Integer("target_vocabulary_size", targetRows, 1),
            Encoder = Stack(root.Section("encoder"), modelDim),
            Decoder = Stack(root.Section("decoder"), modelDim),
            StartsFromZeroEmbedding = root.Flag("starts_from_zero_embedding", false),
            AlignmentLayer = root.Integer("alignment_layer", -1, int.MinValue),
            AlignmentHeads = root.Integer("alignment_heads", 1, 0),
        };
    }

    private static StackConfig Stack(JsonSection section, int modelDim)
    {
        bool preNorm = section.Flag("pre_norm", false);
        bool isRms = section.Flag("rms_norm", false);
        var stack = new StackConfig
        {
            Layers = section.Integer("layers", null, 1),
            HiddenDim = section.Integer("hidden_dim", null, 0),
            Attention = Attention(section.Section("attention"), modelDim),
            Mixing = Mixing(section.SectionOrNull("mixing")),
            Activation = section.Word("activation", Activation.Relu, Activations),
            Gated = section.Flag("gated", false),
            PreNorm = preNorm,
            FinalNorm = section.Flag("final_norm", preNorm),
            EmbeddingNorm = section.Flag("embedding_norm", false),
            RmsNorm = isRms,
            NormEpsilon = section.NumberOrNull("norm_epsilon") ?? (isRms ? 1e-6f : 1e-5f),
            EmbeddingScale = section.NumberOrNull("embedding_scale"),
            Positions = Positions(section.SectionOrNull("positions")),
        };
        section.RefuseUnknownKeys();
        return stack;
    }

    private static AttentionConfig Attention(JsonSection section, int modelDim)
    {
        int heads = section.Integer("heads", null, 1);
        int? divided = modelDim % heads == 0 ? modelDim / heads : null;   // else head_dim is required
        var attention = new AttentionConfig
        {
            Kind = section.Word("kind", AttentionKind.DotProduct, AttentionKinds),
            Heads = heads,
            HeadDim = section.Integer("head_dim", divided, 1),
            Scale = section.NumberOrNull("scale"),
            WindowLeft = section.IntegerOrNull("window_left"),
            WindowRight = section.IntegerOrNull("window_right"),
            Group = section.IntegerOrNull("group"),
        };
        section.RefuseUnknownKeys();
        return attention;
    }

    private static MixingConfig Mixing(JsonSection? section)
    {
        var usual = new MixingConfig();
        if (section is null) return usual;
        var mixing = new MixingConfig
        {
            Kind = section.Word("kind", usual.Kind, MixingKinds),
            Kernel = section.Integer("kernel", usual.Kernel, 1),
            Dilation = section.Integer("dilation", usual.Dilation, 1),
        };
        section.RefuseUnknownKeys();
        return mixing;
    }

    private static PositionConfig Positions(JsonSection? section)
    {
        var usual = new PositionConfig();
        if (section is null) return usual;
        var positions = new PositionConfig
        {
            Kind = section.Word("kind", usual.Kind, PositionKinds),
            Interleaved = section.Flag("interleaved", usual.Interleaved),
            Start = section.Integer("start", usual.Start, 0),
            ReachesLongest = section.Flag("reaches_longest", usual.ReachesLongest),
        };
        section.RefuseUnknownKeys();
        return positions;
    }

    private static SpecialTokens Tokens(JsonSection? section)
    {
        var usual = new SpecialTokens();
        if (section is null) return usual;
        var tokens = new SpecialTokens
        {
            Unknown = section.String("unknown", usual.Unknown),
            Begin = section.String("begin", usual.Begin),
            End = section.String("end", usual.End),
            DecoderStart = section.StringOrNull("decoder_start", usual.DecoderStart),
            AddSourceBegin = section.Flag("add_source_begin", usual.AddSourceBegin),
            AddSourceEnd = section.Flag("add_source_end", usual.AddSourceEnd),
        };
        section.RefuseUnknownKeys();
        return tokens;
    }
}
