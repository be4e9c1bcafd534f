// The layers that mix positions against PyTorch's: what they give, and their gradients by the input and by every parameter. Linked into the
// test project of each backend.
using System.Text.Json;
using Engine.Backends;
using Engine.Formats;
using Engine.Layers;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Training;
using Xunit;

namespace Engine.ModelCases;

/// <summary>Layers on any backend that trains. A backend's tests inherit this and say how it is made.</summary>
public abstract class MixingParity : IDisposable
{
    private const int Dim = 6, Heads = 2, Taps = 3;

    private readonly JsonDocument _torch = JsonDocument.Parse(File.ReadAllText(TestData.Find("layers/torch_mixing.json")));
    private ITrainingBackend? _backend;

    public static TheoryData<string> Cases =>
    [
        "recurrent", "lstm", "gru", "convolution", "convolution, dilated", "convolution, causal", "separable", "separable, causal", "attention",
        "attention, causal", "attention, window", "attention, groups", "additive", "additive, window",
    ];

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract ITrainingBackend Open();

    [Theory, MemberData(nameof(Cases))]
    public void A_layer_gives_the_values_and_gradients_of_PyTorch(string name)
    {
        JsonElement one = _torch.RootElement.GetProperty("cases").GetProperty(name);
        int[] lengths = [.. _torch.RootElement.GetProperty("lengths").EnumerateArray().Select(static item => item.GetInt32())];
        bool isCausal = name.EndsWith("causal", StringComparison.Ordinal);
        using ModelData model = Model(name, one.GetProperty("parameters"), isCausal);
        Tape? tape = null;
        using Parameters parameters = Parameters.Load(Backend, own => tape = new Tape(Backend, own), model, out Transformer graph);
        using Transformer owned = graph;

        // The dilated layer is the second of its stack, the first having a dilation of one.
        MixingLayer layer = isCausal ? graph.Decoder.Layers[^1].Mixing : graph.Encoder.Layers[^1].Mixing;
        parameters.Refresh();
        Backend.Clear(parameters.Gradients);
        Backend.BeginFrame();
        Tensor x = Put(Numbers(one, "x")), dy = Put(Numbers(one, "dy"));
        Ragged batch = Ragged.Create(Backend, lengths);
        tape!.Record(default, 0);
        Tensor y = layer.Self(tape, x, batch);
        AssertNear("y", Numbers(one, "y"), Read(tape.Real(y)));
        tape.Backward(y, dy);
        AssertNear("dx", Numbers(one, "dx"), Read(tape.GradientOf(x)));
        float[] gradients = Read(parameters.Gradients);
        foreach (JsonProperty parameter in one.GetProperty("parameters").EnumerateObject())
        {
            string full = Prefix(name, isCausal) + parameter.Name;
            var (_, start, shape) = parameters.Places.Single(place => place.Name == full);
            AssertNear(full, Numbers(parameter.Value, "gradient"), gradients.AsSpan(start, (int)shape.Count));
        }

        tape.Forget();
        Backend.EndFrame();
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes of the backend.</summary>
    protected virtual void Dispose(bool disposing)
    {
        _backend?.Dispose();
        _torch.Dispose();
    }

    private ITrainingBackend Backend => _backend ??= Open();

    // A model of which only one layer is run; its other numbers do not matter.
    private static ModelData Model(string name, JsonElement values, bool isCausal)
    {
        string kind = name.Split(',')[0];
        int dilation = name is "convolution, dilated" or "convolution, causal" or "separable, causal" ? 2 : 1;
        TransformerConfig config = RandomModel.Config(Dim, Heads, 4, dilation == 1 ? 1 : 2, 8, stack => stack with
        {
            Mixing = new MixingConfig
            {
                Kernel = Taps,
                Dilation = dilation,
                Kind = kind switch
                {
                    "recurrent" => MixingKind.Recurrent,
                    "lstm" => MixingKind.Lstm,
                    "gru" => MixingKind.Gru,
                    "convolution" => MixingKind.Convolution,
                    "separable" => MixingKind.SeparableConvolution,
                    _ => MixingKind.Attention,
                },
            },
            Attention = stack.Attention with
            {
                Kind = kind == "additive" ? AttentionKind.Additive : AttentionKind.DotProduct,
                WindowLeft = name switch { "attention, window" => 2, "additive, window" => 1, _ => null },
                WindowRight = name is "attention, window" or "additive, window" ? 1 : null,
                Group = name == "attention, groups" ? 3 : null,
            },
        });
        ModelData random = RandomModel.Create(config);
        var tensors = new Dictionary<string, HostTensor>(random.Tensors);
        foreach (JsonProperty parameter in values.EnumerateObject())
        {
            string full = Prefix(name, isCausal) + parameter.Name;
            Shape shape = tensors.TryGetValue(full, out HostTensor? old) ? old.Shape : throw new InvalidDataException(full);
            tensors[full] = HostTensor.FromValues(full, shape, Numbers(parameter.Value, "value"));
        }

        return random.With(tensors);
    }

    private static string Prefix(string name, bool isCausal)
    {
        bool isAttention = name[0] == 'a';
        int layer = name is "convolution, dilated" or "convolution, causal" or "separable, causal" ? 1 : 0;
        return $"{(isCausal ? "decoder" : "encoder")}.layers.{layer}.{(isAttention ? "self_attention" : "mixing")}.";
    }

    // Sums of at most a few dozen terms near 1, through at most seven steps: some hundred roundings of 6e-8.
    private static void AssertNear(string what, float[] expected, ReadOnlySpan<float> found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            float allowed = 1e-5f * (1 + Math.Abs(expected[i]));
            Assert.True(Math.Abs(found[i] - expected[i]) <= allowed, $"{what}: element {i} is {found[i]}, expected {expected[i]}");
        }
    }

    private Tensor Put(float[] values)
    {
        Tensor tensor = Backend.Rent(new Shape(values.Length / Dim, Dim), DType.Float32);
        Backend.Write(tensor, values);
        return tensor;
    }

    private float[] Read(in Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        Backend.Read(tensor, values);
        return values;
    }

    private static float[] Numbers(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(static item => item.GetSingle())];
}
