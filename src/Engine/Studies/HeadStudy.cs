// Why many heads: the same width cut in 1 to 16 heads; what each head of a trained model looks at, and what its loss costs.
// Vaswani et al. 2017, 3.2.2; heads taken out one by one as in Michel et al. 2019 and Voita et al. 2019.
using System.Globalization;
using Engine.Decoding;
using Engine.Evaluation;
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;
using static Engine.Studies.StudyCell;

namespace Engine.Studies;

/// <summary>How many heads, and what each is good for.</summary>
public sealed class HeadStudy
{
    private const int Width = 64;   // of the small models

    private static readonly int[] HeadCounts = [1, 2, 4, 8, 16];

    private readonly StudyOptions _options;
    private readonly CancellationToken _cancellation;

    private HeadStudy(StudyOptions options, CancellationToken cancellation) => (_options, _cancellation) = (options, cancellation);

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="input">A trained model with sentences; null: only small models are looked at.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(StudyOptions options, HeadStudyInput? input, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (input is not null && (input.Sources.Count == 0 || input.Sources.Count != input.References.Count))
        {
            throw new ArgumentException(
                $"There are {input.Sources.Count} sentences and {input.References.Count} references, expected as many, and at "
                + "least one.",
                nameof(input));
        }

        if (input is not null && input.Sources.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("One of the sentences is empty, expected words that heads can look at.", nameof(input));
        using ModelData? data = input is null ? null : ModelReader.Open(input.Model);
        if (data is not null) Explainer.Check(data.Config);                    // before the work of minutes, not after it
        var study = new HeadStudy(options, cancellation);
        StudySection numbers = study.Numbers();
        IReadOnlyList<StudySection> sections = input is null || data is null ? [numbers] : [numbers, study.Trained(input, data)];
        return new StudyReport("heads", "How many heads, and what each of them does", options.Conditions, sections);
    }

    /// <summary>A model without one head: what it would add to the output of its attention is nothing.</summary>
    /// <param name="data">The model; it stays open as long as the new one is used.</param>
    /// <param name="name">The attention, as in <c>encoder.layers.0.self_attention</c>.</param>
    /// <param name="head">Which head of it.</param>
    /// <param name="headDim">Its width.</param>
    internal static ModelData Without(ModelData data, string name, int head, int headDim)
    {
        string matrix = $"{name}.output.weight";
        HostTensor output = data.Tensors[matrix];
        float[] values = output.ReadFloats();
        for (int row = 0; row < output.Shape.Rows; row++)
            values.AsSpan((row * output.Shape.Columns) + (head * headDim), headDim).Clear();
        var tensors = new Dictionary<string, HostTensor>(data.Tensors) { [matrix] = HostTensor.FromValues(matrix, output.Shape, values) };
        return data.With(tensors);
    }

    private StudySection Numbers()
    {
        const int Symbols = 5;
        int steps = _options.Quick ? 40 : 800, longest = _options.Quick ? 6 : 12;
        TaskPair[] pairs = SmallTask.Neighbours(new StudyRandom(_options.Seed, 1), _options.Quick ? 500 : 30_000, 2, longest, Symbols);
        TaskPair[] tests = SmallTask.Neighbours(new StudyRandom(_options.Seed, 2), _options.Quick ? 20 : 200, 2, longest, Symbols);
        var comparison = new SmallComparison(_options, pairs, tests, steps);
        (StudyTable table, StudyPlot plot) = comparison.Run(
            "heads", "Loss of training",
            [
                .. HeadCounts.Select(static heads => new Variant(
                    $"{heads} of {Width / heads}", $"model.modelDim={Width}", $"model.heads={heads}")),
            ],
            _cancellation);
        return new StudySection(
            "The same width in more heads",
            [
                $"For each place of a sequence of 2 to {longest} symbols out of {Symbols} the answer names the symbol before "
                + "it, its own, and the one after: three places are to be looked at, and kept apart. One head can only take a "
                + "mean of what it looks at.",
                $"One layer of encoder and decoder, {Width} wide, in heads of d_k = {Width} divided by their number, so all "
                + "models have as many weights; "
                + comparison.Describe(),
            ],
            [table], [plot]);
    }

    private StudySection Trained(HeadStudyInput input, ModelData data)
    {
        Head[] heads = [.. AllHeads(data.Config)];
        _options.Say($"translating {input.Sources.Count} sentences with all {heads.Length} heads");
        BleuTokenizer words = data.Tokenizer == Tokenizer.Character.Word ? BleuTokenizer.Characters : BleuTokenizer.V13a;
        (double Bleu, double Loss) whole;
        using (Translator translator = Load(data))
        {
            whole = (Bleu(translator, input, words), Loss(translator, input));
            for (int i = 0; i < input.Sources.Count; i++)
            {
                _cancellation.ThrowIfCancellationRequested();
                Look(translator, input.Sources[i], heads);
            }
        }

        var costs = new (double Bleu, double Loss)[heads.Length];
        for (int i = 0; i < heads.Length; i++)
        {
            _cancellation.ThrowIfCancellationRequested();
            _options.Say($"without {heads[i].Name}, head {heads[i].Number + 1}: {i + 1} of {heads.Length}");
            using Translator translator = Load(Without(data, heads[i].Name, heads[i].Number, heads[i].Width));
            costs[i] = (whole.Bleu - Bleu(translator, input, words), Loss(translator, input) - whole.Loss);
        }

        return Describe(input, heads, whole, costs);
    }

    private static StudySection Describe(
        HeadStudyInput input, Head[] heads, (double Bleu, double Loss) whole, (double Bleu, double Loss)[] costs)
    {
        IReadOnlyList<IReadOnlyList<StudyCell>> rows =
        [
            .. heads.Select((head, i) => (IReadOnlyList<StudyCell>)
            [
                Of(head.Kind), Of(head.Layer + 1), Of(head.Number + 1), Of(costs[i].Bleu), Of(costs[i].Loss),
                head.IsCross ? default : Of(head.Shares.Previous), head.IsCross ? default : Of(head.Shares.Same),
                head.Kind == Head.Encoder ? Of(head.Shares.Next) : default, Of(head.Shares.Edge), Of(head.Shares.Punctuation),
                head.IsCross ? Of(head.Shares.Agreement) : default,
                Of(head.Shares.Describe(head.IsCross, head.Kind == Head.Decoder ? "start token" : "end token")),
            ]),
        ];
        int worst = Array.IndexOf(costs, costs.MaxBy(static cost => cost.Loss));
        int harmless = costs.Count(static cost => cost.Loss < 0.01);
        StudySeries[] series =
        [
            .. heads.Select(static head => head.Kind).Distinct().Select(kind => new StudySeries(kind,
            [
                .. heads.Select((head, i) => (head, i)).Where(pair => pair.head.Kind == kind)
                    .Select((pair, place) => new StudyPoint(place + 1, costs[pair.i].Loss)),
            ])),
        ];
        CultureInfo plain = CultureInfo.InvariantCulture;
        return new StudySection(
            "Heads of a trained model",
            [
                $"The model {Path.GetFileName(Path.TrimEndingDirectorySeparator(input.Model))}, weights as float32, translates "
                + $"{input.Sources.Count} {(input.Sources.Count == 1 ? "sentence" : "sentences")} greedily with BLEU "
                + $"{whole.Bleu.ToString("F2", plain)}; a token of the references has a loss of "
                + $"{whole.Loss.ToString("F3", plain)}. A head is taken out by zeros in its columns of the output projection; "
                + "the others stay as they are, and nothing is learned anew.",
                "The loss is the finer measure: it hears of every token, BLEU only of which of two near answers came first. "
                + $"Of {heads.Length} heads {harmless} cost less than 0.01. The dearest is head {heads[worst].Number + 1} of "
                + $"layer {heads[worst].Layer + 1}, {heads[worst].Kind}: {costs[worst].Loss.ToString("F3", plain)}, and "
                + $"{costs[worst].Bleu.ToString("F2", plain)} BLEU.",
                "Shares are means of a head's weight over all its queries. The edge is the source's end token, or in the "
                + "decoder the start token. A head of the cross attention agrees with the alignment where its largest weight is "
                + "on the token that has the largest mean weight of all the other heads of the cross attention. A head is named "
                + $"after what has more than {HeadShares.Bound.ToString("P0", plain)} of its weight, or of its queries.",
            ],
            [
                new StudyTable(
                    "Each head: what its loss costs, and where it looks",
                    [
                        new("attention"), new("layer", Format: "F0"), new("head", Format: "F0"), new("cost", "BLEU", "F2"),
                        new("cost in loss", "nat", "F3"), new("previous", Format: "P0"),
                        new("same", Format: "P0"), new("next", Format: "P0"), new("edge", Format: "P0"),
                        new("punctuation", Format: "P0"),
                        new("agrees", Format: "P0"), new("does"),
                    ],
                    rows),
            ],
            [
                new StudyPlot(
                    "Cost of each head", new StudyAxis("head, layer by layer"), new StudyAxis("cost in loss", "nat"), series, []),
            ]);
    }

    private Translator Load(ModelData data) => Translator.Load(
        data, new TranslatorOptions(_options.Backend) { ComputeType = "float32", Decoding = new DecodingOptions { BeamSize = 1 } });

    private double Bleu(Translator translator, HeadStudyInput input, BleuTokenizer words)
    {
        TranslationRequest[] requests = [.. input.Sources.Select(source => Request(translator, source))];
        string[] found =
        [
            .. translator.TranslateBatch(requests, _cancellation)
                .Select(result => translator.Tokenizer.Detokenize(result.Hypotheses[0].Tokens)),
        ];
        return new Bleu(new BleuOptions { Tokenizer = words }).Score(found, [input.References]).Value;
    }

    // Mean of −ln p of the references' tokens.
    private double Loss(Translator translator, HeadStudyInput input)
    {
        Task<ScoreResult>[] asked =
        [
            .. input.Sources.Zip(input.References, (source, reference) => translator.ScoreAsync(
                new ScoreRequest(translator.Tokenizer.Tokenize(source), translator.Tokenizer.Tokenize(reference)), _cancellation)),
        ];
        ScoreResult[] scored = Task.WhenAll(asked).GetAwaiter().GetResult();
        return -scored.Sum(static result => (double)result.Sum) / scored.Sum(static result => result.TokenScores.Count);
    }

    private static TranslationRequest Request(Translator translator, string source) =>
        new(translator.Tokenizer.Tokenize(source)) { Options = new DecodingOptions { BeamSize = 1 } };

    private void Look(Translator translator, string source, Head[] heads)
    {
        Explanation explanation = translator.ExplainAsync(Request(translator, source), _cancellation).GetAwaiter().GetResult();
        int end = explanation.SourceTokens.Count - 1;
        AttentionMap all = explanation.Cross;
        float[][] cross = [.. Enumerable.Range(0, all.Layers).Select(layer => all.Mean(layer, all.Heads))];
        foreach (Head head in heads)
        {
            (AttentionMap map, IReadOnlyList<string> keys, int edge) = head.Kind switch
            {
                Head.Encoder => (explanation.Encoder, explanation.SourceTokens, end),
                Head.Decoder => (explanation.Decoder, explanation.InputTokens, 0),
                _ => (explanation.Cross, explanation.SourceTokens, end),
            };
            head.Shares.Add(map, head.Layer, head.Number, keys, edge);
            if (head.IsCross) head.Shares.AddAgreement(map, head.Layer, head.Number, AlignmentOfOthers(map, cross, head));
        }
    }

    // For each query the key with the largest sum of the weights of all other heads.
    private static int[] AlignmentOfOthers(AttentionMap map, float[][] means, Head head)
    {
        var places = new int[map.Queries];
        var sums = new float[map.Keys];
        for (int query = 0; query < places.Length; query++)
        {
            ReadOnlySpan<float> own = map.Row(head.Layer, head.Number, query);
            for (int key = 0; key < sums.Length; key++)
            {
                sums[key] = -own[key];
                foreach (float[] mean in means) sums[key] += mean[(query * map.Keys) + key] * map.Heads;
            }

            places[query] = HeadShares.Largest(sums);
        }

        return places;
    }

    private static IEnumerable<Head> AllHeads(TransformerConfig config)
    {
        foreach ((string kind, StackConfig stack, string side, string attention) in new[]
        {
            (Head.Encoder, config.Encoder, "encoder", "self_attention"),
            (Head.Decoder, config.Decoder, "decoder", "self_attention"),
            (Head.Cross, config.Decoder, "decoder", "cross_attention"),
        })
        {
            for (int layer = 0; layer < stack.Layers; layer++)
            {
                for (int head = 0; head < stack.Attention.Heads; head++)
                    yield return new Head(kind, layer, head, $"{side}.layers.{layer}.{attention}", stack.Attention.HeadDim);
            }
        }
    }

    private sealed record Head(string Kind, int Layer, int Number, string Name, int Width)
    {
        public const string Encoder = "encoder", Decoder = "decoder", Cross = "cross";

        public bool IsCross => Kind == Cross;

        public HeadShares Shares { get; } = new();
    }
}
