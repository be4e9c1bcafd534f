// ONNX Runtime on graphs that are written here: what a .NET programmer would otherwise take.
using System.Runtime.InteropServices;
using Engine.Perf.Kernels;
using Engine.Tensors;
using Microsoft.ML.OnnxRuntime;

namespace Engine.Perf.Peers;

/// <summary>Graphs of one operator, or of one layer.</summary>
internal static class OnnxRuntime
{
    private const string PeerName = "ONNX Runtime";
    private const string Input = "x";

    private static readonly string? Version = Load();

    /// <summary>Whether its native library was found.</summary>
    public static bool IsHere => Version is not null;

    public static string Describe => IsHere ? $"{PeerName}: {Version}"
        : $"{PeerName}: not here. dotnet publish perf/peer-packages";

    public static PeerCall Gemm(GemmShape shape, float[] x, float[] weight)
    {
        var graph = new OnnxGraph();
        string w = graph.Floats(Transposed(weight, shape.Outputs), shape.Inputs, shape.Outputs);
        string y = graph.Node("MatMul", [Input, w]);
        return Call(graph, x, [shape.Rows, shape.Inputs], y, [shape.Rows, shape.Outputs], shape.Threads);
    }

    /// <summary>Quantises x, multiplies integers, and scales: what its own quantiser makes of a linear layer.</summary>
    public static PeerCall IntegerGemm(GemmShape shape, float[] x, HostTensor weight)
    {
        var bytes = new byte[weight.Bytes];
        weight.ReadBytes(0, bytes);
        var graph = new OnnxGraph();
        sbyte[] signed = MemoryMarshal.Cast<byte, sbyte>(bytes).ToArray();
        string w = graph.Bytes(Transposed(signed, shape.Outputs), shape.Inputs, shape.Outputs);
        string[] quantised = graph.Nodes("DynamicQuantizeLinear", [Input], 3);
        string sums = graph.Node("MatMulInteger", [quantised[0], w, quantised[2]]);
        string scale = graph.Node("Mul", [quantised[1], graph.Floats([1 / 127f])]);
        string y = graph.Node("Mul", [graph.Node("Cast", [sums], ("to", 1)), scale]);
        return Call(graph, x, [shape.Rows, shape.Inputs], y, [shape.Rows, shape.Outputs], shape.Threads);
    }

    /// <summary>LogSoftmax or LayerNormalization.</summary>
    public static PeerCall Rowwise(bool isSoftmax, int rows, int columns, int threads, float[] x)
    {
        var graph = new OnnxGraph();
        string Row(int seed) => graph.Floats(RandomTensors.Values(columns, seed), columns);
        string y = isSoftmax ? graph.Node("LogSoftmax", [Input], ("axis", -1))
            : graph.Node("LayerNormalization", [Input, Row(3), Row(4)], ("axis", -1), ("epsilon", 1e-5f));
        return Call(graph, x, [rows, columns], y, [rows, columns], threads);
    }

    /// <summary>The layer of <see cref="EncoderLayerRows"/>.</summary>
    public static PeerCall EncoderLayer(LayerValues values, float[] input, int threads)
    {
        const long Sentences = EncoderLayerRows.Sentences, Length = EncoderLayerRows.Length, Width = EncoderLayerRows.Width;
        const long Heads = EncoderLayerRows.Heads, HeadDim = Width / Heads;
        var graph = new OnnxGraph();
        string gain = graph.Floats(values.Gain, Width), bias = graph.Floats(values.Bias, Width);
        string Norm(string x) => graph.Node(
            "LayerNormalization", [x, gain, bias], ("axis", -1), ("epsilon", EncoderLayerRows.Epsilon));
        string Linear(string x, float[] weight, float[] offset)
        {
            int outputs = offset.Length;
            string w = graph.Floats(Transposed(weight, outputs), weight.Length / outputs, outputs);
            return graph.Node("Add", [graph.Node("MatMul", [x, w]), graph.Floats(offset, outputs)]);
        }

        string[] parts = graph.Nodes("Split", [Linear(Norm(Input), values.Qkv, values.QkvBias)], 3, ("axis", 2));
        string split = graph.Integers(Sentences, Length, Heads, HeadDim);
        string Heading(string x, params long[] order) =>
            graph.Node("Transpose", [graph.Node("Reshape", [x, split])], ("perm", order));
        string query = graph.Node("Mul", [Heading(parts[0], 0, 2, 1, 3), graph.Floats([1 / MathF.Sqrt(HeadDim)])]);
        string weights = graph.Node(
            "Softmax", [graph.Node("MatMul", [query, Heading(parts[1], 0, 2, 3, 1)])], ("axis", -1));
        string heads = graph.Node("MatMul", [weights, Heading(parts[2], 0, 2, 1, 3)]);
        string turned = graph.Node("Transpose", [heads], ("perm", (long[])[0, 2, 1, 3]));
        string joined = graph.Node("Reshape", [turned, graph.Integers(Sentences, Length, Width)]);
        string sum = graph.Node("Add", [Linear(joined, values.Output, values.OutputBias), Input]);
        string hidden = graph.Node("Relu", [Linear(Norm(sum), values.Up, values.UpBias)]);
        string y = graph.Node("Add", [Linear(hidden, values.Down, values.DownBias), sum]);
        return Call(graph, input, [Sentences, Length, Width], y, [Sentences, Length, Width], threads);
    }

    private static GraphCall Call(OnnxGraph graph, float[] x, long[] inputShape, string y, long[] outputShape, int threads) =>
        new(graph.ToModel((Input, inputShape), (y, outputShape)), x, inputShape, y, outputShape, threads);

    private static T[] Transposed<T>(T[] matrix, int rows)
    {
        int columns = matrix.Length / rows;
        var turned = new T[matrix.Length];
        for (int i = 0; i < matrix.Length; i++) turned[((long)(i % columns) * rows) + (i / columns)] = matrix[i];
        return turned;
    }

    private static string? Load()
    {
        string[] files = ["libonnxruntime.so", "onnxruntime.dll", "libonnxruntime.dylib"];
        string? file = files.Select(static name => Path.Combine(AllPeers.Folder, name)).FirstOrDefault(File.Exists);
        if (file is null || !NativeLibrary.TryLoad(file, out nint library)) return null;
        NativeLibrary.SetDllImportResolver(
            typeof(InferenceSession).Assembly,
            (name, _, _) => name.StartsWith("onnxruntime", StringComparison.Ordinal) ? library : 0);
        return OrtEnv.Instance().GetVersionString();
    }

    private sealed class GraphCall : PeerCall
    {
        private static readonly string[] Inputs = [Input];

        private readonly InferenceSession _session;
        private readonly RunOptions _options = new();
        private readonly OrtValue[] _x;
        private readonly OrtValue[] _y;
        private readonly string[] _outputs;
        private readonly float[] _output;

        public GraphCall(byte[] model, float[] x, long[] inputShape, string y, long[] outputShape, int threads) : base(PeerName)
        {
            using var options = new SessionOptions
            {
                IntraOpNumThreads = threads,
                InterOpNumThreads = 1,
                GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            };
            _session = new InferenceSession(model, options);
            _output = new float[outputShape.Aggregate(1L, static (product, extent) => product * extent)];
            _x = [OrtValue.CreateTensorValueFromMemory(x, inputShape)];
            _y = [OrtValue.CreateTensorValueFromMemory(_output, outputShape)];
            _outputs = [y];
        }

        public override ReadOnlySpan<float> Output => _output;

        public override void Call() => _session.Run(_options, Inputs, _x, _outputs, _y);

        public override void Dispose()
        {
            _x[0].Dispose();
            _y[0].Dispose();
            _options.Dispose();
            _session.Dispose();
        }
    }
}
