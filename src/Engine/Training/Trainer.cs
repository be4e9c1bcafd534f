// Training from a configuration to a model directory: the loop, and what it does between steps. All that a step depends on is the
// state, which a checkpoint holds; so training goes on after a stop as if there had been none.
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Engine.Backends;
using Engine.Formats;

namespace Engine.Training;

/// <summary>Trains models.</summary>
public sealed class Trainer
{
    /// <summary>The directory of the model, in the output directory.</summary>
    public const string ModelName = "model";

    private const string TestSourceName = "test.source.txt", TestTargetName = "test.target.txt";
    private const string CheckpointsName = "checkpoints", TokenizerName = "tokenizer", LockName = "train.lock";
    private const string NewName = $"{ModelName}.new", OldName = $"{ModelName}.old";
    private const double MeanDecay = 0.99;   // the mean loss is that of about a hundred steps
    private const int FirstDivergence = 100;   // until then it is no mean yet

    private readonly TrainingConfig _config;
    private readonly ITrainingObserver _observer;
    private readonly CancellationToken _cancellation;
    private readonly CheckpointStore _store;
    private readonly SentencePairs _pairs;
    private readonly Learner _learner;
    private readonly Validator? _validator;
    private readonly TrainingState _state;
    private readonly TrainingLog _log;
    private readonly TrainingCurves _curves;
    private readonly LearningRate _rate;
    private readonly TrainingBatch[] _batches;
    private readonly int _startToken;
    private readonly int _steps;
    private readonly Stopwatch _sinceReport = new();
    private long _tokensSinceReport;
    private int _stepsSinceReport;
    private BatchPlan _plan;
    private double _norm;
    private bool _isSaved;

    private Trainer(
        TrainingConfig config, ITrainingObserver observer, CheckpointStore store, SentencePairs pairs, Learner learner,
        Validator? validator, TrainingState state, TrainingLog log, TrainingCurves curves, int steps, BatchPlan plan,
        CancellationToken cancellation)
    {
        _config = config;
        _observer = observer;
        _cancellation = cancellation;
        _store = store;
        _pairs = pairs;
        _learner = learner;
        _validator = validator;
        _state = state;
        _log = log;
        _curves = curves;
        _steps = steps;
        _plan = plan;
        _isSaved = state.Step > 0;
        _rate = new LearningRate(config.Training, steps);
        _batches = new TrainingBatch[config.Training.Accumulate];
        for (int i = 0; i < _batches.Length; i++) _batches[i] = new TrainingBatch();
        _startToken = learner.Model.TargetVocabulary.Id(learner.Model.Tokens.DecoderStart!);
    }

    /// <summary>Trains a model and writes it to <see cref="ModelName"/> in the output directory.</summary>
    /// <param name="config">What to train, and how.</param>
    /// <param name="backend">Computes; it stays the caller's.</param>
    /// <param name="observer">Is told how it goes.</param>
    /// <param name="resume">Whether to go on from the newest checkpoint of the output directory.</param>
    /// <param name="cancellation">Stops after the batch of now, with a checkpoint.</param>
    /// <exception cref="ModelFormatException">A file is missing or broken.</exception>
    /// <exception cref="InvalidDataException">The texts have no pair to learn from.</exception>
    /// <exception cref="IOException">The output directory holds a training, or cannot be written.</exception>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is no number, or the loss grew far.</exception>
    /// <exception cref="OperationCanceledException">It was stopped; the checkpoint is written.</exception>
    public static TrainingResult Run(
        TrainingConfig config, ITrainingBackend backend, ITrainingObserver observer, bool resume = false,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(observer);
        Directory.CreateDirectory(config.Output);
        using FileStream occupied = Occupy(config.Output);
        CleanUp(config.Output);
        var store = new CheckpointStore(Path.Combine(config.Output, CheckpointsName), config.Checkpoints, observer.Said);
        if (!resume && (store.Steps().Count > 0 || Directory.Exists(Path.Combine(config.Output, ModelName))))
        {
            throw new IOException(
                $"{config.Output} holds a training, expected a directory without, or that it is to be resumed.");
        }

        var coding = TextCoding.Create(
            config, Path.Combine(config.Output, TokenizerName), resume, observer.Said, cancellation);
        SentencePairs pairs = Encode(coding, config, config.Data.Train, null, observer, cancellation);
        List<TextPair> texts = [];
        SentencePairs? validation = config.Data.Validation is { } files
            ? Encode(coding, config, files, texts, observer, cancellation)
            : null;

        if (config.Data.Test is { } test) WriteTest(test, config.Output);
        using var learner = new Learner(backend, InitialModel.Create(config, coding, pairs.UsualSourceTokens), config);
        TrainingState state = Restore(config, store, learner, Hash(coding, pairs), resume, observer);
        BatchPlan first = Plan(config, pairs, 0);
        int perEpoch = (first.Count + config.Training.Accumulate - 1) / config.Training.Accumulate;
        LoopSettings loop = config.Training;
        long ofEpochs = loop.Epochs == 0 ? int.MaxValue : Math.Min((long)loop.Epochs * perEpoch, int.MaxValue);
        int steps = loop.Steps == 0 ? (int)ofEpochs : (int)Math.Min(loop.Steps, ofEpochs);

        var curves = new TrainingCurves();
        using TrainingLog log = TrainingLog.Open(config.Output, state.Step, curves);
        var start = new TrainingStart(
            learner.Parameters.Count, coding.Source.Count, coding.Target.Count, pairs.Count, pairs.SourceTokens,
            pairs.TargetTokens, validation?.Count ?? 0, first.Count, state.Step, steps);
        log.Write(start);
        observer.Began(start);
        BatchPlan plan = state.Epoch == 0 ? first : Plan(config, pairs, state.Epoch);
        if (state.Batch >= plan.Count)
        {
            // Batches have become larger since the checkpoint.
            (state.Epoch, state.Batch) = (state.Epoch + 1, 0);
            plan = Plan(config, pairs, state.Epoch);
        }

        Validator? validator = validation is null ? null : new Validator(learner, coding, validation, texts, config);
        var trainer = new Trainer(
            config, observer, store, pairs, learner, validator, state, log, curves, steps, plan, cancellation);
        return trainer.Run();
    }

    // The file stays behind, the lock goes with the process, however that ends.
    private static FileStream Occupy(string output)
    {
        try
        {
            return new FileStream(Path.Combine(output, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new IOException($"{output} cannot be used: {e.Message} Another training may be writing there.", e);
        }
    }

    // What a process that was killed while it wrote a model has left.
    private static void CleanUp(string output)
    {
        foreach (string directory in Directory.EnumerateDirectories(output, $"{NewName}*"))
            Directory.Delete(directory, recursive: true);
        string old = Path.Combine(output, OldName);
        if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
    }

    private static SentencePairs Encode(
        TextCoding coding, TrainingConfig config, TextFiles files, List<TextPair>? texts, ITrainingObserver observer,
        CancellationToken cancellation)
    {
        var bad = new BadLines();
        SentencePairs pairs = coding.Encode(files, config.Data.MaxLength, bad, texts, cancellation);
        foreach (string line in bad.Describe()) observer.Said(line);
        return pairs.Count > 0
            ? pairs
            : throw new InvalidDataException(
                $"{files.Source} has no line that can be used, expected at least one pair of sentences.");
    }

    // What was held out, for `engine translate` and `engine evaluate`.
    private static void WriteTest(TextFiles files, string output)
    {
        TextPair[] pairs = [.. ParallelText.Read(files, bad: null)];
        File.WriteAllLines(Path.Combine(output, TestSourceName), pairs.Select(static pair => pair.Source));
        File.WriteAllLines(Path.Combine(output, TestTargetName), pairs.Select(static pair => pair.Target));
    }

    private static BatchPlan Plan(TrainingConfig config, SentencePairs pairs, int epoch) => BatchPlan.Shuffled(
        pairs, config.Seed, epoch, config.Training.BatchTokens, config.Training.BatchSentences);

    private static string Hash(TextCoding coding, SentencePairs pairs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        pairs.AppendTo(hash);
        foreach (string token in coding.Source.Tokens.Concat(coding.Target.Tokens))
            hash.AppendData(Encoding.UTF8.GetBytes($"{token}\n"));
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static TrainingState Restore(
        TrainingConfig config, CheckpointStore store, Learner learner, string texts, bool resume, ITrainingObserver observer)
    {
        Checkpoint? checkpoint = resume ? store.LoadNewest() : null;
        TrainingState state = checkpoint?.State ?? new TrainingState();
        if (checkpoint is not null)
        {
            string file = store.File(state.Step);
            if (state.Texts != texts)
            {
                throw new ModelFormatException(
                    file, "the training data", "another than that of now", "the same texts, tokenizer and vocabulary");
            }

            foreach (string change in Changes(state.Settings, config.Settings))
                observer.Said($"changed since the checkpoint: {change}");
            learner.Restore(file, checkpoint);
            observer.Said($"going on from step {state.Step:N0}.");
        }
        else if (resume)
        {
            observer.Said("there is no checkpoint to go on from: training begins.");
        }

        state.Texts = texts;
        state.Settings.Clear();
        foreach ((string key, string value) in config.Settings) state.Settings[key] = value;
        return state;
    }

    private static IEnumerable<string> Changes(
        IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        foreach (string key in before.Keys.Union(now.Keys).Order(StringComparer.Ordinal))
        {
            string old = before.GetValueOrDefault(key, "not there"), value = now.GetValueOrDefault(key, "not there");
            if (old != value) yield return $"{key} was {old}, is {value}";
        }
    }

    private bool IsAtEnd => _state.EndedEarly || _state.Step >= _steps
        || (_config.Training.Epochs > 0 && _state.Epoch >= _config.Training.Epochs);

    private TrainingResult Run()
    {
        try
        {
            while (true)
            {
                bool isBest = IsValidationDue && Validate();
                bool isAtEnd = IsAtEnd;
                if (!_isSaved && (isAtEnd || isBest || IsDue(_config.Checkpoints.Every))) Save();
                if (isAtEnd) return Finish();
                _cancellation.ThrowIfCancellationRequested();
                Step();
                if (_state.Step % _config.Training.ReportEvery == 0 || IsAtEnd) Report();
            }
        }
        catch (OperationCanceledException) when (_cancellation.IsCancellationRequested)
        {
            if (!_isSaved && _state.Step > 0) Save();
            _observer.Said(_state.Step > 0
                ? $"stopped after step {_state.Step:N0}, checkpoint {_store.File(_state.Step)}."
                : "stopped before the first step.");
            throw;
        }
    }

    private bool IsValidationDue =>
        _validator is not null && IsDue(_config.Validation.Every) && _state.ValidatedStep != _state.Step;

    private bool IsDue(int every) => every > 0 && _state.Step > 0 && _state.Step % every == 0;

    private void Step()
    {
        _sinceReport.Start();
        var (epoch, number) = (_state.Epoch, _state.Batch);
        int count = 0;
        while (count < _batches.Length && (_config.Training.Epochs == 0 || epoch < _config.Training.Epochs))
        {
            _batches[count++].Fill(_pairs, _plan[number], _startToken, epoch, number);
            if (++number < _plan.Count) continue;
            (epoch, number) = (epoch + 1, 0);
            _plan = Plan(_config, _pairs, epoch);
        }

        int step = _state.Step + 1;
        LossSums sums = _learner.Step(step, _rate.At(step), _batches.AsSpan(0, count), out _norm, _cancellation);
        (_state.Step, _state.Epoch, _state.Batch) = (step, epoch, number);
        _state.TargetTokens += sums.Tokens;
        _state.ReportLoss += sums.Loss;
        _state.ReportSmoothedLoss += sums.Smoothed;
        _state.ReportTokens += sums.Tokens;
        _isSaved = false;
        _tokensSinceReport += sums.Tokens;
        _stepsSinceReport++;
        _sinceReport.Stop();
        CheckLoss(sums.PerToken, _batches[0]);
        _observer.Stepped(step, sums.PerToken);
    }

    // A loss that is finite may still be that of a model that has fallen apart.
    private void CheckLoss(double loss, TrainingBatch batch)
    {
        _state.MeanLoss = _state.Step == 1 ? loss : (MeanDecay * _state.MeanLoss) + ((1 - MeanDecay) * loss);
        if (_state.MeanLoss < _state.LowestLoss) (_state.LowestLoss, _state.LowestStep) = (_state.MeanLoss, _state.Step);
        if (_config.Training.Divergence == 0 || _state.Step < FirstDivergence
            || _state.MeanLoss <= _state.LowestLoss + _config.Training.Divergence) return;
        var (layer, norm) = _learner.SteepestParameter();
        throw new TrainingDivergedException(
            _state.Step, layer, batch.Describe(),
            FormattableString.Invariant($"the mean loss is {_state.MeanLoss:F2}, and was {_state.LowestLoss:F2} at step ")
                + FormattableString.Invariant($"{_state.LowestStep:N0}; the longest gradient is that of {layer}, {norm:G4}"));
    }

    private void Report()
    {
        double seconds = Math.Max(_sinceReport.Elapsed.TotalSeconds, 1e-9);
        _state.Seconds += seconds;
        long tokens = Math.Max(_state.ReportTokens, 1);
        double left = seconds / Math.Max(_stepsSinceReport, 1) * Math.Max(_steps - _state.Step, 0);
        var report = new TrainingReport(
            _state.Step, _steps, _state.Epoch + (_state.Batch == 0 ? 0 : 1), _state.ReportLoss / tokens,
            _state.ReportSmoothedLoss / tokens, _rate.At(_state.Step), _norm, _tokensSinceReport / seconds,
            TimeSpan.FromSeconds(_state.Seconds), TimeSpan.FromSeconds(Math.Min(left, 1e9)));
        (_state.ReportLoss, _state.ReportSmoothedLoss, _state.ReportTokens) = (0, 0, 0);
        (_tokensSinceReport, _stepsSinceReport) = (0, 0);
        _sinceReport.Reset();
        _log.Write(report);
        _curves.AddReport(report.Step, report.Loss, report.LearningRate);
        _observer.Reported(report);
    }

    // Whether these weights are among the best, which are kept.
    private bool Validate()
    {
        ValidationReport report = _validator!.Run(_state.Step, _cancellation);
        bool byBleu = _config.Validation.Criterion == Criterion.Bleu;
        double value = byBleu ? report.Bleu!.Value : report.Loss;
        int place = _state.Best.FindIndex(best => byBleu ? value > best.Value : value < best.Value);
        if (place < 0) place = _state.Best.Count;
        int most = _config.Checkpoints.AveragesBest ? _config.Checkpoints.Average : 1;
        bool isKept = place < most && double.IsFinite(value);
        if (isKept)
        {
            _state.Best.Insert(place, (_state.Step, value));
            if (_state.Best.Count > most) _state.Best.RemoveAt(most);
        }

        report = report with { IsBest = isKept && place == 0 };
        _state.Fruitless = report.IsBest ? 0 : _state.Fruitless + 1;
        _state.ValidatedStep = _state.Step;
        _isSaved = false;
        _state.EndedEarly = _config.Validation.Patience > 0 && _state.Fruitless >= _config.Validation.Patience;
        _log.Write(report);
        _curves.AddValidation(report.Step, report.Loss, report.Bleu);
        _curves.Write(_config.Output);
        _observer.Validated(report);
        return isKept;
    }

    private void Save()
    {
        _store.Save(_learner.ToCheckpoint(_state));
        _isSaved = true;
    }

    private TrainingResult Finish()
    {
        var (values, steps) = _store.Average(_state);
        _learner.SetValues(values);
        ValidationReport? report = _validator?.Run(_state.Step, _cancellation);
        string place = Path.Combine(_config.Output, ModelName);
        string fresh = Path.Combine(_config.Output, NewName), old = Path.Combine(_config.Output, OldName);
        if (Directory.Exists(fresh)) Directory.Delete(fresh, recursive: true);
        ModelWriter.Write(_learner.Parameters.ToModel(values), fresh);
        if (Directory.Exists(place)) Directory.Move(place, old);
        Directory.Move(fresh, place);
        if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
        if (report is not null) _log.Write(report, steps);
        _curves.Write(_config.Output);
        return new TrainingResult(place, _state.Step, _state.EndedEarly, steps, report);
    }
}
