// What a training knows beside its numbers: where it is in the texts, and what it has seen so far. With the weights and the
// moments of Adam this is all that going on needs.
using System.Buffers;
using System.Text.Json;
using Engine.Formats;

namespace Engine.Training;

/// <summary>The state of a training after a step.</summary>
internal sealed class TrainingState
{
    /// <summary>Steps that are done.</summary>
    public int Step { get; set; }

    /// <summary>Epoch of the next batch, from 0.</summary>
    public int Epoch { get; set; }

    /// <summary>The next batch of the epoch, from 0.</summary>
    public int Batch { get; set; }

    /// <summary>Seconds of training, those before the last stop included.</summary>
    public double Seconds { get; set; }

    /// <summary>Target tokens that were learned from.</summary>
    public long TargetTokens { get; set; }

    /// <summary>Since the last report: Σ −ln p of the targets.</summary>
    public double ReportLoss { get; set; }

    /// <summary>Since the last report: Σ of the loss with label smoothing.</summary>
    public double ReportSmoothedLoss { get; set; }

    /// <summary>Since the last report: target tokens.</summary>
    public long ReportTokens { get; set; }

    /// <summary>Loss of a step, averaged over about a hundred.</summary>
    public double MeanLoss { get; set; }

    /// <summary>The lowest that it was.</summary>
    public double LowestLoss { get; set; } = double.PositiveInfinity;

    /// <summary>The step of that.</summary>
    public int LowestStep { get; set; }

    /// <summary>The last step whose weights were validated; −1: none.</summary>
    public int ValidatedStep { get; set; } = -1;

    /// <summary>Validations since the best one.</summary>
    public int Fruitless { get; set; }

    /// <summary>Whether training ended before its last step, for want of a better validation.</summary>
    public bool EndedEarly { get; set; }

    /// <summary>The best validated steps, best first, and their loss or BLEU.</summary>
    public List<(int Step, double Value)> Best { get; } = [];

    /// <summary>Hash of the ids of the texts.</summary>
    public string Texts { get; set; } = "";

    /// <summary>The settings of the training.</summary>
    public Dictionary<string, string> Settings { get; } = new(StringComparer.Ordinal);

    /// <summary>As JSON.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("step", Step);
            json.WriteNumber("epoch", Epoch);
            json.WriteNumber("batch", Batch);
            json.WriteNumber("seconds", Seconds);
            json.WriteNumber("targetTokens", TargetTokens);
            json.WriteNumber("reportLoss", ReportLoss);
            json.WriteNumber("reportSmoothedLoss", ReportSmoothedLoss);
            json.WriteNumber("reportTokens", ReportTokens);
            json.WriteNumber("meanLoss", MeanLoss);
            if (double.IsFinite(LowestLoss)) json.WriteNumber("lowestLoss", LowestLoss);
            json.WriteNumber("lowestStep", LowestStep);
            json.WriteNumber("validatedStep", ValidatedStep);
            json.WriteNumber("fruitless", Fruitless);
            json.WriteBoolean("endedEarly", EndedEarly);
            json.WriteStartArray("best");
            foreach (var (step, value) in Best)
            {
                json.WriteStartArray();
                json.WriteNumberValue(step);
                json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteString("texts", Texts);
            json.WriteStartObject("settings");
            foreach ((string key, string value) in Settings) json.WriteString(key, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>From JSON.</summary>
    /// <exception cref="ModelFormatException">It is not what <see cref="ToJson"/> writes.</exception>
    public static TrainingState FromJson(string file, byte[] bytes)
    {
        using JsonDocument document = JsonSection.Parse(file, bytes);
        JsonElement root = document.RootElement;
        try
        {
            var state = new TrainingState
            {
                Step = root.GetProperty("step").GetInt32(),
                Epoch = root.GetProperty("epoch").GetInt32(),
                Batch = root.GetProperty("batch").GetInt32(),
                Seconds = root.GetProperty("seconds").GetDouble(),
                TargetTokens = root.GetProperty("targetTokens").GetInt64(),
                ReportLoss = root.GetProperty("reportLoss").GetDouble(),
                ReportSmoothedLoss = root.GetProperty("reportSmoothedLoss").GetDouble(),
                ReportTokens = root.GetProperty("reportTokens").GetInt64(),
                MeanLoss = root.GetProperty("meanLoss").GetDouble(),
                LowestLoss = root.TryGetProperty("lowestLoss", out JsonElement lowest)
                    ? lowest.GetDouble() : double.PositiveInfinity,
                LowestStep = root.GetProperty("lowestStep").GetInt32(),
                ValidatedStep = root.GetProperty("validatedStep").GetInt32(),
                Fruitless = root.GetProperty("fruitless").GetInt32(),
                EndedEarly = root.GetProperty("endedEarly").GetBoolean(),
                Texts = root.GetProperty("texts").GetString()!,
            };
            foreach (JsonElement best in root.GetProperty("best").EnumerateArray())
                state.Best.Add((best[0].GetInt32(), best[1].GetDouble()));
            foreach (JsonProperty setting in root.GetProperty("settings").EnumerateObject())
                state.Settings[setting.Name] = setting.Value.GetString()!;
            return state;
        }
        catch (Exception e) when (
            e is InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
        {
            throw new ModelFormatException(file, "the state", $"not as it is written ({e.Message})", "that of a checkpoint", e);
        }
    }
}
