// Whole models with random weights: target tokens a second by batch, for each configuration. Beside a step stands its floor: the weights
// of the decoder and the caches are read once.
using System.Diagnostics;
using Engine.Backends;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.GpuCheck.Cases;
using Engine.Models;
using Engine.Reference;

namespace Engine.GpuCheck.Speed;

internal static class TransformerSpeed
{
    private const int SourceTokens = 24, Rounds = 3;

    private static readonly (string Name, TransformerConfig Config)[] Full =
    [
        ("base", RandomModel.Config(modelDim: 512, heads: 8, hiddenDim: 2048, layers: 6, vocabulary: 32000)),
        ("big", RandomModel.Config(modelDim: 1024, heads: 16, hiddenDim: 4096, layers: 6, vocabulary: 32000)),
    ];

    private static readonly (string Name, TransformerConfig Config)[] Small =
        [("tiny", RandomModel.Config(modelDim: 32, heads: 2, hiddenDim: 64, layers: 1, vocabulary: 37))];

    /// <summary>What is translated how: a batch of sentences, so many steps.</summary>
    private sealed record Run(ModelData Data, string Name, Configuration Configuration, int Batch, int Steps)
    {
        public int Beams { get; init; } = 1;
    }

    public static void RunAll(CudaInfo info, Settings settings, Report report, Roofs roofs)
    {
        foreach ((string name, TransformerConfig config) in settings.IsSmall ? Small : Full)
        {
            using ModelData data = RandomModel.Create(config, tied: true);
            foreach (Configuration configuration in Configuration.All)
            {
                using CudaBackend backend = configuration.Open(info);
                foreach (int batch in settings.IsSmall ? [1, 3] : (int[])[1, 8, 64, 512])
                {
                    string what = $"{name} {configuration.Name}, batch {batch}";
                    if (!report.Wants(what)) continue;
                    if (report.IsTooLateFor(what)) return;
                    var run = new Run(data, name, configuration, batch, settings.IsSmall ? 3 : 32);
                    Measure(backend, run, "", report, roofs);
                    if (configuration.Options.Deterministic == Determinism.Run)
                        Measure(new ForwardingBackend(backend), run, ", without graphs", report, roofs);
                    if (configuration.ComputeType == "bfloat16") MeasureBeams(backend, run, report, roofs);
                    if (configuration.ComputeType == "bfloat16" && batch > 1) MeasureReplicas(info, run, report);
                }
            }
        }
    }

    // The search on the device, and the host's, which looks at each step.
    private static void MeasureBeams(CudaBackend backend, Run run, Report report, Roofs roofs)
    {
        Measure(new EachStepBackend(backend), run, ", a look at each step", report, roofs);
        Run beams = run with { Beams = 4 };
        Measure(backend, beams, ", 4 beams", report, roofs);
        Measure(new EachStepBackend(backend), beams, ", 4 beams, a look at each step", report, roofs);
    }

    private static void Measure(IBackend backend, Run run, string how, Report report, Roofs roofs)
    {
        (ModelData data, string name, Configuration configuration, int batch, int steps) = run;
        using Translator translator = Translator.Load(
            data, new TranslatorOptions(backend) { BatchSize = batch, ComputeType = configuration.ComputeType });
        double best = Seconds(translator, run, batch);
        string what = $"{name} {configuration.Name}, batch {batch}{how}";
        report.Add(new Measure("transformer", what, batch * steps / best, "tokens/s"));
        double floor = roofs.CopyBytes == 0 ? 0 : BytesOfStep(data.Config, configuration, batch * run.Beams, steps) / roofs.CopyBytes;
        report.Add(new Measure(
            "transformer", $"{what}, a step with its share of encoding", 1e3 * best / steps, "ms",
            floor == 0 ? null : floor * steps / best, "its floor: weights and caches read once"));
    }

    // Two translators with one copy of the weights, a stream each: while one decodes the other encodes, and while one chooses the
    // device works for the other.
    private static void MeasureReplicas(CudaInfo info, Run run, Report report)
    {
        const int Batches = 4;
        var options = new TranslatorOptions(run.Configuration.Open(info)) { BatchSize = run.Batch, ComputeType = run.Configuration.ComputeType };
        using var first = (CudaBackend)options.Backend;
        using CudaBackend second = run.Configuration.Open(info);
        foreach (bool areTwo in new[] { false, true })
        {
            using ITranslator translator = areTwo ? TranslatorPool.Load(run.Data, options, second) : Translator.Load(run.Data, options);
            double seconds = Seconds(translator, run, Batches * run.Batch);
            string name = $"{run.Name} {run.Configuration.Name}, {Batches} batches of {run.Batch} by {(areTwo ? "two translators" : "one translator")}";
            report.Add(new Measure("transformer", name, Batches * run.Batch * run.Steps / seconds, "tokens/s"));
        }
    }

    // The best of some rounds.
    private static double Seconds(ITranslator translator, Run run, int sentences)
    {
        var random = new Random(1);
        var options = new DecodingOptions { BeamSize = run.Beams, MinDecodingLength = run.Steps, MaxDecodingLength = run.Steps };
        TranslationRequest[] requests =
        [
            .. Enumerable.Range(0, sentences).Select(_ => new TranslationRequest(
                RandomModel.Sentence(random, SourceTokens, run.Data.Config.SourceVocabulary)) { Options = options }),
        ];
        translator.TranslateBatch(requests);
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            translator.TranslateBatch(requests);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    // Self and cross attention (the keys and values of the latter are made once a sentence), feed-forward, output layer; float32 caches.
    private static double BytesOfStep(TransformerConfig config, Configuration configuration, int batch, int steps)
    {
        double dim = config.ModelDim, layers = config.Decoder.Layers;
        double weights = (layers * ((6 * dim * dim) + (2 * dim * config.Decoder.HiddenDim))) + (dim * config.TargetVocabulary);
        double cache = 2 * batch * layers * dim * (SourceTokens + (steps / 2.0));
        return (weights * configuration.BytesOfWeight) + (cache * sizeof(float));
    }

    // The host's search at each step, though still by graphs.
    private sealed class EachStepBackend(IBackend inner) : DelegatingBackend(inner)
    {
        public override int StepsAtOnce => 1;
    }
}
