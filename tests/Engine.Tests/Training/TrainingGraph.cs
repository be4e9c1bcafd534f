// A whole Transformer whose parameters are trained, on the reference backend: what tests of gradients run.
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Training;

namespace Engine.Tests.Training;

/// <summary>Parameters, a tape over them and a graph that calls it.</summary>
internal sealed class TrainingGraph : IDisposable
{
    private readonly Transformer _graph;

    public TrainingGraph(ModelData model, bool recomputes = false)
    {
        Tape? tape = null;
        Parameters = Parameters.Load(
            Backend, parameters => tape = new Tape(Backend, parameters) { Recomputes = recomputes }, model, out _graph);
        Tape = tape!;
    }

    public ReferenceBackend Backend { get; } = new();

    public Parameters Parameters { get; }

    public Tape Tape { get; }

    /// <summary>Most tables that were alive at once while gradients were computed.</summary>
    public int MostTables { get; private set; }

    public DropoutRates Rates { get; init; }

    public ulong Key { get; init; } = 11;

    public float Smoothing { get; init; } = 0.1f;

    /// <summary>Sum of the losses of a batch; nothing is changed.</summary>
    public double Loss(Batch batch) => InFrame(() =>
    {
        Tensor logits = Tape.Real(Record(batch));
        Tape.Forget();
        return Sum(Backend.CrossEntropy(logits, Put(batch.NextIds), Smoothing, 1));
    });

    /// <summary>Adds the gradients of a batch to those there, times a factor; gives the sum of the losses.</summary>
    public double AddGradients(Batch batch, float scale = 1) => InFrame(() =>
    {
        Tensor targets = Put(batch.NextIds), logits = Record(batch);
        var losses = new float[2 * logits.Rows];
        Tape.Backward(logits, targets, Smoothing, scale, losses);
        MostTables = Backend.MostTables;
        return losses.Where(static (_, i) => i % 2 == 0).Sum(static loss => (double)loss);
    });

    /// <summary>Records the graph; what it is given comes before.</summary>
    public Tensor Record(Batch batch)
    {
        var inputs = new GraphInputs(Tape, batch);
        Tape.Record(Rates, Key);
        return Forward(_graph, Tape, inputs);
    }

    /// <summary>Logits by any backend over the same weights.</summary>
    public Tensor Forward(IBackend backend, Batch batch) => Forward(_graph, backend, batch);

    /// <summary>Logits of a graph.</summary>
    public static Tensor Forward(Transformer graph, IBackend backend, Batch batch) =>
        Forward(graph, backend, new GraphInputs(backend, batch));

    private static Tensor Forward(Transformer graph, IBackend backend, in GraphInputs inputs)
    {
        Tensor memory = graph.Encoder.Forward(backend, inputs.SourceIds, inputs.SourcePlaces, inputs.Sources);
        return graph.Decoder.Forward(backend, inputs.TargetIds, inputs.TargetPlaces, inputs.Targets, memory, inputs.Sources);
    }

    private readonly struct GraphInputs(IBackend backend, Batch batch)
    {
        public readonly Ragged Sources = Ragged.Create(backend, Lengths(batch.Sources)), Targets = Ragged.Create(backend, Lengths(batch.Targets));
        public readonly Tensor SourceIds = Put(backend, Flat(batch.Sources)), SourcePlaces = Put(backend, Places(batch.Sources));
        public readonly Tensor TargetIds = Put(backend, Flat(batch.Targets)), TargetPlaces = Put(backend, Places(batch.Targets));
    }

    /// <summary>All gradients, in the places of the values.</summary>
    public double[] Gradients() => Backend.ReadDoubles(Parameters.Gradients);

    /// <summary>Compares the gradient of every parameter with central differences of the loss.</summary>
    public void AssertGradients(Batch batch)
    {
        Backend.Clear(Parameters.Gradients);
        double magnitude = AddGradients(batch);
        double[] found = Gradients();
        foreach ((string name, int start, Shape shape) in Parameters.Places)
        {
            Tensor place = Parameters.Values.ColumnRange(start, (int)shape.Count);
            double[] values = Backend.ReadDoubles(place);
            double[] differences = CentralDifferences.Of(values, () =>
            {
                Set(place, values);
                return Loss(batch);
            });
            Set(place, values);
            CentralDifferences.AssertAgree(name, differences, found[start..(start + values.Length)], magnitude);
        }
    }

    public T InFrame<T>(Func<T> script)
    {
        Tape.BeginFrame();
        try
        {
            return script();
        }
        finally
        {
            Tape.EndFrame();
        }
    }

    public Tensor Put(int[] values) => Put(Backend, values);

    public void Dispose()
    {
        _graph.Dispose();
        Parameters.Dispose();
        Backend.Dispose();
    }

    private void Set(Tensor place, double[] values)
    {
        Backend.WriteDoubles(place, values);
        Parameters.Refresh();
    }

    private double Sum(Tensor losses) => Backend.ReadDoubles(losses.ColumnRange(0, 1)).Sum();

    private static Tensor Put(IBackend backend, int[] values)
    {
        Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    private static int[] Lengths(int[][] sentences) => [.. sentences.Select(static sentence => sentence.Length)];

    private static int[] Flat(int[][] sentences) => [.. sentences.SelectMany(static sentence => sentence)];

    private static int[] Places(int[][] sentences) =>
        [.. sentences.SelectMany(static sentence => Enumerable.Range(0, sentence.Length))];
}

/// <summary>Sentence pairs, and of each position of a target the token that follows; −1: it is not counted.</summary>
internal sealed record Batch(int[][] Sources, int[][] Targets, int[][] Next)
{
    public int[] NextIds => [.. Next.SelectMany(static sentence => sentence)];

    public Batch Part(Range sentences) => new(Sources[sentences], Targets[sentences], Next[sentences]);
}
