// What the variables of a CTranslate2 model mean. Whatever would change the graph and is not known here is refused,
// never ignored: a model that loads is computed as its author meant it.
using System.Text;
using System.Text.Unicode;
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;
using Engine.Text.SentencePiece;

namespace Engine.Formats;

/// <summary>Reads encoder-decoder models that CTranslate2's converters wrote, binary versions 1 to 6.</summary>
internal sealed class CTranslate2Reader
{
    /// <summary>The file that makes a directory one of CTranslate2.</summary>
    public const string FileName = "model.bin";

    private readonly CTranslate2File _file;
    private readonly string _directory;
    private readonly JsonSection? _config;
    private readonly HashSet<string> _scopes;
    private readonly HashSet<string> _known = [];
    private readonly Dictionary<string, HostTensor> _tensors = [];
    private readonly Dictionary<(CTranslate2Variable, CTranslate2Variable?), HostTensor> _whole = [];
    private readonly Dictionary<(HostTensor, int Start, int Count), HostTensor> _parts = [];

    private CTranslate2Reader(CTranslate2File file, string directory, JsonSection? config)
    {
        _file = file;
        _directory = directory;
        _config = config;
        _scopes = [.. file.Names.Select(name => string.Join('/', name.Split('/').Take(2)))];   // as in encoder/layer_0
    }

    private string Path => _file.Source.File;

    private string ConfigFile => System.IO.Path.Combine(_directory, "config.json");

    /// <summary>Reads the model of a directory.</summary>
    public static ModelData Open(string directory)
    {
        CTranslate2File file = CTranslate2File.Open(System.IO.Path.Combine(directory, FileName));
        try
        {
            string config = System.IO.Path.Combine(directory, "config.json");
            return new CTranslate2Reader(file, directory, File.Exists(config) ? JsonSection.Read(config) : null).Read();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private ModelData Read()
    {
        SpecialTokens tokens = ReadTokens();
        RefuseGroupQuantisation();
        string sourceEmbedding = Has("encoder/embeddings/weight")
            ? "encoder/embeddings/weight"
            : "encoder/embeddings_0/weight";
        HostTensor source = Matrix(sourceEmbedding);
        HostTensor target = Matrix("decoder/embeddings/weight");
        if (Has("encoder/embeddings_1/weight"))
            throw NotSupported("encoder/embeddings_1/weight", "several features of the source");
        Attribute("encoder", "embeddings_merge", 0, 0, 1);   // without several features it says nothing
        _tensors["encoder.embedding.weight"] = source;
        _tensors["decoder.embedding.weight"] = target;
        int modelDim = target.Shape.Columns;

        StackConfig encoder = ReadStack("encoder", modelDim);
        StackConfig decoder = ReadStack("decoder", modelDim);
        ReadLinear("decoder/projection", "output");
        RefuseUnless("decoder/scale_outputs", 1);
        RefuseUnless("decoder/final_logit_softcapping", 0);
        RefuseUnless("decoder/alibi", 0);
        _known.Add("decoder/alibi_use_positive_positions");
        _known.Add("decoder/scale_alibi");
        var config = new TransformerConfig
        {
            ModelDim = modelDim,
            SourceVocabulary = source.Shape.Rows,
            TargetVocabulary = target.Shape.Rows,
            Encoder = encoder,
            Decoder = decoder,
            StartsFromZeroEmbedding = Attribute("decoder", "start_from_zero_embedding", 0, 0, 1) != 0,
            AlignmentLayer = Attribute("decoder", "alignment_layer", -1, -decoder.Layers, decoder.Layers - 1),
            AlignmentHeads = Attribute("decoder", "alignment_heads", 1, 0, decoder.Attention.Heads),
        };
        RefuseUnknownVariables();

        var (sourceVocabulary, targetVocabulary) =
            VocabularyReader.Read(_directory, tokens.Unknown, config.SourceVocabulary, config.TargetVocabulary);
        var model = new ModelData
        {
            Path = _directory,
            Format = $"CTranslate2, binary version {_file.Version}",
            Config = config,
            Tensors = _tensors,
            SourceVocabulary = sourceVocabulary,
            TargetVocabulary = targetVocabulary,
            VocabularyMap = VocabularyMapFile.Read(_directory, targetVocabulary, tokens),
            Tokens = tokens,
            Tokenizer = TokenizerFiles.AreIn(_directory) ? SentencePieceTokenizer.Name : Tokenizer.Space.Word,
            Rounding = _file.Version <= 4 ? ActivationRounding.Legacy : ActivationRounding.Nearest,
            Resource = _file,
        };
        ModelValidation.Check(model, _file.Version >= 6 ? ConfigFile : Path);
        return model;
    }

    // ---- the graph ----

    private StackConfig ReadStack(string side, int modelDim)
    {
        int layers = 0;
        while (_scopes.Contains($"{side}/layer_{layers}")) layers++;
        if (layers == 0)
            throw new ModelFormatException(Path, $"the variable {side}/layer_0/*", "missing", "at least one layer");

        int heads = Attribute(side, "num_heads", _file.Spec == "TransformerBig" ? 16 : 8, 1, short.MaxValue);
        RefuseUnless($"{side}/sliding_window", 0);
        _known.Add($"{side}/multi_query_attention");   // the number of heads of each attention says the same
        var norms = new NormForm();
        var attention = new AttentionForm(heads);
        bool hasTable = Has($"{side}/position_encodings/encodings");
        if (hasTable) _tensors[$"{side}.positions.weight"] = Table($"{side}/position_encodings/encodings");
        bool embeddingNorm = ReadNorm($"{side}/layernorm_embedding", $"{side}.embedding_norm", norms, isOptional: true);
        bool finalNorm = ReadNorm($"{side}/layer_norm", $"{side}.final_norm", norms, isOptional: true);

        int hidden = 0;
        bool? gated = null;
        for (int i = 0; i < layers; i++)
        {
            string from = $"{side}/layer_{i}/", to = $"{side}.layers.{i}.";
            ReadSelfAttention(from + "self_attention", to + "self_attention", attention, modelDim);
            ReadNorm(from + "self_attention/layer_norm", to + "self_attention_norm", norms, isOptional: false);
            if (side == "decoder")
            {
                ReadCrossAttention(from + "attention", to + "cross_attention", attention, modelDim);
                ReadNorm(from + "attention/layer_norm", to + "cross_attention_norm", norms, isOptional: false);
            }
            hidden = ReadLinear(from + "ffn/linear_0", to + "feed_forward.up").Rows;
            bool hasGate = Has(from + "ffn/linear_0_noact/weight");
            if (hasGate) ReadLinear(from + "ffn/linear_0_noact", to + "feed_forward.gate");
            if (hasGate != (gated ??= hasGate))
                throw NotSupported(from + "ffn/linear_0_noact/weight", "a gate in some layers only");
            ReadLinear(from + "ffn/linear_1", to + "feed_forward.down");
            ReadNorm(from + "ffn/layer_norm", to + "feed_forward_norm", norms, isOptional: false);
        }

        bool isRms = norms.HasBias == false;
        return new StackConfig
        {
            Layers = layers,
            HiddenDim = hidden,
            Attention = new AttentionConfig { Heads = heads, HeadDim = attention.HeadDim, Scale = attention.Scale },
            Activation = Attribute(side, "activation", 0, 0, 6) switch
            {
                0 => Activation.Relu,
                1 => Activation.GeluTanh,
                2 => Activation.Silu,
                3 => Activation.Gelu,
                4 => Activation.GeluSigmoid,
                5 => Activation.Tanh,
                _ => Activation.Sigmoid,
            },
            Gated = gated == true,
            PreNorm = Attribute(side, "pre_norm", 1, 0, 1) != 0,
            FinalNorm = finalNorm,
            EmbeddingNorm = embeddingNorm,
            RmsNorm = isRms,
            NormEpsilon = _config?.NumberOrNull("layer_norm_epsilon") ?? (isRms ? 1e-6f : 1e-5f),
            EmbeddingScale = EmbeddingScale(side),
            Positions = hasTable
                ? new PositionConfig { Kind = PositionKind.Learned }
                : new PositionConfig { Interleaved = false, Start = 1, ReachesLongest = true },
        };
    }

    private void ReadSelfAttention(string from, string to, AttentionForm form, int modelDim)
    {
        int inner = ReadAttentionForm(from, form, modelDim);
        SplitLinear($"{from}/linear_0", inner, $"{to}.query", $"{to}.key", $"{to}.value");
        ReadLinear($"{from}/linear_1", $"{to}.output");
    }

    private void ReadCrossAttention(string from, string to, AttentionForm form, int modelDim)
    {
        int inner = ReadAttentionForm(from, form, modelDim);
        ReadLinear($"{from}/linear_0", $"{to}.query");
        SplitLinear($"{from}/linear_1", inner, $"{to}.key", $"{to}.value");
        ReadLinear($"{from}/linear_2", $"{to}.output");
    }

    // The engine has one head size and one scale for a stack; a file could have others for each attention.
    private int ReadAttentionForm(string from, AttentionForm form, int modelDim)
    {
        RefuseUnless($"{from}/num_heads_kv", form.Heads);
        if (form.Heads != 1) RefuseUnless($"{from}/multi_query", 0);
        else _known.Add($"{from}/multi_query");
        int headDim = Integer($"{from}/head_dim", 1, short.MaxValue) ?? (modelDim % form.Heads == 0
            ? modelDim / form.Heads
            : throw new ModelFormatException(Path, "the model's width", $"{modelDim}",
                $"a multiple of the {form.Heads} heads"));
        if (form.HeadDim == 0) form.HeadDim = headDim;
        if (form.HeadDim != headDim)
            throw NotSupported($"{from}/head_dim", "a head size that differs from the other layers'");

        float? scale = Number($"{from}/queries_scale");
        if (scale is not null and not (> 0 and < float.PositiveInfinity))
            throw new ModelFormatException(Path, $"{from}/queries_scale", $"{scale}", "greater than 0 and finite");
        if (!form.IsRead) form.Scale = scale;
        form.IsRead = true;
        float usual = 1 / MathF.Sqrt(headDim);
        if ((form.Scale ?? usual) != (scale ?? usual))
            throw NotSupported($"{from}/queries_scale", "a scale that differs from the other layers'");
        return checked(form.Heads * headDim);
    }

    private float? EmbeddingScale(string side)
    {
        string usual = $"{side}/scale_embeddings", old = $"{side}/embeddings/multiply_by_sqrt_depth";
        string name = Has(usual) ? usual : old;
        _known.Add(old);
        if (_file.Find(name) is not { } variable) return null;
        if (variable.Type.IsFloat())
        {
            float scale = Number(name)!.Value;
            return float.IsFinite(scale)
                ? scale
                : throw new ModelFormatException(Path, name, $"{scale}", "a finite number");
        }
        return Integer(name, sbyte.MinValue, sbyte.MaxValue) == 0 ? 1f : null;
    }

    // ---- weights ----

    private Shape ReadLinear(string from, string to)
    {
        HostTensor weight = Matrix($"{from}/weight");
        _tensors[$"{to}.weight"] = weight;
        if (Has($"{from}/bias")) _tensors[$"{to}.bias"] = Vector($"{from}/bias");
        return weight.Shape;
    }

    // Query, key and value of an attention lie in the file as one matrix.
    private void SplitLinear(string from, int rows, params ReadOnlySpan<string> parts)
    {
        HostTensor weight = Matrix($"{from}/weight");
        HostTensor? bias = Has($"{from}/bias") ? Vector($"{from}/bias") : null;
        long all = (long)rows * parts.Length;
        if (weight.Shape.Rows != all)
            throw new ModelFormatException(Path, $"the shape of {from}/weight", $"{weight.Shape}",
                $"{all:N0} rows, {parts.Length} times {rows:N0}");
        if (bias is not null && bias.Shape.Columns != all)
            throw new ModelFormatException(Path, $"the shape of {from}/bias", $"[{bias.Shape.Columns}]", $"[{all}]");
        for (int i = 0; i < parts.Length; i++)
        {
            _tensors[$"{parts[i]}.weight"] = Part(weight, i * rows, rows);
            if (bias is not null) _tensors[$"{parts[i]}.bias"] = Part(bias, i * rows, rows);
        }
    }

    // Layers that share a fused matrix share its parts too.
    private HostTensor Part(HostTensor whole, int start, int count)
    {
        if (!_parts.TryGetValue((whole, start, count), out HostTensor? part))
        {
            part = whole.Shape.Rows == 1 ? whole.ColumnRange(start, count) : whole.RowRange(start, count);
            _parts.Add((whole, start, count), part);
        }
        return part;
    }

    private bool ReadNorm(string from, string to, NormForm form, bool isOptional)
    {
        if (isOptional && !Has($"{from}/gamma") && !Has($"{from}/beta")) return false;
        RefuseUnless($"{from}/layer_norm_use_residual", 0);
        _tensors[$"{to}.weight"] = Vector($"{from}/gamma");
        bool hasBias = Has($"{from}/beta");
        if (hasBias != (form.HasBias ??= hasBias))
            throw NotSupported($"{from}/{(hasBias ? "beta" : "gamma")}", "norms with and without a beta side by side");
        if (hasBias) _tensors[$"{to}.bias"] = Vector($"{from}/beta");
        return true;
    }

    private HostTensor Matrix(string name)
    {
        CTranslate2Variable variable = Require(name);
        if (variable.Dimensions.Length != 2)
            throw new ModelFormatException(Path, $"the shape of {name}", variable.Shape, "a matrix");
        CTranslate2Variable? scale = null;
        if (variable.Type is DType.Int8 or DType.Int16)
        {
            // An alias has its own scale if there is one, else that of its target.
            string scaleName = Has($"{name}_scale") ? $"{name}_scale" : $"{_file.Target(name)}_scale";
            if (Has(scaleName)) scale = Require(scaleName);
        }
        return Whole(variable, scale, name);
    }

    private HostTensor Vector(string name)
    {
        CTranslate2Variable variable = Require(name);
        if (variable.Dimensions.Length != 1)
            throw new ModelFormatException(Path, $"the shape of {name}", variable.Shape, "a vector");
        return Whole(variable, null, name);
    }

    private HostTensor Table(string name)
    {
        CTranslate2Variable variable = Require(name);
        if (variable.Dimensions.Length != 2)
            throw new ModelFormatException(Path, $"the shape of {name}", variable.Shape, "a matrix");
        if (!variable.Type.IsFloat())
            throw new ModelFormatException(Path, $"the element type of {name}", variable.Type.Word(), "a float type");
        return Whole(variable, null, name);
    }

    private HostTensor Whole(CTranslate2Variable variable, CTranslate2Variable? scale, string name)
    {
        if (_whole.TryGetValue((variable, scale), out HostTensor? tensor)) return tensor;
        long[] dims = variable.Dimensions;
        if (dims.Any(extent => extent is 0 or > int.MaxValue))
            throw new ModelFormatException(Path, $"the shape of {name}", variable.Shape,
                $"extents from 1 to {int.MaxValue:N0}");
        Shape shape = dims.Length == 2 ? new Shape((int)dims[0], (int)dims[1]) : new Shape(1, (int)dims[0]);
        float[]? scales = variable.Type switch
        {
            DType.Int8 when dims.Length == 2 => Scales(scale, name, shape.Rows),
            DType.Int16 when dims.Length == 2 => Scales(scale, name, 0),
            _ => null,
        };
        tensor = new HostTensor(variable.Name, variable.Type, shape, _file.Source, variable.Offset, scales);
        _whole.Add((variable, scale), tensor);
        return tensor;
    }

    // rows 0: one number for the tensor. Files before the scale was stored have multiplied int16 by 1000.
    private float[] Scales(CTranslate2Variable? scale, string name, int rows)
    {
        if (scale is null && rows == 0) return [1000f];
        if (scale is null)
            throw new ModelFormatException(Path, $"the variable {name}_scale", "missing",
                $"{rows:N0} numbers, one a row");
        bool fits = scale.Type == DType.Float32
            && (rows == 0 ? scale.Count == 1 : scale.Dimensions.SequenceEqual([rows]));
        if (!fits)
        {
            throw new ModelFormatException(Path, $"the variable {name}_scale", $"{scale.Type.Word()} {scale.Shape}",
                rows == 0 ? "one float32" : $"float32 [{rows}]");
        }
        return Floats(scale);
    }

    // ---- attributes ----

    private bool Has(string name)
    {
        _known.Add(name);
        return _file.Find(name) is not null;
    }

    private CTranslate2Variable Require(string name)
    {
        _known.Add(name);
        return _file.Find(name) ?? throw new ModelFormatException(Path, $"the variable {name}", "missing",
            "a variable of the file");
    }

    // Before revision 5 the attributes stood at the root, for both sides.
    private int Attribute(string side, string name, int absent, int least, int most)
    {
        int? atRoot = _file.Revision < 5 ? Integer(name, least, most) : null;
        return Integer($"{side}/{name}", least, most) ?? atRoot ?? absent;
    }

    private int? Integer(string name, int least, int most)
    {
        if (!Has(name)) return null;
        CTranslate2Variable variable = Require(name);
        if (variable.Count != 1 || variable.Type is not (DType.Int8 or DType.Int16 or DType.Int32))
            throw new ModelFormatException(Path, name, $"{variable.Type.Word()} {variable.Shape}", "one integer");
        int value = (int)Floats(variable)[0];
        return value >= least && value <= most
            ? value
            : throw new ModelFormatException(Path, name, $"{value}", $"{least} to {most}");
    }

    private float? Number(string name)
    {
        if (!Has(name)) return null;
        CTranslate2Variable variable = Require(name);
        if (variable.Count != 1 || !variable.Type.IsFloat())
            throw new ModelFormatException(Path, name, $"{variable.Type.Word()} {variable.Shape}", "one float");
        return Floats(variable)[0];
    }

    private string? Text(string name)
    {
        if (!Has(name)) return null;
        CTranslate2Variable variable = Require(name);
        if (variable.Type != DType.Int8 || variable.Dimensions.Length != 1 || variable.Count > FormatLimits.TokenBytes)
        {
            throw new ModelFormatException(Path, name, $"{variable.Type.Word()} {variable.Shape}",
                $"int8 [n], a text of at most {FormatLimits.TokenBytes:N0} bytes");
        }
        var bytes = new byte[variable.Count];
        _file.Source.Read(variable.Offset, bytes);
        return Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw new ModelFormatException(Path, name, "not UTF-8", "UTF-8");
    }

    private float[] Floats(CTranslate2Variable variable) => new HostTensor(
        variable.Name, variable.Type, new Shape(1, checked((int)variable.Count)), _file.Source, variable.Offset)
            .ReadFloats();

    // ---- tokens ----

    private SpecialTokens ReadTokens()
    {
        if (_file.Version < 6)
        {
            string begin = Text("bos_token") ?? "<s>", end = Text("eos_token") ?? "</s>";
            bool startsWithBegin = Flag("with_target_bos", true);
            return new SpecialTokens
            {
                Unknown = Text("unk_token") ?? "<unk>",
                Begin = begin,
                End = end,
                AddSourceBegin = Flag("with_source_bos", false),
                AddSourceEnd = Flag("with_source_eos", false),
                DecoderStart = Flag("user_decoder_start_tokens", false) ? null : startsWithBegin ? begin : end,
            };
        }
        if (_config is null)
            throw new ModelFormatException(_directory, "config.json", "missing", "a file, as the binary version is 6");
        return new SpecialTokens
        {
            Unknown = _config.String("unk_token", null),
            Begin = _config.String("bos_token", null),
            End = _config.String("eos_token", null),
            DecoderStart = _config.StringOrNull("decoder_start_token", null),
            AddSourceBegin = _config.Flag("add_source_bos", false),
            AddSourceEnd = _config.Flag("add_source_eos", false),
        };
    }

    private bool Flag(string name, bool absent) => Integer(name, 0, 1) is { } value ? value != 0 : absent;

    // ---- what is not supported ----

    private void RefuseGroupQuantisation()
    {
        if (_config?.IntegerOrNull("quantization_type") is { } type and not 0)
            throw new ModelFormatException(ConfigFile, "\"quantization_type\"", $"{type}",
                "0: weights quantised in groups are not supported");
    }

    private void RefuseUnless(string name, float harmless)
    {
        if (!Has(name)) return;
        CTranslate2Variable variable = Require(name);
        if (variable.Count != 1 || Floats(variable)[0] != harmless)
            throw NotSupported(name, $"anything but {harmless}");
    }

    private void RefuseUnknownVariables()
    {
        foreach (string name in _file.Names)
        {
            if (!_known.Contains(name))
            {
                throw new ModelFormatException(Path, $"the variable {Quote.Text(name)}", "there",
                    "only variables of a plain encoder-decoder Transformer: what it stands for is not supported");
            }
        }
    }

    private ModelFormatException NotSupported(string name, string what) =>
        new(Path, $"the variable {name}", $"there and asks for {what}", "a plain Transformer: this is not supported");

    private sealed class NormForm
    {
        public bool? HasBias { get; set; }
    }

    private sealed class AttentionForm(int heads)
    {
        public int Heads { get; } = heads;

        public int HeadDim { get; set; }

        public float? Scale { get; set; }

        public bool IsRead { get; set; }
    }
}
