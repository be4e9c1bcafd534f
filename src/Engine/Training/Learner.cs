// One step of training: forward, backward and Adam over the batches of the step; and the loss of sentences that are not learned.
using System.Globalization;
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>Sums over tokens.</summary>
/// <param name="Loss">Σ −ln p of the targets.</param>
/// <param name="Smoothed">Σ of the loss with label smoothing.</param>
/// <param name="Tokens">Target tokens.</param>
internal readonly record struct LossSums(double Loss, double Smoothed, long Tokens)
{
    public double PerToken => Loss / Tokens;

    public static LossSums operator +(LossSums x, LossSums y) =>
        new(x.Loss + y.Loss, x.Smoothed + y.Smoothed, x.Tokens + y.Tokens);
}

/// <summary>A model that is learning, on a backend.</summary>
internal sealed class Learner : IDisposable
{
    private const ulong GoldenRatio = 0x9E3779B97F4A7C15;

    private readonly ITrainingBackend _backend;
    private readonly LoopSettings _settings;
    private readonly ulong _seed;
    private readonly Tape _tape;
    private readonly Tensor _firstMoment;
    private readonly Tensor _secondMoment;
    private readonly List<(int Start, int Count, bool Decays)> _runs = [];
    private float[] _losses = [];
    private bool _disposed;

    public Learner(ITrainingBackend backend, ModelData model, TrainingConfig config)
    {
        _backend = backend;
        _settings = config.Training;
        _seed = (ulong)config.Seed;
        Tape? tape = null;
        Parameters = Parameters.Load(
            backend, parameters => tape = new Tape(backend, parameters) { Recomputes = config.Training.Recompute }, model,
            out Transformer graph, config.Training.Precision);
        _tape = tape!;
        Graph = graph;
        _firstMoment = backend.Allocate(Parameters.Values.Shape, DType.Float32);
        _secondMoment = backend.Allocate(Parameters.Values.Shape, DType.Float32);
        Model = model;
        FindRuns();
    }

    /// <summary>What it began with: shape, vocabularies, tokens.</summary>
    public ModelData Model { get; }

    /// <summary>The graph, over the weights of now.</summary>
    public Transformer Graph { get; }

    /// <summary>The weights.</summary>
    public Parameters Parameters { get; }

    /// <summary>Learns from the batches of a step.</summary>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="rate">Learning rate.</param>
    /// <param name="batches">The batches.</param>
    /// <param name="norm">Length of the gradient, before it is clipped.</param>
    /// <param name="cancellation">Stops between batches; the weights are then those before the step.</param>
    /// <exception cref="TrainingDivergedException">A number is none.</exception>
    public LossSums Step(
        int step, double rate, ReadOnlySpan<TrainingBatch> batches, out double norm, CancellationToken cancellation = default)
    {
        _backend.Clear(Parameters.Gradients);
        long tokens = 0;
        foreach (TrainingBatch batch in batches) tokens += batch.Targets.Count;
        var sums = new LossSums();
        for (int i = 0; i < batches.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            LossSums ofBatch = Learn(batches[i], KeyOf(step, i), 1f / tokens);
            if (!double.IsFinite(ofBatch.Smoothed)) throw Diagnose(step, i, batches[i], 1f / tokens);
            sums += ofBatch;
        }

        norm = Math.Sqrt(_backend.SumOfSquares(Parameters.Gradients));
        if (!double.IsFinite(norm)) throw DiagnoseGradient(step, batches, tokens);
        float scale = _settings.Clip > 0 && norm > _settings.Clip ? (float)(_settings.Clip / norm) : 1f;
        foreach (var (start, count, decays) in _runs)
        {
            var rates = new AdamStep(
                (float)rate, _settings.Beta1, _settings.Beta2, _settings.Epsilon, decays ? _settings.Decay : 0,
                (float)(1 - Math.Pow(_settings.Beta1, step)), (float)(1 - Math.Pow(_settings.Beta2, step)), scale);
            _backend.AdamStep(
                Parameters.Values.ColumnRange(start, count), Parameters.Gradients.ColumnRange(start, count),
                _firstMoment.ColumnRange(start, count), _secondMoment.ColumnRange(start, count), rates);
        }

        Parameters.Refresh();
        return sums;
    }

    /// <summary>Loss of a batch by the weights of now, nothing dropped and nothing learned.</summary>
    public LossSums Evaluate(TrainingBatch batch)
    {
        _backend.BeginFrame();
        try
        {
            Inputs inputs = Upload(batch);
            Tensor logits = Forward(inputs);
            Span<float> losses = Losses(logits.Rows);
            _backend.Read(_backend.CrossEntropy(logits, inputs.Targets, _settings.Smoothing, 1), losses);
            return Sum(losses);
        }
        finally
        {
            _backend.EndFrame();
        }
    }

    /// <summary>The parameter with the longest gradient, for a message.</summary>
    public (string Name, double Norm) SteepestParameter()
    {
        (string Name, double Norm) steepest = ("", -1);
        foreach (var (name, start, shape) in Parameters.Places)
        {
            double norm = Math.Sqrt(_backend.SumOfSquares(Parameters.Gradients.ColumnRange(start, (int)shape.Count)));
            if (norm > steepest.Norm) steepest = (name, norm);
        }

        return steepest;
    }

    /// <summary>Copies weights and moments to the host.</summary>
    public Checkpoint ToCheckpoint(TrainingState state) =>
        new(state, Parameters.Read(Parameters.Values), Parameters.Read(_firstMoment), Parameters.Read(_secondMoment));

    /// <summary>Takes weights and moments from the host.</summary>
    /// <exception cref="ModelFormatException">There are more or fewer than this model has.</exception>
    public void Restore(string file, Checkpoint checkpoint)
    {
        if (checkpoint.Values.Length != Parameters.Values.Columns)
        {
            throw new ModelFormatException(
                file, "the number of weights", $"{checkpoint.Values.Length:N0}",
                $"{Parameters.Values.Columns:N0}, as the model has");
        }

        _backend.Write(_firstMoment, checkpoint.FirstMoment);
        _backend.Write(_secondMoment, checkpoint.SecondMoment);
        SetValues(checkpoint.Values);
    }

    /// <summary>Takes other weights, such as an average.</summary>
    public void SetValues(ReadOnlySpan<float> values)
    {
        _backend.Write(Parameters.Values, values);
        Parameters.Refresh();
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Graph.Dispose();
        _backend.Free(_firstMoment);
        _backend.Free(_secondMoment);
        Parameters.Dispose();
    }

    // Only matrices decay: biases and gains have a place where they belong. Neighbours of a kind are one run.
    private void FindRuns()
    {
        int end = Parameters.Values.Columns;
        if (_settings.Decay == 0)
        {
            _runs.Add((0, end, false));
            return;
        }

        foreach (var (_, start, shape) in Parameters.Places)
        {
            bool decays = shape.Rows > 1;
            if (_runs.Count > 0 && _runs[^1].Decays == decays) continue;
            if (_runs.Count > 0) _runs[^1] = _runs[^1] with { Count = start - _runs[^1].Start };
            _runs.Add((start, end - start, decays));
        }
    }

    // Micro-batches of a step drop other numbers.
    private ulong KeyOf(int step, int micro) => ((_seed * GoldenRatio) + (ulong)step) ^ ((ulong)micro << 48);

    private LossSums Learn(TrainingBatch batch, ulong key, float scale)
    {
        _tape.BeginFrame();
        try
        {
            Inputs inputs = Upload(batch);
            _tape.Record(_settings.Dropout, key);
            Tensor logits = Forward(inputs);
            Span<float> losses = Losses(logits.Rows);
            _tape.Backward(logits, inputs.Targets, _settings.Smoothing, scale, losses);
            return Sum(losses);
        }
        finally
        {
            _tape.EndFrame();
        }
    }

    private Tensor Forward(in Inputs inputs)
    {
        Tensor memory = Graph.Encoder.Forward(_tape, inputs.SourceIds, inputs.SourcePositions, inputs.Sources);
        return Graph.Decoder.Forward(_tape, inputs.Ids, inputs.Positions, inputs.Sentences, memory, inputs.Sources);
    }

    // All before anything is recorded, as the tape wants it.
    private Inputs Upload(TrainingBatch batch) => new()
    {
        Sources = Ragged.Create(_tape, CollectionsMarshal.AsSpan(batch.SourceLengths)),
        Sentences = Ragged.Create(_tape, CollectionsMarshal.AsSpan(batch.TargetLengths)),
        SourceIds = Upload(batch.SourceIds),
        SourcePositions = Upload(batch.SourcePositions),
        Ids = Upload(batch.Inputs),
        Positions = Upload(batch.TargetPositions),
        Targets = Upload(batch.Targets),
    };

    private Tensor Upload(List<int> values)
    {
        Tensor tensor = _backend.Rent(new Shape(1, values.Count), DType.Int32);
        _backend.Write(tensor, CollectionsMarshal.AsSpan(values));
        return tensor;
    }

    // Loss and −ln p of each row.
    private Span<float> Losses(int rows)
    {
        if (_losses.Length < 2 * rows) _losses = new float[4 * rows];
        return _losses.AsSpan(0, 2 * rows);
    }

    private static LossSums Sum(ReadOnlySpan<float> losses)
    {
        double smoothed = 0, loss = 0;
        for (int i = 0; i < losses.Length; i += 2)
        {
            smoothed += losses[i];
            loss += losses[i + 1];
        }

        return new LossSums(loss, smoothed, losses.Length / 2);
    }

    // The batch once more, with a look at each result.
    private TrainingDivergedException Diagnose(int step, int micro, TrainingBatch batch, float scale)
    {
        if (FindBrokenWeight(step, batch) is { } broken) return broken;
        string? first = null;
        _tape.Watch = (name, tensor) =>
        {
            if (first is not null) return;
            var values = new float[tensor.Shape.Count];
            _backend.Read(tensor, values);
            int at = Array.FindIndex(values, static value => !float.IsFinite(value));
            if (at >= 0) first = string.Create(CultureInfo.InvariantCulture, $"{name} gave {values[at]}");
        };
        try
        {
            Learn(batch, KeyOf(step, micro), scale);
        }
        finally
        {
            _tape.Watch = null;
        }

        return new TrainingDivergedException(step, first ?? "loss", batch.Describe(), first ?? "the loss is not finite");
    }

    // A step may have made a weight infinite, and an activation may hide it: ReLU of what is no number is 0.
    private TrainingDivergedException? FindBrokenWeight(int step, TrainingBatch batch)
    {
        float[] values = Parameters.Read(Parameters.Values);
        int at = Array.FindIndex(values, static value => !float.IsFinite(value));
        if (at < 0) return null;
        string name = Parameters.NameAt(at);
        return new TrainingDivergedException(
            step, name, batch.Describe(), string.Create(CultureInfo.InvariantCulture, $"the weight {name} has {values[at]}"));
    }

    // Gradients go from the end of the graph to its beginning, and so does what is wrong with them: it began in the last
    // parameter that has it. Embeddings stand last, but get theirs last too.
    private TrainingDivergedException DiagnoseGradient(int step, ReadOnlySpan<TrainingBatch> batches, long tokens)
    {
        if (FindBrokenWeight(step, batches[0]) is { } broken) return broken;
        for (int i = 0; i < batches.Length; i++)
        {
            _backend.Clear(Parameters.Gradients);
            Learn(batches[i], KeyOf(step, i), 1f / tokens);
            float[] gradients = Parameters.Read(Parameters.Gradients);
            string? last = null;
            foreach (var (name, start, shape) in Parameters.Places)
            {
                ReadOnlySpan<float> part = gradients.AsSpan(start, (int)shape.Count);
                bool isBroken = part.ContainsAnyExceptInRange(float.MinValue, float.MaxValue);
                if (isBroken && (last is null || !name.Contains(".embedding.", StringComparison.Ordinal))) last = name;
            }

            if (last is not null)
                return new TrainingDivergedException(step, last, batches[i].Describe(), $"the gradient of {last} is not finite");
        }

        // The batches' gradients are finite, but not their sum, or its square.
        var (steepest, _) = SteepestParameter();
        return new TrainingDivergedException(
            step, steepest, batches[0].Describe(), $"the gradient is too long for float32, longest that of {steepest}");
    }

    private readonly ref struct Inputs
    {
        public required Ragged Sources { get; init; }

        public required Ragged Sentences { get; init; }

        public required Tensor SourceIds { get; init; }

        public required Tensor SourcePositions { get; init; }

        public required Tensor Ids { get; init; }

        public required Tensor Positions { get; init; }

        public required Tensor Targets { get; init; }
    }
}
