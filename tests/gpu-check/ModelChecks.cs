// Whole models beside the CPU: those that the program carries, whose answers are known, and those that it is given. In float32 the tokens
// must be the same, with products of our own all bits; in less, scores may be off by what rounding explains.
using System.Diagnostics;
using System.Text.Json;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Engine.ModelCases;

namespace Engine.GpuCheck;

internal static class ModelChecks
{
    private const int SmallShare = 10, SmallLength = 64;    // with small sizes every tenth case, without the few very long ones
    private const int BatchSize = 64;
    private const float ScoreTolerance = 1e-4f;
    private static readonly string Data = Path.Combine(AppContext.BaseDirectory, "data");

    public static void Run(CudaInfo info, Settings settings, Report report)
    {
        Transliteration(info, settings, report);
        Khmer(info, settings, report);
        IEnumerable<string> models = settings.IsSmall
            ? settings.Models
            : [.. settings.Models, Path.Combine(AppContext.BaseDirectory, "models", "english-german")];
        foreach (string model in models) Sentences(info, model, report);
    }

    private static void Transliteration(CudaInfo info, Settings settings, Report report)
    {
        const string Name = "aren-v6-float32";
        string directory = Path.Combine(Data, "ct2", Name);
        Case[] cases = [.. CaseFile.Read(Path.Combine(Data, "ct2", "aren-v6.expected.json")).Where(static one => one.Model == Name)
            .Where((_, i) => !settings.IsSmall || i % SmallShare == 0)
            .Where(one => !settings.IsSmall || one.IsScore || one.Hypotheses.Max(static tokens => tokens.Length) <= SmallLength)];
        IReadOnlyList<CaseAnswer> Answer(IBackend backend, string type, int batchSize = int.MaxValue)
        {
            using IBackend owned = backend;
            using Translator translator = Translator.Load(directory, new TranslatorOptions(backend) { BatchSize = Math.Min(batchSize, cases.Length), ComputeType = type });
            return CaseRun.Ask(translator, cases);
        }

        IReadOnlyList<CaseAnswer> cpu = Answer(new CpuBackend(), "float32"), run = Answer(new CudaBackend(info, 0), "float32");
        int good = run.Count(static answer => answer.Difference(ScoreTolerance) is null);
        report.Add(new ModelFact(
            Name, "float32 beside CTranslate2", good, cases.Length, CaseRun.LargestError(cpu, run), ScoreTolerance, good == cases.Length));
        // One after the other: which sentences meet in a batch depends on when the translator wakes, and here bits depend on that.
        AddEqual(
            report, Name, "float32 twice, bits", cases.Length,
            Same(Answer(new CudaBackend(info, 0), "float32", batchSize: 1), Answer(new CudaBackend(info, 0), "float32", batchSize: 1)));
        var rounded = new Dictionary<string, IReadOnlyList<CaseAnswer>> { ["float32"] = cpu };
        foreach (string type in (string[])["float32", "float16", "bfloat16", "int8"])
        {
            IReadOnlyList<CaseAnswer> expected = rounded[type] = type == "float32" ? cpu : Answer(new CpuBackend(), type);
            int same = Same(expected, Answer(new CudaBackend(info, 0, usesOwnProducts: true), type));
            AddEqual(report, Name, $"{type}, own products, the CPU's bits", cases.Length, same);
        }

        foreach (Precision precision in Precision.All)
        {
            IReadOnlyList<CaseAnswer> expected = rounded[precision.Measured];
            IReadOnlyList<CaseAnswer> found = Answer(new CudaBackend(info, 0, arithmetic: precision.Arithmetic), precision.ComputeType);
            double bound = precision.Bound(cpu, expected), error = CaseRun.LargestError(cpu, found);
            int different = CaseRun.Different(cpu, found);
            bool isGood = error <= bound && different <= 2 * CaseRun.Different(cpu, expected);
            report.Add(new ModelFact(Name, $"{precision}, beside float32", cases.Length - different, cases.Length, error, bound, isGood));
        }

        int Same(IReadOnlyList<CaseAnswer> one, IReadOnlyList<CaseAnswer> other) =>
            one.Zip(other).Count(static pair => pair.First.HasBitsOf(pair.Second));
    }

    private static void Khmer(CudaInfo info, Settings settings, Report report)
    {
        string folder = Path.Combine(Data, "khmer"), fixture = Path.Combine(folder, Path.GetFileName(KhmerModel.Fixture));
        DirectoryInfo made = Directory.CreateTempSubdirectory("gpu-check-");
        try
        {
            string model = KhmerModel.WriteOwnFormat(
                Path.Combine(made.FullName, "model"), Path.Combine(folder, Path.GetFileName(KhmerModel.Weights)), fixture);
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(fixture));
            (string Source, string Output)[] cases = [.. document.RootElement.GetProperty("cases").EnumerateArray()
                .Where((_, i) => !settings.IsSmall || i % SmallShare == 0)
                .Select(static one => (one.GetProperty("src").GetString()!, one.GetProperty("out").GetString()!))];
            foreach (bool own in new[] { false, true })
            {
                using var backend = new CudaBackend(info, 0, own);
                using Translator translator = Translator.Load(model, new TranslatorOptions(backend) { BatchSize = cases.Length });
                var greedy = new DecodingOptions { BeamSize = 1 };
                IReadOnlyList<TranslationResult> results = translator.TranslateBatch(
                    [.. cases.Select(one => new TranslationRequest(translator.Tokenizer.Tokenize(one.Source)) { Options = greedy })]);
                int equal = cases.Zip(results).Count(pair => translator.Tokenizer.Detokenize(pair.Second.Hypotheses[0].Tokens) == pair.First.Output);
                AddEqual(report, "Khmer", own ? "own products beside PyTorch" : "beside PyTorch", cases.Length, equal);
            }
        }
        finally
        {
            made.Delete(recursive: true);
        }
    }

    // A model without known answers: the CPU's are taken for right.
    private static void Sentences(CudaInfo info, string directory, Report report)
    {
        string own = Path.Combine(directory, "check.txt"), name = Path.GetFileName(Path.TrimEndingDirectorySeparator(directory));
        string[] lines = File.ReadAllLines(File.Exists(own) ? own : Path.Combine(AppContext.BaseDirectory, "sentences.txt"));
        foreach (int beam in new[] { 1, 4 })
        {
            (List<string> Tokens, List<float> Scores) Answer(string what, IBackend backend)
            {
                using IBackend owned = backend;
                using Translator translator = Translator.Load(directory, new TranslatorOptions(backend) { BatchSize = BatchSize });
                var options = new DecodingOptions { BeamSize = beam };
                TranslationRequest[] requests =
                    [.. lines.Select(line => new TranslationRequest(translator.Tokenizer.Tokenize(line)) { Options = options })];
                translator.TranslateBatch(requests[..1]);
                long start = Stopwatch.GetTimestamp();
                IReadOnlyList<TranslationResult> results = translator.TranslateBatch(requests);
                report.Add(new Measure("model", $"{name}, beam {beam}, {what}", lines.Length / Stopwatch.GetElapsedTime(start).TotalSeconds, "sentences/s"));
                return ([.. results.Select(static r => string.Join(' ', r.Hypotheses[0].Tokens))], [.. results.Select(static r => r.Hypotheses[0].Score)]);
            }

            (List<string> tokens, List<float> scores) = Answer("CPU", new CpuBackend());
            var run = Answer("CUDA", new CudaBackend(info, 0));
            var batch = Answer("CUDA, own products", new CudaBackend(info, 0, usesOwnProducts: true));
            AddEqual(report, name, $"beam {beam}, tokens beside the CPU's", lines.Length, tokens.Zip(run.Tokens).Count(static pair => pair.First == pair.Second));
            int same = Enumerable.Range(0, lines.Length).Count(i => tokens[i] == batch.Tokens[i]
                && BitConverter.SingleToInt32Bits(scores[i]) == BitConverter.SingleToInt32Bits(batch.Scores[i]));
            AddEqual(report, name, $"beam {beam}, own products, the CPU's bits", lines.Length, same);
        }
    }

    private static void AddEqual(Report report, string model, string comparison, int total, int equal) =>
        report.Add(new ModelFact(model, comparison, equal, total, null, null, equal == total));
}
