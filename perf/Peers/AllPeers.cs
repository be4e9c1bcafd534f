// Who is here to be compared with. A peer that is missing costs nothing but a line that says how to get it.
using Engine.Backends;
using Engine.Perf.Kernels;
using Engine.Tensors;

namespace Engine.Perf.Peers;

/// <summary>The peers of kernels.</summary>
internal static class AllPeers
{
    /// <summary>A folder of native libraries of peers, instead of <c>artifacts/perf/peers</c>.</summary>
    public const string FolderVariable = "ENGINE_PERF_PEERS";

    /// <summary>Where the native libraries of packages lie.</summary>
    public static string Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder
        ? folder
        : Path.GetFullPath(Path.Combine("artifacts", "perf", "peers"));

    /// <summary>A line for each: what it is, or how to install it.</summary>
    public static IEnumerable<string> Describe() =>
        
        [
            OpenBlas.Describe, OnnxRuntime.Describe, Torch.Describe, WholeModels.CTranslate2.Describe, Training.TrainingRows.Describe,
            Text.TokenizerRows.Describe,
        ];

    /// <summary>x Wᵀ by everybody who can.</summary>
    public static IReadOnlyList<Contender> Gemm(
        DType type, int rows, int outputs, int inputs, int threads, float[] x, HostTensor weight, List<IDisposable> owned)
    {
        var peers = new List<Contender>();
        var shape = new GemmShape(rows, outputs, inputs, threads);
        if (type == DType.Float32)
        {
            float[] values = weight.ReadFloats();
            double[] expected = Expected(shape, x, values);
            if (OpenBlas.IsHere) Add(peers, owned, OpenBlas.Gemm(shape, x, values), expected);
            if (OnnxRuntime.IsHere) Add(peers, owned, OnnxRuntime.Gemm(shape, x, values), expected);
            if (Torch.IsHere) Add(peers, owned, Torch.Gemm(shape, x, values), expected);
        }
        else if (type == DType.Int8)
        {
            if (OnnxRuntime.IsHere) Add(peers, owned, OnnxRuntime.IntegerGemm(shape, x, weight), null);
        }
        else if (type == DType.BFloat16)
        {
            if (Torch.IsHere) Add(peers, owned, Torch.BFloat16Gemm(shape, x, weight.ReadFloats()), null);
        }

        return peers;
    }

    /// <summary>Attention of one sentence; windows are nobody's.</summary>
    public static IReadOnlyList<Contender> Attention(
        int length, AttentionMask mask, int threads, float[][] inputs, List<IDisposable> owned)
    {
        var peers = new List<Contender>();
        if (Torch.IsHere) Add(peers, owned, Torch.Attention(length, mask == AttentionMask.Causal, threads, inputs), null);
        return peers;
    }

    /// <summary>LogSoftmax or LayerNorm.</summary>
    public static IReadOnlyList<Contender> Rowwise(
        bool isSoftmax, int rows, int columns, int threads, float[] x, List<IDisposable> owned)
    {
        var peers = new List<Contender>();
        if (OnnxRuntime.IsHere) Add(peers, owned, OnnxRuntime.Rowwise(isSoftmax, rows, columns, threads, x), null);
        if (Torch.IsHere) Add(peers, owned, Torch.Rowwise(isSoftmax, rows, columns, threads, x), null);
        return peers;
    }

    /// <summary>A whole encoder layer.</summary>
    public static IReadOnlyList<Contender> EncoderLayer(
        LayerValues values, float[] input, float[] expected, int threads, List<IDisposable> owned)
    {
        var peers = new List<Contender>();
        double[] wanted = [.. expected.Select(static value => (double)value)];
        if (OnnxRuntime.IsHere) Add(peers, owned, OnnxRuntime.EncoderLayer(values, input, threads), wanted);
        return peers;
    }

    // A peer that computes something else is not timed.
    private static void Add(List<Contender> peers, List<IDisposable> owned, PeerCall peer, double[]? expected)
    {
        owned.Add(peer);
        peer.Call();
        ReadOnlySpan<float> found = peer.Output;
        for (int i = 0; i < expected?.Length; i++)
        {
            if (Math.Abs(found[i] - expected[i]) > 1e-3 * (1 + Math.Abs(expected[i])))
                throw new InvalidOperationException($"{peer.Name} gives {found[i]} at {i}, expected {expected[i]}: not timed.");
        }

        peers.Add(new Contender(peer.Name, peer.Call));
    }

    // The first row.
    private static double[] Expected(GemmShape shape, float[] x, float[] weight)
    {
        var sums = new double[shape.Outputs];
        for (int output = 0; output < sums.Length; output++)
            for (int k = 0; k < shape.Inputs; k++) sums[output] += (double)x[k] * weight[((long)output * shape.Inputs) + k];
        return sums;
    }
}

/// <summary>A matrix product.</summary>
internal readonly record struct GemmShape(int Rows, int Outputs, int Inputs, int Threads);

/// <summary>A peer that is set up for one piece of work.</summary>
internal abstract class PeerCall(string name) : IDisposable
{
    public string Name => name;

    /// <summary>What the last call gave; empty where it is not looked at.</summary>
    public abstract ReadOnlySpan<float> Output { get; }

    /// <summary>Does the work once.</summary>
    public abstract void Call();

    public abstract void Dispose();
}
