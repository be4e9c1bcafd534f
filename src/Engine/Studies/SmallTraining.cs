// Trains small models by the trainer that trains large ones, from texts in a directory that is gone afterwards.
using System.Globalization;
using Engine.Training;

namespace Engine.Studies;

/// <summary>Texts to learn from, and models that learned from them.</summary>
internal sealed class SmallTraining : IDisposable
{
    // No dropout and no smoothing: every source has one answer, and none is seen often enough to be learned by heart.
    private const string Config = """
        {
          "data": { "train": { "source": "train.source", "target": "train.target" } },
          "tokenizer": { "kind": "spaces", "vocabulary": { "sides": "separate" } },
          "model": { "modelDim": 64, "heads": 4, "hiddenDim": 128, "encoderLayers": 1, "decoderLayers": 1, "norm": "pre" },
          "training": {
            "steps": 1, "batchTokens": 1024, "labelSmoothing": 0, "dropout": { "residual": 0 }, "clip": 1, "divergence": 0,
            "learningRate": { "schedule": "cosine", "peak": 0.003, "warmup": 50 }
          },
          "checkpoints": { "every": 1000000, "keep": 1 },
          "output": "out"
        }
        """;

    private readonly StudyOptions _options;
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("engine-study-");
    private int _models;

    /// <summary>Writes the texts.</summary>
    /// <param name="options">What computes, and the seed.</param>
    /// <param name="pairs">What is learned from.</param>
    public SmallTraining(StudyOptions options, IReadOnlyList<TaskPair> pairs)
    {
        _options = options;
        File.WriteAllLines(InDirectory("train.source"), pairs.Select(static pair => pair.Source));
        File.WriteAllLines(InDirectory("train.target"), pairs.Select(static pair => pair.Target));
        File.WriteAllText(InDirectory("config.json"), Config);
    }

    /// <summary>Trains a model.</summary>
    /// <param name="name">What it is called while it learns.</param>
    /// <param name="steps">Steps.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="changes">What is other than usual, as in <c>model.heads=2</c>.</param>
    public SmallModel Run(string name, int steps, CancellationToken cancellation, params IReadOnlyList<string> changes)
    {
        string output = InDirectory(string.Create(CultureInfo.InvariantCulture, $"model-{_models++}"));
        TrainingConfig config = TrainingConfig.Load(
            InDirectory("config.json"),
            [
                $"training.steps={steps}", $"training.reportEvery={Math.Max(1, steps / 5)}", $"seed={_options.Seed}",
                $"output=\"{System.Text.Json.JsonEncodedText.Encode(output)}\"", .. changes,
            ]);
        var observer = new Observer(_options, name);
        TrainingResult result = Trainer.Run(config, _options.Backend, observer, resume: false, cancellation);
        return new SmallModel(_options, result.Model, observer.Losses);
    }

    /// <summary>Removes the texts and the models.</summary>
    public void Dispose() => _directory.Delete(recursive: true);

    private string InDirectory(string name) => Path.Combine(_directory.FullName, name);

    private sealed class Observer(StudyOptions options, string name) : ITrainingObserver
    {
        public List<double> Losses { get; } = [];

        public void Began(TrainingStart start)
        {
        }

        public void Stepped(int done, double loss) => Losses.Add(loss);

        public void Reported(TrainingReport report) => options.Say(string.Create(
            CultureInfo.InvariantCulture, $"{name}: step {report.Step:N0} of {report.Steps:N0}, loss {report.Loss:F3}"));

        public void Validated(ValidationReport report)
        {
        }

        public void Said(string message)
        {
        }
    }
}
