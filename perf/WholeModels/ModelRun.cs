// `Perf run-model` and `Perf load-model`: one measurement in a process of its own, a line of JSON on standard output.
using System.Globalization;
using System.Text.Json;
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Perf.Measuring;

namespace Engine.Perf.WholeModels;

/// <summary>Milliseconds of each repetition.</summary>
internal sealed record RunTimes(double[] Milliseconds, long WeightBytes);

/// <summary>Milliseconds to read the model file from the system's cache, and from loading to the first token.</summary>
internal sealed record LoadTimes(double Read, double FirstToken);

/// <summary>The hidden modes.</summary>
internal static class ModelRun
{
    public const string RunWord = "run-model";
    public const string LoadWord = "load-model";

    /// <summary>
    /// DIR TYPE THREADS BATCH LENGTH BEAM REPETITIONS [REPLICAS]: random words, LENGTH tokens in, exactly LENGTH out, in
    /// REPLICAS translators at once; the same words and counts as <c>Peers/ct2_peer.cc</c>.
    /// </summary>
    public static int Run(ReadOnlySpan<string> arguments)
    {
        int[] numbers = [.. arguments[2..].ToArray().Select(static word => int.Parse(word, CultureInfo.InvariantCulture))];
        (int threads, int batch, int length) = (numbers[0], numbers[1], numbers[2]);
        (int beam, int repetitions) = (numbers[3], numbers[4]);
        int replicas = numbers.Length > 5 ? numbers[5] : 1;
        var backends = new CpuBackend[replicas];
        var translators = new Translator[replicas];
        for (int i = 0; i < replicas; i++)
        {
            backends[i] = new CpuBackend(new BackendOptions { Threads = threads });
            translators[i] = Load(backends[i], arguments[0], arguments[1], batch, length, beam);
        }

        TranslationRequest[] requests = Requests(translators[0], batch, length);
        var times = new double[repetitions];
        for (int i = -1; i < repetitions; i++)   // the first warms up
        {
            double start = Clock.Wall();
            Task<TranslationResult>[] running =
                [.. translators.SelectMany(translator => requests.Select(request => translator.TranslateAsync(request)))];
            foreach (Task<TranslationResult> task in running) Check(task.GetAwaiter().GetResult(), length);
            if (i >= 0) times[i] = 1e3 * (Clock.Wall() - start);
        }

        long weightBytes = translators.Sum(static translator => translator.WeightBytes);
        Console.WriteLine(JsonSerializer.Serialize(new RunTimes(times, weightBytes)));
        foreach (Translator translator in translators) translator.Dispose();
        foreach (CpuBackend backend in backends) backend.Dispose();
        return 0;
    }

    /// <summary>DIR TYPE THREADS.</summary>
    public static int LoadOnce(ReadOnlySpan<string> arguments)
    {
        string file = Directory.GetFiles(arguments[0], "model.*").Single();
        double read = Math.Min(Read(file), Read(file));   // the first may come from the disk
        double start = Clock.Wall();
        int threads = int.Parse(arguments[2], CultureInfo.InvariantCulture);
        using var backend = new CpuBackend(new BackendOptions { Threads = threads });
        using Translator translator = Load(backend, arguments[0], arguments[1], batch: 1, length: 1, beam: 1);
        translator.Translate(Requests(translator, 1, 24)[0]);
        double first = 1e3 * (Clock.Wall() - start);
        Console.WriteLine(JsonSerializer.Serialize(new LoadTimes(read, first)));
        return 0;
    }

    private static Translator Load(CpuBackend backend, string directory, string type, int batch, int length, int beam) =>
        Translator.Load(directory, new TranslatorOptions(backend)
        {
            ComputeType = type,
            BatchSize = batch,
            Decoding = new DecodingOptions { BeamSize = beam, MinDecodingLength = length, MaxDecodingLength = length },
        });

    // Words of the vocabulary, but for the first and the last ten, by the generator of ct2_peer.cc.
    internal static TranslationRequest[] Requests(Translator translator, int batch, int length)
    {
        IReadOnlyList<string> words = translator.SourceVocabulary.Tokens;
        int range = Math.Max(1, words.Count - 20), first = words.Count - range - 10;
        uint state = 1;
        var requests = new TranslationRequest[batch];
        for (int i = 0; i < batch; i++)
        {
            var source = new string[length];
            for (int k = 0; k < length; k++)
            {
                state = (state * 1664525) + 1013904223;
                source[k] = words[first + (int)((state >> 8) % (uint)range)];
            }

            requests[i] = new TranslationRequest(source);
        }

        return requests;
    }

    private static void Check(TranslationResult result, int length)
    {
        int found = result.Hypotheses[0].Tokens.Count;
        if (found != length)
            throw new InvalidOperationException($"A translation has {found} tokens, expected {length}: not timed.");
    }

    private static double Read(string file)
    {
        var buffer = new byte[4 << 20];
        double start = Clock.Wall();
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        while (stream.Read(buffer) > 0)
        {
        }

        return 1e3 * (Clock.Wall() - start);
    }
}
