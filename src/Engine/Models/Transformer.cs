// THE graph: an encoder and a decoder on one backend, built from a model file.
using Engine.Backends;
using Engine.Formats;
using Engine.Layers;
using Engine.Tensors;

namespace Engine.Models;

/// <summary>An encoder-decoder Transformer whose weights lie in a backend's memory.</summary>
public sealed class Transformer : IDisposable
{
    private readonly WeightLoader _weights;
    private readonly List<PositionTable> _positions = [];

    /// <summary>Packs the weights of a model.</summary>
    /// <param name="backend">Runs it; must outlive this object.</param>
    /// <param name="data">The model file; not needed afterwards.</param>
    /// <param name="type">Type to convert the matrices to, or null: as in the file.</param>
    /// <exception cref="ModelFormatException">A tensor is absent, NaN or infinite, or cannot be read.</exception>
    public Transformer(IBackend backend, ModelData data, DType? type = null)
        : this(backend, data.Config, new WeightLoader(backend, data, type))
    {
    }

    /// <summary>The graph over weights that something else loads; owns the loader.</summary>
    internal Transformer(IBackend backend, TransformerConfig config, WeightLoader weights)
    {
        Backend = backend;
        Config = config;
        _weights = weights;
        try
        {
            Encoder = BuildEncoder();
            Decoder = BuildDecoder();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Shape.</summary>
    public TransformerConfig Config { get; }

    /// <summary>Runs the graph.</summary>
    public IBackend Backend { get; }

    /// <summary>From source tokens to the memory.</summary>
    public Encoder Encoder { get; }

    /// <summary>From the memory to logits.</summary>
    public Decoder Decoder { get; }

    /// <summary>Bytes of the weights in the backend's memory.</summary>
    public long WeightBytes => _weights.Bytes;

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        _weights.Dispose();
        foreach (PositionTable table in _positions) table.Dispose();
        _positions.Clear();
    }

    private Encoder BuildEncoder()
    {
        StackConfig stack = Config.Encoder;
        var layers = new EncoderLayer[stack.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            string name = $"encoder.layers.{i}";
            layers[i] = new EncoderLayer(
                SelfAttention(stack, name, Mask(stack.Attention)), _weights.Norm($"{name}.self_attention_norm", stack),
                FeedForward(stack, name), _weights.Norm($"{name}.feed_forward_norm", stack));
        }

        return new Encoder(Embedding("encoder", stack), layers, FinalNorm("encoder", stack), stack.PreNorm);
    }

    private Decoder BuildDecoder()
    {
        StackConfig stack = Config.Decoder;
        var layers = new DecoderLayer[stack.Layers];
        var memory = new string[2 * stack.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            string name = $"decoder.layers.{i}";
            memory[2 * i] = $"{name}.cross_attention.key";
            memory[(2 * i) + 1] = $"{name}.cross_attention.value";
            layers[i] = new DecoderLayer(
                SelfAttention(stack, name, Mask(stack.Attention).AndCausal()),
                _weights.Norm($"{name}.self_attention_norm", stack),
                Attention(stack, $"{name}.cross_attention", AttentionMask.None, _weights.Linear($"{name}.cross_attention.query")),
                _weights.Norm($"{name}.cross_attention_norm", stack),
                FeedForward(stack, name), _weights.Norm($"{name}.feed_forward_norm", stack));
        }

        int alignmentLayer = Config.AlignmentLayer < 0 ? stack.Layers + Config.AlignmentLayer : Config.AlignmentLayer;
        int alignmentHeads = Config.AlignmentHeads == 0 ? stack.Attention.Heads : Config.AlignmentHeads;
        return new Decoder(
            Embedding("decoder", stack), layers, FinalNorm("decoder", stack), stack.PreNorm, _weights.Linear(memory),
            _weights.Output("output"), alignmentLayer, alignmentHeads);
    }

    private TokenEmbedding Embedding(string side, StackConfig stack)
    {
        PositionTable positions = stack.Positions.Kind == PositionKind.Learned
            ? new PositionTable(Backend, _weights.Release(_weights.Table($"{side}.positions.weight")))
            : new PositionTable(Backend, stack.Positions, Config.ModelDim);
        _positions.Add(positions);
        NormWeights? norm = stack.EmbeddingNorm ? _weights.Norm($"{side}.embedding_norm", stack) : null;
        float scale = stack.EmbeddingScale ?? MathF.Sqrt(Config.ModelDim);
        return new TokenEmbedding(_weights.Matrix($"{side}.embedding.weight"), scale, positions, norm);
    }

    private AttentionLayer SelfAttention(StackConfig stack, string layer, AttentionMask mask)
    {
        string name = $"{layer}.self_attention";
        return Attention(stack, name, mask, _weights.Linear($"{name}.query", $"{name}.key", $"{name}.value"));
    }

    private AttentionLayer Attention(StackConfig stack, string name, AttentionMask mask, LinearWeights input)
    {
        AttentionConfig attention = stack.Attention;
        LinearWeights output = _weights.Linear($"{name}.output");
        bool additive = attention.Kind == AttentionKind.Additive;
        float scale = attention.Scale ?? (additive ? 1f : 1f / MathF.Sqrt(attention.HeadDim));
        var spec = new AttentionSpec(attention.Heads, scale, mask);
        return additive
            ? new AdditiveAttention(spec, attention.HeadDim, input, output, _weights.Vector($"{name}.score.weight"))
            : new MultiHeadAttention(spec, attention.HeadDim, input, output);
    }

    private FeedForward FeedForward(StackConfig stack, string layer)
    {
        LinearWeights? gate = stack.Gated ? _weights.Linear($"{layer}.feed_forward.gate") : null;
        return new FeedForward(
            _weights.Linear($"{layer}.feed_forward.up"), gate, _weights.Linear($"{layer}.feed_forward.down"), stack.Activation);
    }

    private NormWeights? FinalNorm(string side, StackConfig stack) =>
        stack.FinalNorm ? _weights.Norm($"{side}.final_norm", stack) : null;

    private static AttentionMask Mask(AttentionConfig attention) => AttentionMask.Window(
        attention.WindowLeft ?? AttentionMask.Unlimited, attention.WindowRight ?? AttentionMask.Unlimited);
}
