// What a small training ended with: its losses, and a model that can be asked.
using Engine.Decoding;

namespace Engine.Studies;

/// <summary>A small model that was trained.</summary>
/// <param name="options">What computes.</param>
/// <param name="directory">The model.</param>
/// <param name="losses">Mean of −ln p of a target token, of each step.</param>
internal sealed class SmallModel(StudyOptions options, string directory, IReadOnlyList<double> losses)
{
    private const int CurvePoints = 40;
    private const int MoreTokens = 4;   // a translation that is so much too long is wrong already

    /// <summary>Mean loss of the last tenth of the steps.</summary>
    public double FinalLoss => losses.Skip(losses.Count - Math.Max(1, losses.Count / 10)).Average();

    /// <summary>Losses by step: each point the mean of the steps since the point before.</summary>
    public StudySeries Curve(string name)
    {
        int width = Math.Max(1, losses.Count / CurvePoints);
        return new StudySeries(name,
        [
            .. losses.Chunk(width).Select((chunk, i) => new StudyPoint((i * width) + chunk.Length, chunk.Average())),
        ]);
    }

    /// <summary>Translates sources, greedily, and compares.</summary>
    public Accuracy Test(IReadOnlyList<TaskPair> pairs, CancellationToken cancellation)
    {
        using Translator translator = Translator.Load(directory, new TranslatorOptions(options.Backend));
        string[][] expected = [.. pairs.Select(static pair => pair.Target.Split(' '))];
        TranslationRequest[] requests =
        [
            .. pairs.Select((pair, i) => new TranslationRequest(pair.Source.Split(' '))
            {
                Options = new DecodingOptions { BeamSize = 1, MaxDecodingLength = expected[i].Length + MoreTokens },
            }),
        ];
        IReadOnlyList<TranslationResult> results = translator.TranslateBatch(requests, cancellation);
        return Accuracy.Of([.. results.Select(static result => result.Hypotheses[0].Tokens)], expected);
    }
}
