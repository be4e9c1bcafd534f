// One type of layer with random weights: its work counted, its time taken, its paths followed.
using System.Diagnostics;
using Engine.Backends;
using Engine.Formats;
using Engine.Layers;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;
using Engine.Training;

namespace Engine.Studies;

/// <summary>Layers of one type and size on a backend.</summary>
internal sealed class LayerBench : IDisposable
{
    private const double EnoughSeconds = 0.6, WarmSeconds = 0.02;
    private const int MostRuns = 7;

    private readonly IBackend _backend;
    private readonly LayerSize _size;
    private readonly ModelData _data;
    private readonly Transformer _model;
    private readonly bool _isCausal;

    /// <summary>Makes them.</summary>
    /// <param name="backend">Runs them.</param>
    /// <param name="type">Their type.</param>
    /// <param name="size">Their size.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="layers">How many.</param>
    /// <param name="isCausal">Whether a position sees only those before it, as in a decoder.</param>
    public LayerBench(IBackend backend, LayerType type, LayerSize size, int seed, int layers = 1, bool isCausal = false)
    {
        (_backend, _size, _isCausal) = (backend, size, isCausal);
        _data = Data(type, size, seed, layers, isCausal);
        _model = new Transformer(backend, _data);
    }

    private IReadOnlyList<MixingLayer> Layers => Of(_model, _isCausal);

    /// <summary>Counts the work of one layer over n positions.</summary>
    /// <returns>All of it, what of that linear layers do, and the longest chain of calls.</returns>
    public (OperationCount All, OperationCount Linear, int Chain) Count(int positions)
    {
        var counting = new CountingBackend(_backend);
        InFrame(counting, () => Layers[0].Self(counting, Input(counting, positions), Ragged.Create(counting, [positions])));
        return (counting.Total, counting.Counts.GetValueOrDefault("Linear"), counting.LongestChain);
    }

    /// <summary>Runs a layer for a while, so that its code is compiled as well as it will be before it is timed.</summary>
    public void WarmUp(TimeSpan time, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < time)
        {
            cancellation.ThrowIfCancellationRequested();
            InFrame(_backend, () => Layers[0].Self(_backend, Input(_backend, 64), Ragged.Create(_backend, [64])));
        }
    }

    /// <summary>The time of one layer over n positions, in seconds: the median of some runs.</summary>
    public double Seconds(int positions, CancellationToken cancellation) => Median(
        positions, _size.Width, (x, batch) => Layers[0].Self(_backend, x, batch), cancellation);

    /// <summary>The time of attention without its linear layers.</summary>
    public double SecondsWithoutLinear(int positions, CancellationToken cancellation)
    {
        var attention = (AttentionLayer)Layers[0];
        return Median(positions, 3 * attention.Cache.Keys, (qkv, batch) => attention.SelfHeads(_backend, qkv, batch), cancellation);
    }

    /// <summary>
    /// Layers until the last of n positions has learned of the first, and the length of the longest of the shortest paths by then, by what
    /// each operator depends on; null: it never learns.
    /// </summary>
    public (int Layers, int Path)? FollowPaths(int positions)
    {
        var paths = new PathBackend(_backend);
        (int, int)? found = null;
        InFrame(paths, () =>
        {
            Ragged batch = Ragged.Create(paths, [positions]);
            Tensor x = Input(paths, positions);
            paths.Start(x, 0);
            int reached = 0;
            for (int layer = 1; found is null; layer++)
            {
                x = Layers[Math.Min(layer, Layers.Count) - 1].Self(paths, x, batch);
                IReadOnlyList<int> lengths = paths.LengthsOf(x);
                int now = lengths.Count(static length => length != PathBackend.Never);
                if (now == positions) found = (layer, lengths.Max());
                else if (now == reached) break;                          // one more layer brought nobody into reach
                reached = now;
            }
        });
        return found;
    }

    /// <summary>Whether the last of n positions has a gradient by the first after all layers.</summary>
    /// <param name="backend">Computes gradients.</param>
    /// <param name="type">Type of the layers.</param>
    /// <param name="size">Their size.</param>
    /// <param name="layers">How many there are.</param>
    /// <param name="positions">n.</param>
    /// <param name="seed">Decides the weights.</param>
    public static bool HasGradient(ITrainingBackend backend, LayerType type, LayerSize size, int layers, int positions, int seed)
    {
        if (layers == 0) return false;
        using ModelData data = Data(type, size, seed, layers, isCausal: !type.IsGrouped);
        Tape? tape = null;
        using Parameters parameters = Parameters.Load(backend, own => tape = new Tape(backend, own), data, out Transformer graph);
        using Transformer model = graph;
        parameters.Refresh();
        backend.Clear(parameters.Gradients);
        float[] gradient = new float[positions * size.Width], last = new float[positions * size.Width];
        last.AsSpan((positions - 1) * size.Width).Fill(1);
        backend.BeginFrame();
        try
        {
            Ragged batch = Ragged.Create(backend, [positions]);
            Tensor first = Input(backend, positions, size.Width, seed), dy = StudyTensors.Upload(backend, last, size.Width);
            tape!.Record(default, 0);
            Tensor x = first;
            foreach (MixingLayer layer in Of(model, !type.IsGrouped)) x = layer.Self(tape, x, batch);
            tape.Backward(x, dy);
            backend.Read(tape.GradientOf(first), gradient);
        }
        finally
        {
            tape!.Forget();
            backend.EndFrame();
        }

        return gradient.AsSpan(0, size.Width).ContainsAnyExcept(0f);
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        _model.Dispose();
        _data.Dispose();
    }

    private static IReadOnlyList<MixingLayer> Of(Transformer model, bool isCausal) => isCausal
        ? [.. model.Decoder.Layers.Select(static layer => layer.Mixing)]
        : [.. model.Encoder.Layers.Select(static layer => layer.Mixing)];

    // A Transformer whose encoder, or decoder, is the layers; the rest of it is as small as it may be.
    private static ModelData Data(LayerType type, LayerSize size, int seed, int layers, bool isCausal)
    {
        StackConfig stack = type.Stack(size, layers, isCausal), least = LayerType.All[0].Stack(size, 1, isCausal: false);
        var vocabulary = new Vocabulary(["<unk>", "<s>", "</s>"], "<unk>");
        var config = new TransformerConfig
        {
            ModelDim = size.Width,
            SourceVocabulary = vocabulary.Count,
            TargetVocabulary = vocabulary.Count,
            Encoder = isCausal ? least : stack,
            Decoder = isCausal ? stack : least,
        };
        return new ModelData
        {
            Path = type.Name,
            Format = "study",
            Config = config,
            Tensors = InitialModel.Tensors(config, Tying.None, 1, (ulong)seed),
            SourceVocabulary = vocabulary,
            TargetVocabulary = vocabulary,
            Tokens = new SpecialTokens(),
            Tokenizer = Tokenizer.Space.Word,
        };
    }

    private double Median(int positions, int width, Func<Tensor, Ragged, Tensor> run, CancellationToken cancellation)
    {
        var times = new List<double>();
        var last = new float[_size.Width];
        float[] values = Values(positions * width, seed: 1);
        double warm = 0;
        while (times.Count < MostRuns && times.Sum() < EnoughSeconds)
        {
            cancellation.ThrowIfCancellationRequested();
            bool isWarm = warm > WarmSeconds;                         // before that, memory is taken and caches are filled
            InFrame(_backend, () =>
            {
                Ragged batch = Ragged.Create(_backend, [positions]);
                Tensor x = StudyTensors.Upload(_backend, values, width);
                _backend.Read(x.RowRange(0, 1).ColumnRange(0, _size.Width), last);      // what was written is there
                long started = Stopwatch.GetTimestamp();
                Tensor y = run(x, batch);
                _backend.Read(y.RowRange(positions - 1, 1), last);
                double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
                if (isWarm || seconds > EnoughSeconds) times.Add(seconds);
                else warm += seconds;
            });
        }

        times.Sort();
        return times[times.Count / 2];
    }

    private Tensor Input(IBackend backend, int positions) => Input(backend, positions, _size.Width, seed: 1);

    private static Tensor Input(IBackend backend, int positions, int width, int seed) =>
        StudyTensors.Upload(backend, Values(positions * width, seed), width);

    private static float[] Values(int count, int seed)
    {
        var values = new float[count];
        new StudyRandom(seed, 7).Fill(values);
        return values;
    }

    private static void InFrame(IBackend backend, Action work)
    {
        backend.BeginFrame();
        try
        {
            work();
        }
        finally
        {
            backend.EndFrame();
        }
    }
}
