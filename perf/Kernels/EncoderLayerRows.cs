// A whole encoder layer of a transformer-base, norms before the sub-layers, on 32 sentences of 24 tokens: operator by operator
// through the seam, as the graph calls them, beside the same layer as an ONNX graph.
using Engine.Backends;
using Engine.Cpu;
using Engine.Perf.Measuring;
using Engine.Perf.Peers;
using Engine.Perf.Table;
using Engine.Tensors;

namespace Engine.Perf.Kernels;

/// <summary>Weights of an encoder layer: <c>query, key, value</c> one under the other, [outputs, inputs] each.</summary>
internal sealed record LayerValues(
    float[] Qkv, float[] QkvBias, float[] Output, float[] OutputBias, float[] Up, float[] UpBias, float[] Down, float[] DownBias,
    float[] Gain, float[] Bias);

/// <summary>Rows of encoder layers.</summary>
internal static class EncoderLayerRows
{
    public const int Sentences = 32;
    public const int Length = 24;
    public const int Width = 512;
    public const int Hidden = 2048;
    public const int Heads = 8;
    public const float Epsilon = 1e-5f;

    private const double Weights = (4.0 * Width * Width) + (2.0 * Width * Hidden);

    public static IEnumerable<KernelRow> All =>
        from threads in new[] { 1, Machine.Many }.Distinct()
        select new KernelRow
        {
            What = $"f32 encoder layer, {Sentences}×{Length} tokens, {threads} {(threads == 1 ? "thread" : "threads")}",
            Threads = threads,
            Limit = Limit.Float32,
            Operations = Sentences * Length * ((2 * Weights) + (4.0 * Length * Width)),
            Bytes = sizeof(float) * (Weights + (2.0 * Sentences * Length * Width)),
            Goal = Goal.Times(1, "ONNX Runtime"),
            Open = withPeers => Open(threads, withPeers),
        };

    private static KernelCase Open(int threads, bool withPeers)
    {
        var backend = new CpuBackend(new BackendOptions { Threads = threads });
        LayerValues values = Values();
        float[] input = RandomTensors.Values(Sentences * Length * Width, seed: 9);
        Tensor x = RandomTensors.Place(backend, new Shape(Sentences * Length, Width), input);
        var norm = new NormWeights(Row(values.Gain), Row(values.Bias), Epsilon);
        LinearWeights qkv = Linear(values.Qkv, values.QkvBias, Width), output = Linear(values.Output, values.OutputBias, Width);
        LinearWeights up = Linear(values.Up, values.UpBias, Width), down = Linear(values.Down, values.DownBias, Hidden);
        int[] lengths = [.. Enumerable.Repeat(Length, Sentences)];
        Tensor Layer()
        {
            Ragged batch = Ragged.Create(backend, lengths);
            Tensor projected = backend.Linear(backend.Norm(x, norm), qkv);
            Tensor heads = backend.Attention(
                projected.ColumnRange(0, Width), projected.ColumnRange(Width, Width), projected.ColumnRange(2 * Width, Width),
                batch, batch, new AttentionSpec(Heads, 1 / MathF.Sqrt(Width / Heads), AttentionMask.None));
            Tensor h = backend.AddNorm(backend.Linear(heads, output), x, norm, out Tensor sum);
            return backend.Add(backend.Linear(backend.Linear(h, up, Activation.Relu), down), sum);
        }

        void Call()
        {
            backend.BeginFrame();
            Layer();
            backend.EndFrame();
        }

        var owned = new List<IDisposable> { qkv.Weight, output.Weight, up.Weight, down.Weight, backend };
        IReadOnlyList<Contender> peers = [];
        if (withPeers)
        {
            backend.BeginFrame();
            var expected = new float[input.Length];
            backend.Read(Layer(), expected);
            backend.EndFrame();
            peers = AllPeers.EncoderLayer(values, input, expected, threads, owned);
        }

        return new KernelCase(Call, peers, [.. owned]);

        Tensor Row(float[] row) => RandomTensors.Place(backend, new Shape(1, row.Length), row);
        LinearWeights Linear(float[] weight, float[] bias, int inputs) => new(
            backend.Pack([HostTensor.FromValues("weight", new Shape(bias.Length, inputs), weight)]), Row(bias));
    }

    private static LayerValues Values()
    {
        int seed = 10;
        float[] Scaled(int count, float size) => [.. RandomTensors.Values(count, seed++).Select(value => value * size)];
        float[] Matrix(int outputs, int inputs) => Scaled(outputs * inputs, 1.7f / MathF.Sqrt(inputs));
        return new LayerValues(
            Matrix(3 * Width, Width), Scaled(3 * Width, 0.01f), Matrix(Width, Width), Scaled(Width, 0.01f),
            Matrix(Hidden, Width), Scaled(Hidden, 0.01f), Matrix(Width, Hidden), Scaled(Width, 0.01f),
            [.. Scaled(Width, 0.01f).Select(static value => 1 + value)], Scaled(Width, 0.01f));
    }
}
