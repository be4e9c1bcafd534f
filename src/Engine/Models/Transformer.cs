// THE graph: an encoder and a decoder on one backend, built from a model file.
using Engine.Backends;
using Engine.Formats;
using Engine.Layers;
using Engine.Tensors;

namespace Engine.Models;

/// <summary>An encoder-decoder Transformer whose weights lie in a backend's memory.</summary>
public sealed class Transformer : IDisposable
{
    private readonly WeightLoader? _loader;
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
        _loader = weights;
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

    /// <summary>The same graph over the weights of another, for one more translator on its device.</summary>
    /// <param name="backend">Runs it; must outlive this object.</param>
    /// <param name="owner">Holds the weights and must outlive this object; nobody runs it while this is made.</param>
    /// <exception cref="ArgumentException">The backend cannot use them.</exception>
    public Transformer(IBackend backend, Transformer owner)
    {
        if (!backend.SharesWeightsWith(owner.Backend))
        {
            throw new ArgumentException(
                $"{backend.Description} is not on the device of {owner.Backend.Description}, whose weights it was to share.",
                nameof(backend));
        }

        Backend = backend;
        Config = owner.Config;
        owner.AwaitWeights();
        try
        {
            Encoder = owner.Encoder.With(Share(owner.Encoder.Embedding));
            Decoder = owner.Decoder.With(Share(owner.Decoder.Embedding));
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

    /// <summary>Bytes of the weights in the backend's memory; 0: they are another's.</summary>
    public long WeightBytes => _loader?.Bytes ?? 0;

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        _loader?.Dispose();
        foreach (PositionTable table in _positions) table.Dispose();
        _positions.Clear();
    }

    private WeightLoader Weights => _loader!;

    // A read waits for all that was written before.
    private void AwaitWeights()
    {
        Tensor any = Backend.Allocate(new Shape(1, 1), DType.Float32);
        Backend.Read(any, stackalloc float[1]);
        Backend.Free(any);
    }

    private TokenEmbedding Share(TokenEmbedding embedding)
    {
        PositionTable positions = embedding.Positions.Over(Backend);
        _positions.Add(positions);
        return embedding.With(positions);
    }

    private Encoder BuildEncoder()
    {
        StackConfig stack = Config.Encoder;
        var layers = new EncoderLayer[stack.Layers];
        for (int i = 0; i < layers.Length; i++)
        {
            string name = $"encoder.layers.{i}";
            layers[i] = new EncoderLayer(
                Mixing(stack, name, i, isCausal: false), MixingNorm(stack, name), FeedForward(stack, name),
                FeedForwardNorm(stack, name));
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
                Mixing(stack, name, i, isCausal: true), MixingNorm(stack, name),
                Attention(stack, $"{name}.cross_attention", AttentionMask.None, Weights.Linear($"{name}.cross_attention.query")),
                Weights.Norm($"{name}.cross_attention_norm", stack),
                FeedForward(stack, name), FeedForwardNorm(stack, name));
        }

        int alignmentLayer = Config.AlignmentLayer < 0 ? stack.Layers + Config.AlignmentLayer : Config.AlignmentLayer;
        int alignmentHeads = Config.AlignmentHeads == 0 ? stack.Attention.Heads : Config.AlignmentHeads;
        return new Decoder(
            Embedding("decoder", stack), layers, FinalNorm("decoder", stack), stack.PreNorm, Weights.Linear(memory),
            Weights.Output("output"), alignmentLayer, alignmentHeads);
    }

    private TokenEmbedding Embedding(string side, StackConfig stack)
    {
        PositionTable positions = stack.Positions.Kind == PositionKind.Learned
            ? new PositionTable(Backend, Weights.Release(Weights.Table($"{side}.positions.weight")))
            : new PositionTable(Backend, stack.Positions, Config.ModelDim);
        _positions.Add(positions);
        NormWeights? norm = stack.EmbeddingNorm ? Weights.Norm($"{side}.embedding_norm", stack) : null;
        float scale = stack.EmbeddingScale ?? MathF.Sqrt(Config.ModelDim);
        return new TokenEmbedding(Weights.Matrix($"{side}.embedding.weight"), scale, positions, norm);
    }

    private MixingLayer Mixing(StackConfig stack, string layer, int index, bool isCausal)
    {
        MixingConfig mixing = stack.Mixing;
        string name = $"{layer}.mixing";
        Taps taps = isCausal
            ? Taps.Causal(mixing.Kernel, mixing.DilationOf(index))
            : Taps.Centered(mixing.Kernel, mixing.DilationOf(index));
        return mixing.Kind switch
        {
            MixingKind.Attention => SelfAttention(stack, layer, isCausal),
            MixingKind.Convolution => new ConvolutionLayer(taps, Weights.Linear($"{name}.filter")),
            MixingKind.SeparableConvolution => new SeparableConvolutionLayer(
                taps, Weights.Table($"{name}.depthwise.weight"),
                Weights.Has($"{name}.depthwise.bias") ? Weights.Vector($"{name}.depthwise.bias") : Tensor.None,
                Weights.Linear($"{name}.pointwise")),
            _ => new RecurrentLayer(mixing.Kind.Cell(), Weights.Linear($"{name}.input"), Weights.Linear($"{name}.hidden")),
        };
    }

    private NormWeights MixingNorm(StackConfig stack, string layer) => Weights.Norm(
        stack.Mixing.Kind == MixingKind.Attention ? $"{layer}.self_attention_norm" : $"{layer}.mixing_norm", stack);

    private AttentionLayer SelfAttention(StackConfig stack, string layer, bool isCausal)
    {
        string name = $"{layer}.self_attention";
        AttentionMask mask = Mask(stack.Attention);
        return Attention(
            stack, name, isCausal ? mask.AndCausal() : mask, Weights.Linear($"{name}.query", $"{name}.key", $"{name}.value"),
            isCausal ? 0 : stack.Attention.Group ?? 0);
    }

    private AttentionLayer Attention(StackConfig stack, string name, AttentionMask mask, LinearWeights input, int group = 0)
    {
        AttentionConfig attention = stack.Attention;
        LinearWeights output = Weights.Linear($"{name}.output");
        bool additive = attention.Kind == AttentionKind.Additive;
        float scale = attention.Scale ?? (additive ? 1f : 1f / MathF.Sqrt(attention.HeadDim));
        var spec = new AttentionSpec(attention.Heads, scale, mask);
        return additive
            ? new AdditiveAttention(spec, attention.HeadDim, input, output, Weights.Vector($"{name}.score.weight"), group)
            : new MultiHeadAttention(spec, attention.HeadDim, input, output, group);
    }

    private FeedForward? FeedForward(StackConfig stack, string layer)
    {
        if (stack.HiddenDim == 0) return null;
        LinearWeights? gate = stack.Gated ? Weights.Linear($"{layer}.feed_forward.gate") : null;
        return new FeedForward(
            Weights.Linear($"{layer}.feed_forward.up"), gate, Weights.Linear($"{layer}.feed_forward.down"), stack.Activation);
    }

    private NormWeights FeedForwardNorm(StackConfig stack, string layer) =>
        stack.HiddenDim == 0 ? default : Weights.Norm($"{layer}.feed_forward_norm", stack);

    private NormWeights? FinalNorm(string side, StackConfig stack) =>
        stack.FinalNorm ? Weights.Norm($"{side}.final_norm", stack) : null;

    private static AttentionMask Mask(AttentionConfig attention) => AttentionMask.Window(
        attention.WindowLeft ?? AttentionMask.Unlimited, attention.WindowRight ?? AttentionMask.Unlimited);
}
