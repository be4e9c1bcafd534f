// A Transformer of random weights to train: what a step is measured on.
using Engine.Backends;
using Engine.Cpu;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;
using Engine.Training;

namespace Engine.Perf.Training;

/// <summary>A model, its optimizer and one batch, on the CPU backend.</summary>
internal sealed class TrainingModel : IDisposable
{
    public const int Vocabulary = 8000, Width = 256, Heads = 4, Hidden = 1024, Layers = 3, Sentences = 32, Length = 32;

    private readonly CpuBackend _backend;
    private readonly Tape _tape;
    private readonly Parameters _parameters;
    private readonly Transformer _graph;
    private readonly Tensor _first, _second;
    private readonly int[] _source, _inputs, _targets, _places;
    private int _step;

    public TrainingModel(int threads)
    {
        _backend = new CpuBackend(new BackendOptions { Threads = threads });
        Tape? tape = null;
        _parameters = Parameters.Load(_backend, parameters => tape = new Tape(_backend, parameters), Model(), out _graph);
        _tape = tape!;
        _first = _backend.Allocate(_parameters.Values.Shape, DType.Float32);
        _second = _backend.Allocate(_parameters.Values.Shape, DType.Float32);
        var random = new Random(1);
        _source = [.. Enumerable.Range(0, Sentences * Length).Select(_ => random.Next(Vocabulary))];
        _targets = [.. _source.Select(static id => (id + 1) % Vocabulary)];
        _inputs = [.. Enumerable.Range(0, _source.Length).Select(i => i % Length == 0 ? 1 : _targets[i - 1])];
        _places = [.. Enumerable.Range(0, _source.Length).Select(static i => i % Length)];
    }

    /// <summary>
    /// Operations that a step cannot do without: a product forward and two backward for each matrix and token, and so for the two
    /// products of attention.
    /// </summary>
    public static double Operations
    {
        get
        {
            const double Attention = 4.0 * Width * Width, FeedForward = 2.0 * Width * Hidden;
            double matrices = (Layers * ((3 * Attention) + (2 * FeedForward))) + ((double)Width * Vocabulary);
            double attended = 3 * Layers * 2.0 * Length * Width;
            return 6 * (matrices + attended) * Sentences * Length;
        }
    }

    /// <summary>One step; gives the mean of −ln p.</summary>
    public double Step()
    {
        _backend.Clear(_parameters.Gradients);
        var losses = new float[2 * _targets.Length];
        _tape.BeginFrame();
        int[] lengths = [.. Enumerable.Repeat(Length, Sentences)];
        Ragged sentences = Ragged.Create(_tape, lengths);
        Tensor source = Put(_source), places = Put(_places), inputs = Put(_inputs), targets = Put(_targets);
        _tape.Record(default, (ulong)++_step);
        Tensor memory = _graph.Encoder.Forward(_tape, source, places, sentences);
        Tensor logits = _graph.Decoder.Forward(_tape, inputs, places, sentences, memory, sentences);
        _tape.Backward(logits, targets, 0.1f, 1f / _targets.Length, losses);
        _tape.EndFrame();
        if (!double.IsFinite(_backend.SumOfSquares(_parameters.Gradients))) throw new InvalidOperationException("A gradient is no number.");
        var rates = new AdamStep(
            1e-4f, 0.9f, 0.98f, 1e-9f, 0, 1 - MathF.Pow(0.9f, _step), 1 - MathF.Pow(0.98f, _step), GradientScale: 1);
        _backend.AdamStep(_parameters.Values, _parameters.Gradients, _first, _second, rates);
        _parameters.Refresh();
        return losses.Where(static (_, i) => i % 2 == 1).Average();
    }

    public void Dispose()
    {
        _graph.Dispose();
        _parameters.Dispose();
        _backend.Dispose();
    }

    private Tensor Put(int[] values)
    {
        Tensor tensor = _tape.Rent(new Shape(1, values.Length), DType.Int32);
        _tape.Write(tensor, values);
        return tensor;
    }

    private static ModelData Model()
    {
        StackConfig stack = new()
        {
            Layers = Layers, HiddenDim = Hidden, Attention = new AttentionConfig { Heads = Heads, HeadDim = Width / Heads },
        };
        var config = new TransformerConfig
        {
            ModelDim = Width, SourceVocabulary = Vocabulary, TargetVocabulary = Vocabulary, Encoder = stack, Decoder = stack,
        };
        var random = new Random(2);
        var tensors = new Dictionary<string, HostTensor>();
        foreach (TensorSpec spec in TensorSpec.Of(config))
        {
            var values = new float[spec.Rows * spec.Columns];
            bool isTable = spec.Rows == Vocabulary;
            float bound = isTable ? MathF.Sqrt(3f / Width) : MathF.Sqrt(6f / (spec.Rows + spec.Columns));
            if (spec.Role == TensorRole.Weight) for (int i = 0; i < values.Length; i++) values[i] = bound * ((2 * random.NextSingle()) - 1);
            else if (spec.Name.EndsWith("weight", StringComparison.Ordinal)) Array.Fill(values, 1f);
            tensors.Add(spec.Name, HostTensor.FromValues(spec.Name, new Shape(spec.Rows, spec.Columns), values));
        }

        var vocabulary = new Vocabulary(Enumerable.Range(0, Vocabulary).Select(static i => $"t{i}"), "t0");
        return new ModelData
        {
            Path = "memory", Format = "memory", Config = config, Tensors = tensors, SourceVocabulary = vocabulary,
            TargetVocabulary = vocabulary, Tokens = new SpecialTokens(), Tokenizer = "spaces",
        };
    }
}
