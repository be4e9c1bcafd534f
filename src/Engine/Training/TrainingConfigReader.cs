// From JSON to a configuration: defaults, ranges, and what fits together. The names of the keys stand here and in
// docs/training.md.
using System.Globalization;
using System.Text.Json;
using Engine.Backends;
using Engine.Evaluation;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>Reads configurations.</summary>
internal sealed class TrainingConfigReader
{
    private static readonly (string Word, TokenizerKind Value)[] TokenizerKinds =
    [
        ("spaces", TokenizerKind.Spaces), ("characters", TokenizerKind.Characters),
        ("sentencepiece", TokenizerKind.SentencePiece),
    ];

    private static readonly (string Word, Tying Value)[] Tyings =
        [("all", Tying.All), ("decoder", Tying.Decoder), ("none", Tying.None)];

    private static readonly (string Word, bool Value)[] Norms = [("post", false), ("pre", true)];

    private static readonly (string Word, bool Value)[] Vocabularies = [("joint", true), ("separate", false)];

    private static readonly (string Word, bool Value)[] Types = [("unigram", false), ("bpe", true)];

    private static readonly (string Word, bool Value)[] Optimizers = [("adam", false), ("adamw", true)];

    private static readonly (string Word, ScheduleKind Value)[] Schedules =
    [
        ("inverseSquareRoot", ScheduleKind.InverseSquareRoot), ("cosine", ScheduleKind.Cosine),
        ("linear", ScheduleKind.Linear), ("constant", ScheduleKind.Constant),
    ];

    private static readonly (string Word, DType Value)[] Precisions = [("float32", DType.Float32), ("bfloat16", DType.BFloat16)];

    private static readonly (string Word, Criterion Value)[] Criteria = [("loss", Criterion.Loss), ("bleu", Criterion.Bleu)];

    private static readonly (string Word, bool Value)[] Choices = [("last", false), ("best", true)];

    private static readonly (string Word, BleuTokenizer Value)[] BleuTokenizers =
    [
        ("13a", BleuTokenizer.V13a), ("intl", BleuTokenizer.International), ("char", BleuTokenizer.Characters),
        ("zh", BleuTokenizer.Chinese), ("none", BleuTokenizer.None),
    ];

    private static readonly string[] NotRemembered =
    [
        "output", "data.directory", "data.train", "data.validation", "training.steps", "training.epochs", "training.recompute",
        "training.reportEvery", "validation.samples", "validation.batchSize", "checkpoints.keep",
    ];

    private readonly string _file;
    private readonly string _directory;
    private readonly Dictionary<string, string> _settings = new(StringComparer.Ordinal);

    private TrainingConfigReader(string file)
    {
        _file = file;
        _directory = Path.GetDirectoryName(Path.GetFullPath(file))!;
    }

    /// <summary>Reads a configuration.</summary>
    public static TrainingConfig Read(string file, IReadOnlyList<string> changes)
    {
        byte[] bytes = FileSource.ReadAll(file, FormatLimits.ConfigBytes);
        using JsonDocument document = JsonSection.Parse(file, bytes);
        if (document.RootElement.ValueKind == JsonValueKind.Object && changes.Count > 0)
            bytes = JsonChanges.Apply(document.RootElement, changes);
        var reader = new TrainingConfigReader(file);
        TrainingConfig config = reader.Read(JsonSection.Of(file, bytes));
        using JsonDocument changed = JsonSection.Parse(file, bytes);
        Flatten(changed.RootElement, "", reader._settings);
        return config;
    }

    private TrainingConfig Read(JsonSection root)
    {
        DataSettings data = ReadData(root.Section("data"));
        TokenizerSettings tokenizer = ReadTokenizer(root.Section("tokenizer"));
        ModelSettings model = ReadModel(root.Section("model"), tokenizer);
        var config = new TrainingConfig(_file)
        {
            Output = Full(root.String("output", null)),
            Seed = root.Integer("seed", 1, 0),
            Data = data,
            Tokenizer = tokenizer,
            Model = model,
            Training = ReadLoop(root.Section("training"), model),
            Validation = ReadValidation(root.SectionOrNull("validation"), data, tokenizer),
            Checkpoints = ReadCheckpoints(root.SectionOrNull("checkpoints"), data),
            Settings = _settings,
        };
        root.RefuseUnknownKeys();
        if (model.Encoder.Positions.Kind == PositionKind.Learned && data.MaxLength >= model.MaxPositions)
        {
            throw Wrong(
                "model.maxPositions", $"{model.MaxPositions}",
                $"more than data.maxLength, {data.MaxLength}, as there is an end token too");
        }

        return config;
    }

    // Keys with their values as they stand there; those that change no weight are left out.
    private static void Flatten(JsonElement element, string prefix, Dictionary<string, string> settings)
    {
        foreach (JsonProperty member in element.EnumerateObject())
        {
            string key = prefix + member.Name;
            if (NotRemembered.Contains(key)) continue;
            if (member.Value.ValueKind == JsonValueKind.Object) Flatten(member.Value, key + ".", settings);
            else settings[key] = member.Value.GetRawText();
        }
    }

    private string Full(string path) => Path.GetFullPath(path, _directory);

    private ModelFormatException Wrong(string key, string found, string expected) => new(_file, Quote.Text(key), found, expected);

    private static JsonSection Empty(string file) => JsonSection.Of(file, "{}"u8.ToArray());

    private DataSettings ReadData(JsonSection section)
    {
        string directory = Full(section.String("directory", "."));
        TextFiles train = ReadFiles(section.Section("train"), directory, "data.train");
        TextFiles? validation = section.SectionOrNull("validation") is { } part
            ? ReadFiles(part, directory, "data.validation")
            : null;
        TextFiles? test = null;
        if (section.SectionOrNull("holdOut") is { } held)
        {
            var holdOut = new HoldOutSettings(held.Integer("test", 0, 0), held.Integer("validation", 0, 0));
            held.RefuseUnknownKeys();
            if (holdOut is { Test: 0, Validation: 0 }) throw Wrong("data.holdOut", "nothing", "test or validation, numbers of pairs");
            if (holdOut.Validation > 0 && validation is not null)
                throw Wrong("data.holdOut.validation", $"{holdOut.Validation}", "0 beside data.validation");
            train = train with { HoldOut = holdOut };
            if (holdOut.Validation > 0) validation = train with { Part = TextPart.Validation };
            if (holdOut.Test > 0) test = train with { Part = TextPart.Test };
        }

        var data = new DataSettings(train, validation, test, section.Integer("maxLength", 256, 1, 1 << 20));
        section.RefuseUnknownKeys();
        return data;
    }

    private TextFiles ReadFiles(JsonSection section, string directory, string key)
    {
        TextFiles files;
        if (section.Has("tsv"))
        {
            string file = Path.GetFullPath(section.String("tsv", null), directory);
            files = new TextFiles(
                file, file, section.Integer("sourceColumn", 1, 1, 1 << 16), section.Integer("targetColumn", 2, 1, 1 << 16));
            if (files.SourceColumn == files.TargetColumn)
                throw Wrong($"{key}.targetColumn", $"{files.TargetColumn}", "another column than the source's");
        }
        else
        {
            files = new TextFiles(
                Path.GetFullPath(section.String("source", null), directory),
                Path.GetFullPath(section.String("target", null), directory));
        }

        section.RefuseUnknownKeys();
        return files;
    }

    private TokenizerSettings ReadTokenizer(JsonSection section)
    {
        if (!section.Has("kind")) throw Wrong("tokenizer.kind", "missing", "\"spaces\", \"characters\" or \"sentencepiece\"");
        TokenizerKind kind = section.Word("kind", TokenizerKind.Spaces, TokenizerKinds);
        string? source = null, target = null;
        bool isJoint = true, isBpe = false;
        int size = 0, minCount = 1;
        float coverage = 0.9995f;
        if (kind != TokenizerKind.SentencePiece)
        {
            JsonSection vocabulary = section.SectionOrNull("vocabulary") ?? Empty(_file);
            isJoint = vocabulary.Word("sides", true, Vocabularies);
            minCount = vocabulary.Integer("minCount", 1, 1);
            size = vocabulary.Integer("size", 0, 0);
            vocabulary.RefuseUnknownKeys();
        }
        else if (section.SectionOrNull("vocabulary") is { } vocabulary)
        {
            isJoint = vocabulary.Word("sides", true, Vocabularies);
            isBpe = vocabulary.Word("type", false, Types);
            size = vocabulary.Integer("size", 8000, 1);
            coverage = vocabulary.NumberOrNull("characterCoverage") ?? coverage;
            vocabulary.RefuseUnknownKeys();
        }
        else if (section.Has("model"))
        {
            source = target = Full(section.String("model", null));
        }
        else
        {
            source = Full(section.String("sourceModel", null));
            target = Full(section.String("targetModel", null));
            isJoint = source == target;
        }

        var tokenizer = new TokenizerSettings
        {
            Kind = kind,
            IsJoint = isJoint,
            MinCount = minCount,
            Size = size,
            SourceModel = source,
            TargetModel = target,
            IsBpe = isBpe,
            CharacterCoverage = coverage,
            Joiner = kind == TokenizerKind.SentencePiece ? "" : section.String("joiner", ""),
        };
        section.RefuseUnknownKeys();
        return tokenizer;
    }

    private ModelSettings ReadModel(JsonSection section, TokenizerSettings tokenizer)
    {
        int modelDim = section.Integer("modelDim", 512, 2, 1 << 16);
        int heads = section.Integer("heads", 8, 1, 1 << 10);
        if (!section.Has("headDim") && modelDim % heads != 0)
            throw Wrong("model.heads", $"{heads}", $"a divisor of modelDim, {modelDim}, or a headDim beside it");
        float? scale = section.NumberOrNull("scale");
        if (scale <= 0) throw Wrong("model.scale", scale.Value.ToString(CultureInfo.InvariantCulture), "a number greater than 0, or null");
        bool isPre = section.Word("norm", false, Norms), isRms = section.Flag("rmsNorm", false);
        PositionKind positions = section.Word("positions", PositionKind.Sinusoidal, OwnFormat.PositionKinds);
        StackConfig stack = new()
        {
            Layers = 6,
            HiddenDim = section.Integer("hiddenDim", 2048, 0, 1 << 20),
            Attention = new AttentionConfig
            {
                Kind = section.Word("attention", AttentionKind.DotProduct,
                    [("dotProduct", AttentionKind.DotProduct), ("additive", AttentionKind.Additive)]),
                Heads = heads,
                HeadDim = section.Integer("headDim", modelDim / heads, 1, 1 << 16),
                Scale = scale,
            },
            Activation = section.Word("activation", Activation.Relu, OwnFormat.Activations),
            Gated = section.Flag("gated", false),
            PreNorm = isPre,
            FinalNorm = section.Flag("finalNorm", isPre),
            EmbeddingNorm = section.Flag("embeddingNorm", false),
            RmsNorm = isRms,
            NormEpsilon = section.NumberOrNull("normEpsilon") ?? (isRms ? 1e-6f : 1e-5f),
            Positions = new PositionConfig { Kind = positions },
            Mixing = new MixingConfig
            {
                Kernel = section.Integer("kernel", 3, 1, 1 << 12),
                Dilation = section.Integer("dilation", 1, 1, 1 << 12),
            },
        };
        MixingKind mixing = section.Word("mixing", MixingKind.Attention, OwnFormat.MixingKinds);
        int? group = section.Has("encoderGroup") ? section.Integer("encoderGroup", 1, 1, 1 << 20) : null;
        var model = new ModelSettings
        {
            ModelDim = modelDim,
            Encoder = ReadStack(section, "encoder", WithGroup(stack, group), mixing),
            Decoder = ReadStack(section, "decoder", stack, mixing),
            Tie = section.Word("tie", tokenizer.IsJoint ? Tying.All : Tying.None, Tyings),
            MaxPositions = section.Integer("maxPositions", 512, 1, 1 << 20),
        };
        section.RefuseUnknownKeys();
        RefuseMeaningless(section, model);
        if (model.Tie == Tying.All && !tokenizer.IsJoint)
        {
            throw Wrong(
                "model.tie", "\"all\"", "\"decoder\" or \"none\", since source and target have vocabularies of their own");
        }
        if (modelDim % 2 != 0 && positions == PositionKind.Sinusoidal)
            throw Wrong("model.modelDim", $"{modelDim}", "an even number, as there is a cosine for each sine");
        return model;
    }

    // What a layer that is not there would read.
    private void RefuseMeaningless(JsonSection section, ModelSettings model)
    {
        MixingKind encoder = model.Encoder.Mixing.Kind, decoder = model.Decoder.Mixing.Kind;
        bool isNoConvolution = !IsConvolution(encoder) && !IsConvolution(decoder);
        Refuse("kernel", isNoConvolution, model.Encoder.Mixing.Kernel, "neither stack is a convolution");
        Refuse("dilation", isNoConvolution, model.Encoder.Mixing.Dilation, "neither stack is a convolution");
        Refuse("encoderGroup", encoder != MixingKind.Attention, model.Encoder.Attention.Group, "the encoder is not attention");
        Refuse("encoderWindow", encoder != MixingKind.Attention, model.Encoder.Attention.WindowLeft, "the encoder is not attention");
        Refuse("decoderWindow", decoder != MixingKind.Attention, model.Decoder.Attention.WindowLeft, "the decoder is not attention");

        void Refuse(string key, bool isMeaningless, int? value, string why)
        {
            if (isMeaningless && value is { } found && section.Has(key)) throw Wrong($"model.{key}", $"{found}", $"no such key, since {why}");
        }
    }

    private static bool IsConvolution(MixingKind kind) => kind is MixingKind.Convolution or MixingKind.SeparableConvolution;

    private static StackConfig ReadStack(JsonSection section, string side, StackConfig stack, MixingKind mixing) => WithWindow(
        stack with
        {
            Layers = section.Integer($"{side}Layers", 6, 1, 1000),
            Mixing = stack.Mixing with { Kind = section.Word($"{side}Mixing", mixing, OwnFormat.MixingKinds) },
        },
        section.IntegerOrNull($"{side}Window"));

    private static StackConfig WithGroup(StackConfig stack, int? group) =>
        stack with { Attention = stack.Attention with { Group = group } };

    private static StackConfig WithWindow(StackConfig stack, int? window) =>
        stack with { Attention = stack.Attention with { WindowLeft = window, WindowRight = window } };

    private LoopSettings ReadLoop(JsonSection section, ModelSettings model)
    {
        int steps = section.Integer("steps", 0, 0), epochs = section.Integer("epochs", 0, 0);
        if (steps == 0 && epochs == 0) throw Wrong("training.steps", "missing", "a number of steps, or of epochs");
        JsonSection dropout = section.SectionOrNull("dropout") ?? Empty(_file);
        float residual = Number(dropout, "training.dropout.residual", 0.1f, 0, 0.99f);
        var rates = new DropoutRates(
            residual, Number(dropout, "training.dropout.attention", 0, 0, 0.99f),
            Number(dropout, "training.dropout.activation", 0, 0, 0.99f));
        dropout.RefuseUnknownKeys();

        JsonSection rate = section.SectionOrNull("learningRate") ?? Empty(_file);
        ScheduleKind schedule = rate.Word("schedule", ScheduleKind.InverseSquareRoot, Schedules);
        int warmup = rate.Integer("warmup", 4000, 0);
        if (schedule == ScheduleKind.InverseSquareRoot && warmup == 0)
            throw Wrong("training.learningRate.warmup", "0", "at least 1 with the schedule \"inverseSquareRoot\"");

        // The peak of d_model^−0.5 · min(step^−0.5, step · warmup^−1.5): Vaswani et al. 2017, equation 3.
        float peak = (float)(1 / Math.Sqrt((double)model.ModelDim * Math.Max(warmup, 1)));
        peak = Number(rate, "training.learningRate.peak", peak, 0, float.MaxValue);
        float final = Number(rate, "training.learningRate.final", 0, 0, peak);
        int decaySteps = rate.Integer("decaySteps", 0, 0);
        rate.RefuseUnknownKeys();

        JsonSection optimizer = section.SectionOrNull("optimizer") ?? Empty(_file);
        bool isAdamW = optimizer.Word("name", false, Optimizers);
        float beta1 = Number(optimizer, "training.optimizer.beta1", 0.9f, 0, 0.999999f);
        float beta2 = Number(optimizer, "training.optimizer.beta2", 0.98f, 0, 0.999999f);
        float epsilon = Number(optimizer, "training.optimizer.epsilon", 1e-9f, 1e-20f, 1);
        float decay = isAdamW ? Number(optimizer, "training.optimizer.decay", 0.01f, 0, 1) : 0;
        optimizer.RefuseUnknownKeys();

        var loop = new LoopSettings
        {
            Steps = steps,
            Epochs = epochs,
            BatchTokens = section.Integer("batchTokens", 4096, 1),
            BatchSentences = section.Integer("batchSentences", 0, 0),
            Accumulate = section.Integer("accumulate", 1, 1, 1 << 14),
            Recompute = section.Flag("recompute", false),
            Precision = section.Word("precision", DType.Float32, Precisions),
            Smoothing = Number(section, "training.labelSmoothing", 0.1f, 0, 0.99f),
            Dropout = rates,
            Schedule = schedule,
            LearningRate = peak,
            FinalLearningRate = final,
            Warmup = warmup,
            DecaySteps = decaySteps,
            Beta1 = beta1,
            Beta2 = beta2,
            Epsilon = epsilon,
            Decay = decay,
            Clip = Number(section, "training.clip", 0, 0, float.MaxValue),
            ReportEvery = section.Integer("reportEvery", 100, 1),
            Divergence = Number(section, "training.divergence", 4, 0, float.MaxValue),
        };
        section.RefuseUnknownKeys();
        return loop;
    }

    // The last part of a key's name is the key in its section.
    private float Number(JsonSection section, string name, float absent, float least, float most)
    {
        string key = name[(name.LastIndexOf('.') + 1)..];
        if (section.NumberOrNull(key) is not { } number) return absent;
        return number >= least && number <= most
            ? number
            : throw Wrong(
                name, number.ToString(CultureInfo.InvariantCulture),
                most == float.MaxValue
                    ? string.Create(CultureInfo.InvariantCulture, $"a number, at least {least}")
                    : string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));
    }

    private ValidationSettings ReadValidation(JsonSection? given, DataSettings data, TokenizerSettings tokenizer)
    {
        if (given is not null && data.Validation is null)
            throw Wrong("validation", "there", "no such section, or a section data.validation beside it");
        JsonSection section = given ?? Empty(_file);
        JsonSection? bleu = section.SectionOrNull("bleu");
        bool hasBleu = bleu is not null;
        bleu ??= Empty(_file);
        BleuTokenizer words = tokenizer.Kind switch
        {
            TokenizerKind.SentencePiece => BleuTokenizer.V13a,
            TokenizerKind.Characters => BleuTokenizer.Characters,
            _ => BleuTokenizer.None,
        };
        var validation = new ValidationSettings
        {
            Every = section.Integer("every", 1000, 0),
            HasBleu = hasBleu,
            Tokenizer = bleu.Word("tokenizer", words, BleuTokenizers),
            Lowercase = bleu.Flag("lowercase", false),
            Beam = section.Integer("beam", 1, 1, 1 << 10),
            LengthPenalty = Number(section, "validation.lengthPenalty", 1, 0, 100),
            BatchSize = section.Integer("batchSize", 64, 1, 1 << 16),
            Samples = section.Integer("samples", 3, 0, 1000),
            Criterion = section.Word("criterion", Criterion.Loss, Criteria),
            Patience = section.Integer("patience", 0, 0),
        };
        bleu.RefuseUnknownKeys();
        section.RefuseUnknownKeys();
        if (validation.Criterion == Criterion.Bleu && !hasBleu)
            throw Wrong("validation.criterion", "\"bleu\"", "\"loss\", or a section validation.bleu beside it");
        return validation;
    }

    private CheckpointSettings ReadCheckpoints(JsonSection? given, DataSettings data)
    {
        JsonSection section = given ?? Empty(_file);
        var checkpoints = new CheckpointSettings(
            section.Integer("every", 1000, 1), section.Integer("keep", 3, 1, 10_000), section.Integer("average", 1, 1, 10_000),
            section.Word("averageOf", false, Choices));
        section.RefuseUnknownKeys();
        if (checkpoints.AveragesBest && data.Validation is null)
            throw Wrong("checkpoints.averageOf", "\"best\"", "\"last\", or a section data.validation beside it");
        return checkpoints;
    }
}
