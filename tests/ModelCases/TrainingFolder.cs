// A directory with texts and a configuration to train from, and what a training there said.
using Engine.Backends;
using Engine.Cpu;
using Engine.Training;

namespace Engine.ModelCases;

internal sealed class TrainingFolder : IDisposable
{
    public TrainingFolder() => Path = Directory.CreateTempSubdirectory("engine-training-").FullName;

    public string Path { get; }

    public string ConfigFile => File("config.json");

    /// <summary>A folder with digits to copy, or to turn round, and a tiny model of one layer.</summary>
    public static TrainingFolder OfDigits(bool reversed, int pairs = 400, int validation = 20, int longest = 10)
    {
        var folder = new TrainingFolder();
        folder.WriteDigits("train", pairs, longest, reversed, seed: 1);
        folder.WriteDigits("valid", validation, longest, reversed, seed: 2);
        folder.Write("config.json", """
            {
              "data": {
                "train": { "source": "train.src", "target": "train.tgt" },
                "validation": { "source": "valid.src", "target": "valid.tgt" }
              },
              "tokenizer": { "kind": "spaces" },
              "model": { "modelDim": 16, "heads": 2, "hiddenDim": 32, "encoderLayers": 1, "decoderLayers": 1 },
              "training": {
                "steps": 24, "batchTokens": 64, "reportEvery": 4,
                "dropout": { "residual": 0.1, "attention": 0.1, "activation": 0.1 },
                "learningRate": { "peak": 0.003, "warmup": 10 }
              },
              "validation": { "every": 8, "bleu": {}, "samples": 1 },
              "checkpoints": { "every": 5, "keep": 2, "average": 3 },
              "output": "out"
            }
            """);
        return folder;
    }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Write(string name, string text) => System.IO.File.WriteAllText(File(name), text);

    public void WriteDigits(string name, int pairs, int longest, bool reversed, int seed)
    {
        var random = new Random(seed);
        using StreamWriter source = System.IO.File.CreateText(File($"{name}.src"));
        using StreamWriter target = System.IO.File.CreateText(File($"{name}.tgt"));
        for (int i = 0; i < pairs; i++)
        {
            int[] digits = [.. Enumerable.Range(0, random.Next(1, longest + 1)).Select(_ => random.Next(10))];
            source.Write($"{string.Join(' ', digits)}\n");
            target.Write($"{string.Join(' ', reversed ? digits.Reverse() : digits)}\n");
        }
    }

    public TrainingConfig Load(params string[] changes) => TrainingConfig.Load(ConfigFile, changes);

    public TrainingResult Train(params string[] changes) => Train(new Record(), resume: false, threads: 2, changes);

    public TrainingResult Train(Record record, bool resume, int threads, params string[] changes)
    {
        using var backend = new CpuBackend(new BackendOptions { Threads = threads });
        return Train(backend, record, resume, changes);
    }

    public TrainingResult Train(ITrainingBackend backend, Record record, bool resume, params string[] changes) =>
        Trainer.Run(Load(changes), backend, record, resume, record.Cancellation.Token);

    /// <summary>The weights of the model that was written.</summary>
    public byte[] Weights(string output = "out") =>
        System.IO.File.ReadAllBytes(System.IO.Path.Combine(Path, output, "model", "model.safetensors"));

    public void Dispose() => Directory.Delete(Path, recursive: true);

    /// <summary>Remembers what it is told, and may stop the training after a step.</summary>
    internal sealed class Record : ITrainingObserver
    {
        public CancellationTokenSource Cancellation { get; } = new();

        public int StopAfter { get; init; } = int.MaxValue;

        public bool StopsInValidation { get; init; }

        public TrainingStart? Start { get; private set; }

        public List<TrainingReport> Reports { get; } = [];

        public List<ValidationReport> Validations { get; } = [];

        public List<string> Lines { get; } = [];

        public List<double> Losses { get; } = [];

        public void Began(TrainingStart start) => Start = start;

        public void Stepped(int done, double loss)
        {
            Losses.Add(loss);
            if (done == StopAfter) Cancellation.Cancel();
        }

        public void Reported(TrainingReport report) => Reports.Add(report);

        public void Validated(ValidationReport report) => Validations.Add(report);

        public void Said(string message) => Lines.Add(message);
    }
}
