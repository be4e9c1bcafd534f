// The layers against PyTorch's: one encoder layer, one decoder layer and a whole Transformer with parameters cos(0), cos(1), ...
// Linked into the test project of each backend.
using System.Text.Json;
using Engine.Backends;
using Engine.Layers;
using Engine.Models;
using Engine.Tensors;
using Xunit;

namespace Engine.ModelCases;

/// <summary>What layers give on any backend. A backend's tests inherit this and say how it is made.</summary>
public abstract class LayerParity : IDisposable
{
    private const int Dim = 4, Heads = 2, Hidden = 16;

    private readonly JsonDocument _torch = JsonDocument.Parse(File.ReadAllText(TestData.Find("layers/torch_reference.json")));
    private readonly List<IDisposable> _owned = [];
    private IBackend? _opened;

    public static TheoryData<string, bool> Variants =>
        new() { { "relu", false }, { "relu", true }, { "gelu", false }, { "gelu", true } };

    private IBackend Backend => _opened ??= Open();

    [Theory, MemberData(nameof(Variants))]
    public void An_encoder_layer_gives_the_values_of_PyTorch(string activation, bool preNorm)
    {
        JsonElement cases = _torch.RootElement.GetProperty($"enc_{activation}_{(preNorm ? "pre" : "post")}");
        foreach (int number in new[] { 1, 2, 3 })
        {
            float[][][] input = Sequences(cases.GetProperty($"in{number}"));
            Compare(Sequences(cases.GetProperty($"out{number}")), Encode(input, activation, preNorm), keep: null);
        }
    }

    // What PyTorch masks is not in our batch at all; the layer has no positions, so the rest is the same sentence without it.
    [Theory, MemberData(nameof(Variants))]
    public void A_masked_position_is_as_if_absent(string activation, bool preNorm)
    {
        JsonElement cases = _torch.RootElement.GetProperty($"enc_{activation}_{(preNorm ? "pre" : "post")}");
        bool[][] keep = Kept(cases.GetProperty("mask3"));
        float[][][] input = Sequences(cases.GetProperty("in3"));
        Compare(Sequences(cases.GetProperty("out3_masked")), Encode(Without(input, keep), activation, preNorm), keep);
        bool[][] first = [[true, false]];
        input = Sequences(cases.GetProperty("in2"));
        Compare(Sequences(cases.GetProperty("out2_mask10")), Encode(Without(input, first), activation, preNorm), first);
    }

    [Theory, MemberData(nameof(Variants))]
    public void A_decoder_layer_gives_the_values_of_PyTorch(string activation, bool preNorm)
    {
        JsonElement cases = _torch.RootElement.GetProperty($"dec_{activation}_{(preNorm ? "pre" : "post")}");
        foreach (int number in new[] { 1, 2 })
        {
            float[][][] target = Sequences(cases.GetProperty($"tgt{number}")), memory = Sequences(cases.GetProperty($"mem{number}"));
            float[][][] found = Decode(target, memory, activation, preNorm, AttentionMask.None);
            Compare(Sequences(cases.GetProperty($"out{number}")), found, keep: null);
        }

        float[][][] tgt3 = Sequences(cases.GetProperty("tgt3")), mem3 = Sequences(cases.GetProperty("mem3"));
        float[][][] causal = Decode(tgt3, mem3, activation, preNorm, AttentionMask.Causal);
        Compare(Sequences(cases.GetProperty("out3_causal")), causal, keep: null);
        bool[][] keep = Kept(cases.GetProperty("memmask3"));
        float[][][] masked = Decode(tgt3, Without(mem3, keep), activation, preNorm, AttentionMask.Causal);
        Compare(Sequences(cases.GetProperty("out3_causal_memmask")), masked, keep: null);
    }

    [Fact]
    public void A_whole_Transformer_gives_the_values_of_PyTorch()
    {
        JsonElement cases = _torch.RootElement.GetProperty("transformer_2x2");
        bool[][] keep = Kept(cases.GetProperty("mask"));
        float[][][] source = Without(Sequences(cases.GetProperty("src")), keep), target = Sequences(cases.GetProperty("tgt"));
        NormWeights norm = Norm();
        var encoder = new Encoder(
            Embedding(source), [EncoderLayer("relu"), EncoderLayer("relu")], norm, preNorm: false);
        var decoder = new Decoder(
            Embedding(target), [DecoderLayer("relu", AttentionMask.Causal), DecoderLayer("relu", AttentionMask.Causal)], norm,
            preNorm: false, CrossMemory(layers: 2), Identity(), 1, 1);
        Backend.BeginFrame();
        (Tensor ids, Tensor positions, Ragged sources) = Batch(source);
        Tensor memory = encoder.Forward(Backend, ids, positions, sources);
        (ids, positions, Ragged targets) = Batch(target);
        Tensor found = decoder.Forward(Backend, ids, positions, targets, memory, sources);
        Compare(Sequences(cases.GetProperty("out")), Cut(found, target), keep: null);
        Backend.EndFrame();
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract IBackend Open();

    /// <summary>Disposes of the backend.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
        _opened?.Dispose();
        _torch.Dispose();
    }

    private float[][][] Encode(float[][][] input, string activation, bool preNorm)
    {
        var encoder = new Encoder(Embedding(input), [EncoderLayer(activation)], null, preNorm);
        Backend.BeginFrame();
        (Tensor ids, Tensor positions, Ragged batch) = Batch(input);
        float[][][] output = Cut(encoder.Forward(Backend, ids, positions, batch), input);
        Backend.EndFrame();
        return output;
    }

    private float[][][] Decode(float[][][] target, float[][][] memory, string activation, bool preNorm, AttentionMask mask)
    {
        var decoder = new Decoder(
            Embedding(target), [DecoderLayer(activation, mask)], null, preNorm, CrossMemory(layers: 1), Identity(), 0, 1);
        Backend.BeginFrame();
        Ragged sources = Ragged.Create(Backend, [.. memory.Select(static sentence => sentence.Length)]);
        Tensor encoded = Backend.Rent(new Shape(sources.Rows, Dim), DType.Float32);
        Backend.Write(encoded, memory.SelectMany(static sentence => sentence.SelectMany(static row => row)).ToArray());
        (Tensor ids, Tensor positions, Ragged targets) = Batch(target);
        float[][][] output = Cut(decoder.Forward(Backend, ids, positions, targets, encoded, sources), target);
        Backend.EndFrame();
        return output;
    }

    private EncoderLayer EncoderLayer(string activation) =>
        new(SelfAttention(AttentionMask.None), Norm(), FeedForward(activation), Norm());

    private DecoderLayer DecoderLayer(string activation, AttentionMask mask) => new(
        SelfAttention(mask), Norm(),
        new MultiHeadAttention(Spec(AttentionMask.None), Dim / Heads, Linear(Matrix(3 * Dim, Dim).RowRange(0, Dim), Vector(3 * Dim)[..Dim]), Output()),
        Norm(), FeedForward(activation), Norm());

    private MultiHeadAttention SelfAttention(AttentionMask mask) =>
        new(Spec(mask), Dim / Heads, Linear(Matrix(3 * Dim, Dim), Vector(3 * Dim)), Output());

    private FeedForward FeedForward(string activation) => new(
        Linear(Matrix(Hidden, Dim), Vector(Hidden)), null, Linear(Matrix(Dim, Hidden), Vector(Dim)),
        activation == "relu" ? Activation.Relu : Activation.Gelu);

    private LinearWeights Output() => Linear(Matrix(Dim, Dim), Vector(Dim));

    // Keys and values of every decoder layer: rows d .. 3d − 1 of its in_proj_weight.
    private LinearWeights CrossMemory(int layers)
    {
        HostTensor one = Matrix(3 * Dim, Dim).RowRange(Dim, 2 * Dim);
        float[] bias = Vector(3 * Dim)[Dim..];
        return Linear([.. Enumerable.Repeat(one, layers)], [.. Enumerable.Repeat(bias, layers).SelectMany(static b => b)]);
    }

    private LinearWeights Identity()
    {
        var values = new float[Dim * Dim];
        for (int i = 0; i < Dim; i++) values[i * (Dim + 1)] = 1;
        return new LinearWeights(Own(Backend.Pack([HostTensor.FromValues("identity", new Shape(Dim, Dim), values)])), Tensor.None);
    }

    private TokenEmbedding Embedding(float[][][] sentences)
    {
        float[] rows = [.. sentences.SelectMany(static sentence => sentence.SelectMany(static row => row))];
        Weight table = Own(Backend.Pack([HostTensor.FromValues("rows", new Shape(rows.Length / Dim, Dim), rows)]));
        return new TokenEmbedding(table, 1, new PositionTable(Backend, new PositionConfig { Kind = PositionKind.None }, Dim), null);
    }

    private (Tensor Ids, Tensor Positions, Ragged Batch) Batch(float[][][] sentences)
    {
        Ragged batch = Ragged.Create(Backend, [.. sentences.Select(static sentence => sentence.Length)]);
        Tensor ids = Backend.Rent(new Shape(1, batch.Rows), DType.Int32);
        Backend.Write(ids, Enumerable.Range(0, batch.Rows).ToArray());
        Tensor positions = Backend.Rent(new Shape(1, batch.Rows), DType.Int32);
        Backend.Write(positions, new int[batch.Rows]);
        return (ids, positions, batch);
    }

    private float[][][] Cut(Tensor rows, float[][][] like)
    {
        var values = new float[rows.Shape.Count];
        Backend.Read(rows, values);
        int next = 0;
        return [.. like.Select(sentence => sentence.Select(_ => values[(Dim * next)..(Dim * ++next)]).ToArray())];
    }

    private NormWeights Norm() => new(Place(Vector(Dim)), Place(Vector(Dim)), 1e-5f);

    private LinearWeights Linear(HostTensor weight, float[] bias) => Linear([weight], bias);

    private LinearWeights Linear(HostTensor[] weights, float[] bias) => new(Own(Backend.Pack(weights)), Place(bias));

    private Tensor Place(float[] values)
    {
        Tensor tensor = Backend.Allocate(new Shape(1, values.Length), DType.Float32);
        Backend.Write(tensor, values);
        return tensor;
    }

    private Weight Own(Weight weight)
    {
        _owned.Add(weight);
        return weight;
    }

    private static AttentionSpec Spec(AttentionMask mask) => new(Heads, 1f / MathF.Sqrt(Dim / Heads), mask);

    private static float[] Vector(int count) => [.. Enumerable.Range(0, count).Select(static i => (float)Math.Cos(i))];

    private static HostTensor Matrix(int rows, int columns) =>
        HostTensor.FromValues("cos", new Shape(rows, columns), Vector(rows * columns));

    // [time][batch][4] to [batch][time][4].
    private static float[][][] Sequences(JsonElement element)
    {
        float[][][] steps = [.. element.EnumerateArray().Select(static step =>
            step.EnumerateArray().Select(static row => row.EnumerateArray().Select(static v => v.GetSingle()).ToArray()).ToArray())];
        return [.. Enumerable.Range(0, steps[0].Length).Select(b => steps.Select(step => step[b]).ToArray())];
    }

    private static bool[][] Kept(JsonElement mask) =>
        [.. mask.EnumerateArray().Select(static row => row.EnumerateArray().Select(static m => !m.GetBoolean()).ToArray())];

    private static float[][][] Without(float[][][] sentences, bool[][] keep) =>
        [.. sentences.Select((sentence, s) => sentence.Where((_, i) => keep[s][i]).ToArray())];

    // PyTorch computes in float32 too: 1e-5 of the value, or of 1.
    private static void Compare(float[][][] expected, float[][][] found, bool[][]? keep)
    {
        if (keep is not null) expected = Without(expected, keep);
        Assert.Equal(expected.Length, found.Length);
        for (int s = 0; s < expected.Length; s++)
        {
            Assert.Equal(expected[s].Length, found[s].Length);
            for (int i = 0; i < expected[s].Length; i++)
            {
                for (int c = 0; c < Dim; c++)
                    Assert.InRange(Math.Abs(expected[s][i][c] - found[s][i][c]), 0, 1e-5 * Math.Max(1, Math.Abs(expected[s][i][c])));
            }
        }
    }
}
