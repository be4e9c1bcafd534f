// Training against PyTorch: gradients of a whole Transformer, cross-entropy with label smoothing, steps of Adam.
using System.Globalization;
using System.Text.Json;
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Text;
using Xunit;

namespace Engine.Tests.Training;

public sealed class TorchTrainingTests : IDisposable
{
    private const int Dim = 4, Hidden = 16;

    // PyTorch computes in float32.
    private const double Relative = 1e-5;


    private static readonly string[] InProjection = ["query", "key", "value"];

    private static readonly string[] AfterLastAttention =
        ["decoder.layers.1.norm2", "decoder.layers.1.linear", "decoder.layers.1.norm3", "decoder.norm"];

    // The first elements of these belong to queries. Where one key has nearly all the weight, dP − Σ P ∘ dP is a difference of equal
    // numbers within one operator: what PyTorch has there, 1e-14 to 1e-8, is its own rounding, and no rounding of inputs shows it.
    // Keys and values are in the norm with them.
    private static readonly string[] Cancelled =
    [
        "encoder.layers.1.self_attn.in_proj_weight", "encoder.layers.1.self_attn.in_proj_bias",
        "decoder.layers.0.multihead_attn.in_proj_weight", "decoder.layers.0.multihead_attn.in_proj_bias",
        "decoder.layers.1.self_attn.in_proj_weight", "decoder.layers.1.self_attn.in_proj_bias",
        "decoder.layers.1.multihead_attn.in_proj_weight", "decoder.layers.1.multihead_attn.in_proj_bias",
    ];

    private readonly JsonDocument _torch = JsonDocument.Parse(File.ReadAllText(TestData.Find("layers/torch_reference.json")));

    // Gradients shrink at every norm, where numbers near each other are subtracted, and what was rounded before is there in full: from
    // 0.4 at the last norm to 2e-8 in the first layer. So each parameter has its own bound: how far rounding may carry its gradient.
    // It is a thousandth at most, and a graph that is wired wrong is wrong by tenths. Behind the last attention float32 is good to 1e-5.
    [Fact]
    public void A_whole_Transformer_has_the_gradients_of_PyTorch()
    {
        JsonElement cases = _torch.RootElement.GetProperty("transformer_2x2");
        using ModelData model = Model(cases);
        using var graph = new TrainingGraph(model);
        Dictionary<string, double[]> found = Gradients(graph, cases);
        Dictionary<string, double[]> noise = Noise(graph, cases, found);
        JsonElement norms = cases.GetProperty("grad_norms"), samples = cases.GetProperty("grad_sample");
        Assert.Equal(64, norms.EnumerateObject().Count());
        foreach (JsonProperty parameter in norms.EnumerateObject())
        {
            double[] gradient = found[parameter.Name], floor = noise[parameter.Name];
            double norm = CentralDifferences.Norm(gradient), bound = CentralDifferences.Norm(floor) + (ErrorBound.UnitRoundoff * norm);
            AssertNear($"{parameter.Name}, norm", norm, parameter.Value.GetDouble(), bound);

            bool isStrict = AfterLastAttention.Any(name => parameter.Name.StartsWith(name, StringComparison.Ordinal));
            Assert.InRange(bound, 0, 1e-2 * norm);
            if (isStrict) AssertNear($"{parameter.Name}, norm", norm, parameter.Value.GetDouble(), Relative * norm);
            if (Cancelled.Contains(parameter.Name)) continue;
            int i = 0;
            foreach (JsonElement sample in samples.GetProperty(parameter.Name).EnumerateArray())
            {
                double allowed = floor[i] + (ErrorBound.UnitRoundoff * Math.Abs(gradient[i]));
                AssertNear($"{parameter.Name}, element {i}", gradient[i], sample.GetDouble(), isStrict ? Math.Min(allowed, Relative * norm) : allowed);
                i++;
            }
        }
    }

    [Fact]
    public void Cross_entropy_with_label_smoothing_is_that_of_PyTorch()
    {
        JsonElement cases = _torch.RootElement.GetProperty("ce_ls");
        float[] logits = [.. cases.GetProperty("logits").EnumerateArray().SelectMany(static row => row.EnumerateArray().Select(static v => v.GetSingle()))];
        int[] targets = [.. cases.GetProperty("target").EnumerateArray().Select(static v => v.GetInt32())];
        foreach ((string name, int[] counted) in new[]
        {
            ("mean_all", targets), ("ignore_index0", [.. targets.Select(static target => target == 0 ? -1 : target)]),
        })
        {
            foreach (JsonProperty smoothing in cases.GetProperty(name).EnumerateObject())
            {
                using var backend = new ReferenceBackend();
                backend.BeginFrame();
                Tensor rows = backend.Rent(new Shape(targets.Length, logits.Length / targets.Length), DType.Float32);
                Tensor ids = backend.Rent(new Shape(1, targets.Length), DType.Int32);
                backend.Write(rows, logits);
                backend.Write(ids, counted);
                Tensor losses = backend.CrossEntropy(rows, ids, float.Parse(smoothing.Name, CultureInfo.InvariantCulture), 1);
                double mean = backend.ReadDoubles(losses.ColumnRange(0, 1)).Sum() / counted.Count(static target => target >= 0);
                AssertNear($"{name} {smoothing.Name}", mean, smoothing.Value.GetDouble(), Relative * mean);
            }
        }
    }

    [Fact]
    public void Five_steps_of_Adam_are_those_of_PyTorch()
    {
        JsonProperty steps = _torch.RootElement.EnumerateObject().Single(static property => property.Name.StartsWith("adam_0.1_0.9_0.98_1e-9", StringComparison.Ordinal));
        using var backend = new ReferenceBackend();
        backend.BeginFrame();
        Tensor Rent(params double[] values)
        {
            Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Float32);
            backend.WriteDoubles(tensor, values);
            return tensor;
        }

        Tensor x = Rent(1, -2, 3), m = Rent(0, 0, 0), v = Rent(0, 0, 0);
        int step = 0;
        foreach (JsonElement expected in steps.Value.EnumerateArray())
        {
            step++;
            Tensor gradient = Rent([.. backend.ReadDoubles(x).Select(static p => 2 * p)]);   // of Σ c p², with any c
            backend.AdamStep(x, gradient, m, v, new AdamStep(
                0.1f, 0.9f, 0.98f, 1e-9f, 0, (float)(1 - Math.Pow(0.9, step)), (float)(1 - Math.Pow(0.98, step)), 1));
            double[] found = backend.ReadDoubles(x);
            for (int i = 0; i < found.Length; i++)
                AssertNear($"step {step}, element {i}", found[i], expected[i].GetDouble(), Relative * Math.Abs(found[i]));
        }

        Assert.Equal(5, step);
    }

    public void Dispose() => _torch.Dispose();

    private static void AssertNear(string what, double found, double torch, double bound) => Assert.True(
        Math.Abs(found - torch) <= bound, $"{what}: {found:G9}, PyTorch has {torch:G9}, which is {Math.Abs(found - torch):G3} off, expected at most {bound:G3}");

    // How far each element of the gradients moves when every operator is as wrong as float32 may make it, see
    // ReferenceBackend.InputError: γ(18), as the longest sum is of 16 products and a bias. The largest of a hundred draws, so that a
    // float32 machine, whose sums are rather √n than n roundings wrong, is beyond it hardly ever.
    private static Dictionary<string, double[]> Noise(TrainingGraph graph, JsonElement cases, Dictionary<string, double[]> exact)
    {
        const int Draws = 100;
        var random = new Random(1);
        double gamma = ErrorBound.Gamma(Hidden + 2);
        Dictionary<string, double[]> noise = exact.ToDictionary(static pair => pair.Key, static pair => new double[pair.Value.Length]);
        graph.Backend.InputError = () => gamma * ((2 * random.NextDouble()) - 1);
        for (int draw = 0; draw < Draws; draw++)
        {
            foreach ((string name, double[] gradient) in Gradients(graph, cases))
            {
                for (int i = 0; i < gradient.Length; i++)
                    noise[name][i] = Math.Max(noise[name][i], Math.Abs(gradient[i] - exact[name][i]));
            }
        }

        graph.Backend.InputError = null;
        return noise;
    }

    // By PyTorch's names, of the loss Σ out · cos(flat index), out being [position][batch][width].
    private static Dictionary<string, double[]> Gradients(TrainingGraph graph, JsonElement cases)
    {
        bool[][] mask = Mask(cases);
        int targets = cases.GetProperty("tgt").GetArrayLength(), sentences = mask.Length, next = 0;
        var batch = new Batch(
            [.. mask.Select(row => row.Where(static ignored => !ignored).Select(_ => next++).ToArray())],
            [.. Enumerable.Range(0, sentences).Select(s => Enumerable.Range(s * targets, targets).ToArray())], []);
        double[] weights = [.. Enumerable.Range(0, sentences * targets * Dim).Select(i =>
        {
            (int row, int column) = (i / Dim, i % Dim);
            (int sentence, int position) = (row / targets, row % targets);
            return Math.Cos((((position * sentences) + sentence) * Dim) + column);
        })];
        graph.Backend.Clear(graph.Parameters.Gradients);
        graph.InFrame(() =>
        {
            Tensor y = graph.Record(batch), dy = graph.Tape.Rent(y.Shape, DType.Float32);
            graph.Backend.WriteDoubles(dy, weights);
            graph.Tape.Backward(y, dy);
            return true;
        });
        double[] all = graph.Gradients();
        Dictionary<string, double[]> own = graph.Parameters.Places.ToDictionary(
            static place => place.Name, place => all[place.Start..(place.Start + (int)place.Shape.Count)]);
        return cases.GetProperty("grad_norms").EnumerateObject().ToDictionary(
            static parameter => parameter.Name, parameter => OwnNames(parameter.Name).SelectMany(name => own[name]).ToArray());
    }

    private static bool[][] Mask(JsonElement cases) =>
        [.. cases.GetProperty("mask").EnumerateArray().Select(static row => row.EnumerateArray().Select(static m => m.GetBoolean()).ToArray())];

    // PyTorch's names to ours; its in_proj is query, key and value, one under the other.
    private static string[] OwnNames(string torch)
    {
        string[] parts = torch.Split('.');
        string side = parts[0], kind = parts[^1].EndsWith("weight", StringComparison.Ordinal) ? "weight" : "bias";
        if (parts[1] == "norm") return [$"{side}.final_norm.{kind}"];
        string layer = $"{side}.layers.{parts[2]}";
        string attention = parts[3] == "self_attn" ? "self_attention" : "cross_attention";
        return parts[3] switch
        {
            "self_attn" or "multihead_attn" => parts[4] == "out_proj"
                ? [$"{layer}.{attention}.output.{kind}"]
                : [.. InProjection.Select(part => $"{layer}.{attention}.{part}.{kind}")],
            "linear1" => [$"{layer}.feed_forward.up.{kind}"],
            "linear2" => [$"{layer}.feed_forward.down.{kind}"],
            "norm1" => [$"{layer}.self_attention_norm.{kind}"],
            "norm2" when side == "decoder" => [$"{layer}.cross_attention_norm.{kind}"],
            _ => [$"{layer}.feed_forward_norm.{kind}"],
        };
    }

    // Embeddings that hold the input vectors, an output layer that changes nothing, every parameter cos(0), cos(1), ...
    private static ModelData Model(JsonElement cases)
    {
        float[] source = Vectors(cases.GetProperty("src"), Mask(cases)), target = Vectors(cases.GetProperty("tgt"), null);
        var stack = new StackConfig
        {
            Layers = 2, HiddenDim = Hidden, Attention = new AttentionConfig { Heads = 2, HeadDim = Dim / 2 }, FinalNorm = true,
            EmbeddingScale = 1, Positions = new PositionConfig { Kind = PositionKind.None },
        };
        var config = new TransformerConfig
        {
            ModelDim = Dim, SourceVocabulary = source.Length / Dim, TargetVocabulary = target.Length / Dim, Encoder = stack, Decoder = stack,
        };
        var tensors = new Dictionary<string, HostTensor>();
        void Add(string name, int rows, float[] values) =>
            tensors.Add(name, HostTensor.FromValues(name, new Shape(rows, values.Length / rows), values));
        foreach (JsonProperty parameter in cases.GetProperty("grad_norms").EnumerateObject())
        {
            string[] names = OwnNames(parameter.Name);
            (int rows, int columns) = parameter.Name.Split('.')[^1] switch
            {
                "in_proj_weight" => (3 * Dim, Dim),
                "in_proj_bias" => (1, 3 * Dim),
                "weight" when parameter.Name.Contains("linear1") => (Hidden, Dim),
                "weight" when parameter.Name.Contains("linear2") => (Dim, Hidden),
                "weight" when parameter.Name.Contains("out_proj") => (Dim, Dim),
                "bias" when parameter.Name.Contains("linear1") => (1, Hidden),
                _ => (1, Dim),
            };
            float[] values = [.. Enumerable.Range(0, rows * columns).Select(static i => (float)Math.Cos(i))];
            int part = values.Length / names.Length;
            for (int i = 0; i < names.Length; i++) Add(names[i], Math.Max(1, rows / names.Length), values[(i * part)..((i + 1) * part)]);
        }

        Add("encoder.embedding.weight", source.Length / Dim, source);
        Add("decoder.embedding.weight", target.Length / Dim, target);
        Add("output.weight", Dim, [.. Enumerable.Range(0, Dim * Dim).Select(static i => i % (Dim + 1) == 0 ? 1f : 0)]);
        var none = new Vocabulary(["<unk>"], "<unk>");
        return new ModelData
        {
            Path = "PyTorch", Format = "PyTorch", Config = config, Tensors = tensors, SourceVocabulary = none, TargetVocabulary = none,
            Tokens = new SpecialTokens(), Tokenizer = "space",
        };
    }

    // [position][batch][width] to rows, sentence by sentence, without those that are masked.
    private static float[] Vectors(JsonElement element, bool[][]? mask)
    {
        float[][][] steps = [.. element.EnumerateArray().Select(static step =>
            step.EnumerateArray().Select(static row => row.EnumerateArray().Select(static v => v.GetSingle()).ToArray()).ToArray())];
        return [.. Enumerable.Range(0, steps[0].Length).SelectMany(s =>
            steps.Where((_, position) => mask is null || !mask[s][position]).SelectMany(step => step[s]))];
    }
}
