// Writes the engine's own format from any model, tensor by tensor, and only if it could be read again.
using System.Text.Encodings.Web;
using System.Text.Json;
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;
using Engine.Text.SentencePiece;

namespace Engine.Formats;

/// <summary>Writes models in the engine's own format.</summary>
public static class ModelWriter
{
    private const int BufferBytes = 1 << 20;

    private static readonly JsonWriterOptions Readable =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a model. It appears at its place only when it is whole.</summary>
    /// <remarks>
    /// Matrices of linear layers and embeddings are converted; biases, norms and tables of positions stay as they are.
    /// Takes about a megabyte of memory beside the quantisation scales, whatever the size of the model.
    /// </remarks>
    /// <param name="model">The model.</param>
    /// <param name="directory">Where it goes: a new directory, or an empty one.</param>
    /// <param name="weights">A float type, int8 or int16; null: as they are.</param>
    /// <param name="layout">The order of the numbers of each matrix.</param>
    /// <param name="cancellation">Ends the work; nothing is left of it.</param>
    /// <exception cref="ArgumentException">The directory is not empty, or weights cannot have that type.</exception>
    /// <exception cref="ModelFormatException">The model is broken, or a weight is too large for the type.</exception>
    /// <exception cref="IOException">The directory cannot be written; nothing is left of it.</exception>
    /// <exception cref="OperationCanceledException">The work was ended by <paramref name="cancellation"/>.</exception>
    public static void Write(
        ModelData model, string directory, DType? weights = null, WeightLayout layout = WeightLayout.Rows,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        if (weights is { } type && !type.IsFloat() && type is not (DType.Int8 or DType.Int16))
            throw new ArgumentException($"Weights cannot be {type.Word()}, only a float type, int8 or int16.",
                nameof(weights));
        string place = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        if (File.Exists(place) || (Directory.Exists(place) && Directory.EnumerateFileSystemEntries(place).Any()))
            throw new ArgumentException($"{directory} is there and not empty, expected a new or an empty directory.",
                nameof(directory));
        ModelValidation.Check(model, model.Path);

        cancellation.ThrowIfCancellationRequested();
        string temporary = $"{place}.{Path.GetRandomFileName()}.tmp";
        Directory.CreateDirectory(temporary);
        try
        {
            string file = Path.Combine(temporary, OwnFormat.FileName);
            Dictionary<string, string> aliases = layout == WeightLayout.Rows
                ? WriteTensors(model, file, weights, cancellation)
                : PackedWriter.Write(model, file, weights, cancellation);
            WriteConfig(
                model, layout, aliases, Rounding(model, weights), Path.Combine(temporary, OwnFormat.ConfigName));
            WriteVocabularies(model, temporary);
            if (model.Tokenizer == SentencePieceTokenizer.Name) TokenizerFiles.Copy(model.Path, temporary);
            if (model.VocabularyMap is { } map) VocabularyMapFile.Write(map, model.TargetVocabulary, temporary);
            cancellation.ThrowIfCancellationRequested();
            if (Directory.Exists(place)) Directory.Delete(place);
            Directory.Move(temporary, place);
        }
        catch
        {
            Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    // Weights that are quantised here are rounded, so activations should be; where they already were, the file knows.
    private static ActivationRounding Rounding(ModelData model, DType? weights)
    {
        bool isQuantisedHere = weights is DType.Int8 or DType.Int16
            && model.Tensors.Values.All(tensor => tensor.Type.IsFloat());
        return isQuantisedHere ? ActivationRounding.Nearest : model.Rounding;
    }

    private static Dictionary<string, string> WriteTensors(
        ModelData model, string file, DType? weights, CancellationToken cancellation)
    {
        var aliases = new Dictionary<string, string>();
        var first = new Dictionary<(HostTensor, TensorRole), string>();
        var items = new List<SafeTensorsItem>();
        var tensors = new List<(string Name, HostTensor Tensor)>();
        foreach (TensorSpec spec in TensorSpec.Of(model.Config))
        {
            if (!model.Tensors.TryGetValue(spec.Name, out HostTensor? tensor)) continue;
            if (!first.TryAdd((tensor, spec.Role), spec.Name))
            {
                aliases.Add(spec.Name, first[(tensor, spec.Role)]);
                continue;
            }
            cancellation.ThrowIfCancellationRequested();   // a conversion reads the tensor
            HostTensor converted = weights is { } type && spec.Role == TensorRole.Weight
                ? WeightConversion.Convert(tensor, type)
                : tensor;
            var (rows, columns) = converted.Shape;
            items.Add(spec.Role == TensorRole.Vector
                ? new SafeTensorsItem(spec.Name, converted.Type, columns)
                : new SafeTensorsItem(spec.Name, converted.Type, rows, columns));
            tensors.Add((spec.Name, converted));
            if (converted.Scales is null) continue;
            items.Add(converted.Type == DType.Int8
                ? new SafeTensorsItem($"{spec.Name}_scale", DType.Float32, rows)
                : new SafeTensorsItem($"{spec.Name}_scale", DType.Float32));
        }

        using var writer = new SafeTensorsWriter(file, items);
        var buffer = new byte[BufferBytes];
        foreach (var (name, tensor) in tensors)
        {
            WriteElements(writer, name, tensor, ref buffer, cancellation);
            if (tensor.Scales is null) continue;
            HostTensor scales = HostTensor.FromValues(name, new Shape(1, tensor.Scales.Length), tensor.Scales);
            WriteElements(writer, $"{name}_scale", scales, ref buffer, cancellation);
        }
        writer.Complete();
        return aliases;
    }

    internal static void WriteElements(
        SafeTensorsWriter writer, string name, HostTensor tensor, ref byte[] buffer, CancellationToken cancellation)
    {
        var (rows, columns) = tensor.Shape;
        long rowBytes = (long)columns * tensor.Type.Bytes();
        if (rowBytes > buffer.Length) buffer = new byte[rowBytes];
        int block = Math.Max(1, (int)(buffer.Length / Math.Max(1, rowBytes)));
        for (int row = 0; row < rows; row += block)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> bytes = buffer.AsSpan(0, (int)(Math.Min(block, rows - row) * rowBytes));
            tensor.ReadBytes(row, bytes);
            writer.Write(name, row * rowBytes, bytes);
        }
    }

    private static void WriteConfig(
        ModelData model, WeightLayout layout, Dictionary<string, string> aliases, ActivationRounding rounding, string file)
    {
        TransformerConfig config = model.Config;
        using FileStream stream = File.Create(file);
        using var json = new Utf8JsonWriter(stream, Readable);
        json.WriteStartObject();
        json.WriteNumber("format_version", OwnFormat.Version);
        json.WriteString("layout", Word(OwnFormat.Layouts, layout));
        json.WriteNumber("model_dim", config.ModelDim);
        json.WriteNumber("source_vocabulary_size", config.SourceVocabulary);
        json.WriteNumber("target_vocabulary_size", config.TargetVocabulary);
        WriteStack(json, "encoder", config.Encoder);
        WriteStack(json, "decoder", config.Decoder);
        json.WriteBoolean("starts_from_zero_embedding", config.StartsFromZeroEmbedding);
        json.WriteNumber("alignment_layer", config.AlignmentLayer);
        json.WriteNumber("alignment_heads", config.AlignmentHeads);
        json.WriteString("activation_rounding", Word(OwnFormat.Roundings, rounding));
        json.WriteString("tokenizer", model.Tokenizer);
        json.WriteNumber("split_longer_than", model.SplitLongerThan);
        json.WriteStartObject("tokens");
        json.WriteString("unknown", model.Tokens.Unknown);
        json.WriteString("begin", model.Tokens.Begin);
        json.WriteString("end", model.Tokens.End);
        json.WriteString("decoder_start", model.Tokens.DecoderStart);
        json.WriteBoolean("add_source_begin", model.Tokens.AddSourceBegin);
        json.WriteBoolean("add_source_end", model.Tokens.AddSourceEnd);
        json.WriteEndObject();
        json.WriteStartObject("aliases");
        foreach (var (name, target) in aliases) json.WriteString(name, target);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteStack(Utf8JsonWriter json, string side, StackConfig stack)
    {
        json.WriteStartObject(side);
        json.WriteNumber("layers", stack.Layers);
        json.WriteNumber("hidden_dim", stack.HiddenDim);
        json.WriteStartObject("attention");
        json.WriteString("kind", Word(OwnFormat.AttentionKinds, stack.Attention.Kind));
        json.WriteNumber("heads", stack.Attention.Heads);
        json.WriteNumber("head_dim", stack.Attention.HeadDim);
        WriteNumberOrNull(json, "scale", stack.Attention.Scale);
        WriteNumberOrNull(json, "window_left", stack.Attention.WindowLeft);
        WriteNumberOrNull(json, "window_right", stack.Attention.WindowRight);
        WriteNumberOrNull(json, "group", stack.Attention.Group);
        json.WriteEndObject();
        json.WriteStartObject("mixing");
        json.WriteString("kind", Word(OwnFormat.MixingKinds, stack.Mixing.Kind));
        json.WriteNumber("kernel", stack.Mixing.Kernel);
        json.WriteNumber("dilation", stack.Mixing.Dilation);
        json.WriteEndObject();
        json.WriteString("activation", Word(OwnFormat.Activations, stack.Activation));
        json.WriteBoolean("gated", stack.Gated);
        json.WriteBoolean("pre_norm", stack.PreNorm);
        json.WriteBoolean("final_norm", stack.FinalNorm);
        json.WriteBoolean("embedding_norm", stack.EmbeddingNorm);
        json.WriteBoolean("rms_norm", stack.RmsNorm);
        json.WriteNumber("norm_epsilon", stack.NormEpsilon);
        WriteNumberOrNull(json, "embedding_scale", stack.EmbeddingScale);
        json.WriteStartObject("positions");
        json.WriteString("kind", Word(OwnFormat.PositionKinds, stack.Positions.Kind));
        json.WriteBoolean("interleaved", stack.Positions.Interleaved);
        json.WriteNumber("start", stack.Positions.Start);
        json.WriteBoolean("reaches_longest", stack.Positions.ReachesLongest);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteVocabularies(ModelData model, string directory)
    {
        IReadOnlyList<string> source = model.SourceVocabulary.Tokens, target = model.TargetVocabulary.Tokens;
        if (source.SequenceEqual(target))
        {
            WriteVocabulary(source, Path.Combine(directory, "shared_vocabulary.json"));
            return;
        }
        WriteVocabulary(source, Path.Combine(directory, "source_vocabulary.json"));
        WriteVocabulary(target, Path.Combine(directory, "target_vocabulary.json"));
    }

    private static void WriteVocabulary(IReadOnlyList<string> tokens, string file)
    {
        using FileStream stream = File.Create(file);
        using var json = new Utf8JsonWriter(stream, Readable);
        json.WriteStartArray();
        foreach (string token in tokens) json.WriteStringValue(token);
        json.WriteEndArray();
    }

    private static void WriteNumberOrNull(Utf8JsonWriter json, string key, float? number)
    {
        if (number is { } value) json.WriteNumber(key, value);
        else json.WriteNull(key);
    }

    private static void WriteNumberOrNull(Utf8JsonWriter json, string key, int? number)
    {
        if (number is { } value) json.WriteNumber(key, value);
        else json.WriteNull(key);
    }

    private static string Word<T>((string Word, T Value)[] words, T value) =>
        Array.Find(words, pair => EqualityComparer<T>.Default.Equals(pair.Value, value)).Word;
}
