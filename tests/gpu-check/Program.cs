// What only a real GPU can prove, in one run: that the driver takes the kernels, that whole models give the CPU's tokens, and how
// fast they are. The report is text, a figure a line; operators are proven by Cuda.Tests, which runs on the same machine.
using System.Diagnostics;
using System.Globalization;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.GpuCheck;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        CudaInfo info = CudaInfo.Find();
        Console.WriteLine($"driver {info.DriverLibrary} CUDA {info.DriverVersion}, {info.CublasLibrary}; missing: {info.Missing ?? "nothing"}");
        foreach (CudaDevice found in info.Devices) Console.WriteLine(found);
        if (info.Missing is not null) return 1;
        Section("kernels", () => Kernels(info));
        Section("overheads", () => Overheads(info));
        Section("operators", () => OperatorSpeed.Run(info));
        foreach (string directory in arguments.Where(Directory.Exists)) Section(directory, () => Model(info, directory));
        foreach (string type in new[] { "float32", "bfloat16", "int8" }) Section($"base {type}", () => Base(info, type));
        return 0;
    }

    private static void Section(string name, Action run)
    {
        Console.WriteLine($"== {name}");
        long start = Stopwatch.GetTimestamp();
        try
        {
            run();
        }
        catch (Exception problem)
        {
            Console.WriteLine($"FAILED: {problem}");
        }

        Console.WriteLine($"   ({Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s)");
    }

    private static void Kernels(CudaInfo info)
    {
        long start = Stopwatch.GetTimestamp();
        using var backend = new CudaBackend(info, 0);
        Console.WriteLine($"opened in {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s, cuBLAS {backend.Context.Stream.CublasVersion}");
        foreach (string line in backend.Context.DescribeKernels()) Console.WriteLine(line);
    }

    private static void Overheads(CudaInfo info)
    {
        using var backend = new CudaBackend(info, 0);
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(1, 64), DType.Float32);
        backend.Write(x, new float[64]);
        var one = new float[64];
        backend.Read(x, one);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 1000; i++) backend.Add(x, x);
        Console.WriteLine($"launch, host side {Stopwatch.GetElapsedTime(start).TotalMicroseconds / 1000:F2} µs");
        backend.Read(x, one);
        Console.WriteLine($"launch, with the device {Stopwatch.GetElapsedTime(start).TotalMicroseconds / 1000:F2} µs");
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 200; i++) backend.Read(x, one);
        Console.WriteLine($"read of 256 bytes {Stopwatch.GetElapsedTime(start).TotalMicroseconds / 200:F2} µs");
        backend.EndFrame();
    }

    private static void Model(CudaInfo info, string directory)
    {
        string[] lines = File.ReadAllLines(Path.Combine(directory, "check.txt"));
        foreach (int beam in new[] { 1, 4 })
        {
            List<string> Run(IBackend backend)
            {
                using Translator translator = Translator.Load(directory, new TranslatorOptions(backend) { BatchSize = 64 });
                var options = new DecodingOptions { BeamSize = beam };
                long start = Stopwatch.GetTimestamp();
                var requests = lines.Select(line => new TranslationRequest(translator.Tokenizer.Tokenize(line)) { Options = options });
                List<string> results =
                    [.. translator.TranslateBatch([.. requests]).Select(static r => string.Join(' ', r.Hypotheses[0].Tokens) + $" {r.Hypotheses[0].Score:R}")];
                Console.WriteLine($"{backend.Description}, beam {beam}: {lines.Length / Stopwatch.GetElapsedTime(start).TotalSeconds:F0} sentences/s");
                return results;
            }

            List<string> expected, found, again;
            using (var cpu = new CpuBackend()) expected = Run(cpu);
            using (var cuda = new CudaBackend(info, 0)) found = Run(cuda);
            using (var cuda = new CudaBackend(info, 0)) again = Run(cuda);
            List<string> own;
            using (var cuda = new CudaBackend(info, 0, usesOwnProducts: true)) own = Run(cuda);
            Report("tokens, cuBLAS beside CPU", Tokens(expected), Tokens(found));
            Report("tokens, own products beside CPU", Tokens(expected), Tokens(own));
            Report("bits of scores, own products beside CPU", expected, own);
            Report("bits, twice the same", found, again);
        }

        static List<string> Tokens(List<string> results) => [.. results.Select(static r => r[..r.LastIndexOf(' ')])];

        static void Report(string what, List<string> expected, List<string> found)
        {
            int equal = expected.Zip(found).Count(static pair => pair.First == pair.Second);
            Console.WriteLine($"{what}: {equal} of {expected.Count} equal");
            foreach ((string First, string Second) in expected.Zip(found).Where(static pair => pair.First != pair.Second).Take(2))
                Console.WriteLine($"   expected {First}\n   found    {Second}");
        }
    }

    private static void Base(CudaInfo info, string type)
    {
        using ModelData data = RandomModel.Create(RandomModel.Config(512, 8, 2048, 6, 32000), tied: true);
        using var backend = new CudaBackend(info, 0);
        foreach (int batch in new[] { 1, 8, 64, 512 })
        {
            using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { BatchSize = batch, ComputeType = type });
            var random = new Random(1);
            var options = new DecodingOptions { MinDecodingLength = 32, MaxDecodingLength = 32 };
            TranslationRequest[] requests =
                [.. Enumerable.Range(0, batch).Select(_ => new TranslationRequest(RandomModel.Sentence(random, 24, 32000)) { Options = options })];
            translator.TranslateBatch(requests);
            double best = double.MaxValue;
            for (int round = 0; round < 3; round++)
            {
                long start = Stopwatch.GetTimestamp();
                translator.TranslateBatch(requests);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            Console.WriteLine($"batch {batch}: {batch * 32 / best:F0} tokens/s, {1e3 * best / 32:F2} ms a step");
        }
    }
}
