// The log of a training, a JSON object a line: for programs, and for the curves, which are drawn from it again after a stop.
using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Engine.Training;

/// <summary>Writes the log.</summary>
internal sealed class TrainingLog : IDisposable
{
    /// <summary>Its file in the output directory.</summary>
    public const string FileName = "train.log.jsonl";

    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly FileStream _stream;

    private TrainingLog(FileStream stream) => _stream = stream;

    /// <summary>Opens the log of a directory.</summary>
    /// <param name="directory">The output directory.</param>
    /// <param name="step">The step that training goes on from: what the log has after it will come again. 0: a new log.</param>
    /// <param name="curves">Takes the points that stand in the log.</param>
    public static TrainingLog Open(string directory, int step, TrainingCurves curves)
    {
        string file = Path.Combine(directory, FileName), temporary = $"{file}.tmp";
        using (var kept = new StreamWriter(temporary))
        {
            kept.NewLine = "\n";
            foreach (string line in step > 0 && File.Exists(file) ? File.ReadLines(file) : [])
                if (IsKept(line, step, curves)) kept.WriteLine(line);
        }

        File.Move(temporary, file, overwrite: true);
        return new TrainingLog(new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0));
    }

    /// <summary>Writes what there is.</summary>
    public void Write(TrainingStart start) => Line("start", start.Step, json =>
    {
        json.WriteNumber("parameters", start.Parameters);
        json.WriteNumber("sourceVocabulary", start.SourceVocabulary);
        json.WriteNumber("targetVocabulary", start.TargetVocabulary);
        json.WriteNumber("pairs", start.Pairs);
        json.WriteNumber("sourceTokens", start.SourceTokens);
        json.WriteNumber("targetTokens", start.TargetTokens);
        json.WriteNumber("validationPairs", start.ValidationPairs);
        json.WriteNumber("batchesOfEpoch", start.BatchesOfEpoch);
        json.WriteNumber("steps", start.Steps);
    });

    /// <summary>Writes a report.</summary>
    public void Write(TrainingReport report) => Line("report", report.Step, json =>
    {
        json.WriteNumber("epoch", report.Epoch);
        WriteNumber(json, "loss", report.Loss);
        WriteNumber(json, "perplexity", report.Perplexity);
        WriteNumber(json, "smoothedLoss", report.SmoothedLoss);
        json.WriteNumber("learningRate", (float)report.LearningRate);   // as Adam takes it
        WriteNumber(json, "gradientNorm", report.GradientNorm);
        WriteNumber(json, "tokensPerSecond", Math.Round(report.TokensPerSecond, 1));
        WriteNumber(json, "seconds", Math.Round(report.Elapsed.TotalSeconds, 3));
        WriteNumber(json, "secondsLeft", Math.Round(report.Remaining.TotalSeconds));
    });

    /// <summary>Writes a validation.</summary>
    /// <param name="report">The validation.</param>
    /// <param name="averaged">Of the model at the end: the steps that it is the mean of; null: of the weights of a step.</param>
    public void Write(ValidationReport report, IReadOnlyList<int>? averaged = null) =>
        Line(averaged is null ? "validation" : "final", report.Step, json =>
        {
            WriteNumber(json, "loss", report.Loss);
            WriteNumber(json, "perplexity", report.Perplexity);
            WriteNumber(json, "smoothedLoss", report.SmoothedLoss);
            if (report.Bleu is { } bleu)
            {
                WriteNumber(json, "bleu", bleu);
                json.WriteString("signature", report.BleuSignature);
            }

            if (averaged is null) json.WriteBoolean("best", report.IsBest);
            WriteNumber(json, "seconds", Math.Round(report.Duration.TotalSeconds, 3));
            if (averaged is not null)
            {
                json.WriteStartArray("averaged");
                foreach (int step in averaged) json.WriteNumberValue(step);
                json.WriteEndArray();
            }

            json.WriteStartArray("samples");
            foreach (TranslationSample sample in report.Samples)
            {
                json.WriteStartObject();
                json.WriteString("source", sample.Source);
                json.WriteString("reference", sample.Reference);
                json.WriteString("translation", sample.Translation);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    // JSON has no word for infinity.
    private static void WriteNumber(Utf8JsonWriter json, string key, double number)
    {
        if (double.IsFinite(number)) json.WriteNumber(key, number);
        else json.WriteNull(key);
    }

    // A process that was killed may have left half a line.
    private static bool IsKept(string line, int step, TrainingCurves curves)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            if (root.GetProperty("step").GetInt32() is var at && at > step) return false;
            string kind = root.GetProperty("event").GetString()!;
            if (kind == "final") return false;
            if (kind == "report")
                curves.AddReport(at, Number(root, "loss"), Number(root, "learningRate"));
            else if (kind == "validation")
                curves.AddValidation(at, Number(root, "loss"), root.TryGetProperty("bleu", out _) ? Number(root, "bleu") : null);
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return false;
        }
    }

    private static double Number(JsonElement element, string key) =>
        element.GetProperty(key) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : double.NaN;

    private void Line(string kind, int step, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartObject();
            json.WriteString("event", kind);
            json.WriteNumber("step", step);
            write(json);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        _stream.Write(buffer.WrittenSpan);
    }
}
