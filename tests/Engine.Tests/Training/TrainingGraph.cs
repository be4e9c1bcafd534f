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

    public TrainingGraph(ModelData model)
    {
        Tape? tape = null;
        Parameters = Parameters.Load(Backend, parameters => tape = new Tape(Backend, parameters), model, out _graph);
        Tape = tape!;
    }

    public ReferenceBackend Backend { get; } = new();

    public Parameters Parameters { get; }

    public Tape Tape { get; }

    public DropoutRates Rates { get; init; }

    public ulong Key { get; init; } = 11;

    public float Smoothing { get; init; } = 0.1f;

    /// <summary>Sum of the losses of a batch; nothing is changed.</summary>
    public double Loss(Batch batch) => InFrame(() =>
    {
        Tape.Record(Rates, Key);
        Tensor logits = Forward(Tape, batch);
        Tape.Forget();
        return Sum(Backend.CrossEntropy(logits, Put(batch.NextIds), Smoothing, 1));
    });

    /// <summary>Adds the gradients of a batch to those there, times a factor; gives the sum of the losses.</summary>
    public double AddGradients(Batch batch, float scale = 1) => InFrame(() =>
    {
        Tape.Record(Rates, Key);
        return Sum(Tape.Backward(Forward(Tape, batch), Put(batch.NextIds), Smoothing, scale));
    });

    /// <summary>Logits by any backend over the same weights.</summary>
    public Tensor Forward(IBackend backend, Batch batch) => Forward(_graph, backend, batch);

    /// <summary>Logits of a graph.</summary>
    public static Tensor Forward(Transformer graph, IBackend backend, Batch batch)
    {
        Ragged sources = Ragged.Create(backend, Lengths(batch.Sources)), targets = Ragged.Create(backend, Lengths(batch.Targets));
        Tensor memory = graph.Encoder.Forward(backend, Put(backend, Flat(batch.Sources)), Put(backend, Places(batch.Sources)), sources);
        return graph.Decoder.Forward(backend, Put(backend, Flat(batch.Targets)), Put(backend, Places(batch.Targets)), targets, memory, sources);
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
