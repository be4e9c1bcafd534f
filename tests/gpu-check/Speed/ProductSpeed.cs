// Products: the copy of the device and cuBLAS's own speed as roofs, and beside them the backend's linear layer with weights of each type.
// cuBLAS's best is the fastest of what it takes by itself and of the algorithms that cuBLASLt proposes.
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

internal static class ProductSpeed
{
    private const int Largest = 8192;
    private const long CopyBytes = 1L << 30;
    private const int MostAlgorithms = 8;
    private const string Peak = "cuBLAS's best of this type", Best = "cuBLAS's best";

    // Rows, inputs, outputs: decoding one sentence and many, prefill, the output layer, and the largest as the peak.
    private static readonly (int Rows, int Inputs, int Outputs)[] Full =
    [
        (1, 512, 512), (64, 512, 2048), (512, 512, 2048), (4096, 512, 2048), (4096, 2048, 512), (4096, 1024, 4096), (64, 512, 32000),
        (512, 1024, 32000), (Largest, Largest, Largest),
    ];

    private static readonly bool[] PlainAndWhole = [false, true];
    private static readonly (int Rows, int Inputs, int Outputs)[] Small = [(3, 32, 64), (64, 64, 64)];

    public static void Run(CudaInfo info, Settings settings, Report report, Roofs roofs)
    {
        using var backend = new CudaBackend(info, 0);
        Copy(backend, settings, report, roofs);
        (int Rows, int Inputs, int Outputs)[] shapes = settings.IsSmall ? Small : Full;
        var raw = new Dictionary<(string Type, (int Rows, int Inputs, int Outputs) Shape), (double Gemm, double Best)>();
        foreach (RawProduct product in RawProduct.All)
        {
            foreach (var shape in shapes) raw[(product.Type, shape)] = Raw(backend, product, shape, settings);
            roofs.Operations[product.Type] = shapes.Max(shape => Operations(shape) / raw[(product.Type, shape)].Best);
            foreach (var shape in shapes)
            {
                (double gemm, double best) = raw[(product.Type, shape)];
                double speed = Operations(shape) / best;
                report.Add(new Measure(
                    "cuBLAS", $"{product.Type} {Show(shape)}", 1e-12 * speed, "TFLOP/s", speed / roofs.Operations[product.Type], Peak));
                report.Add(new Measure(
                    "cublasGemmEx", $"{product.Type} {Show(shape)}", 1e-12 * Operations(shape) / gemm, "TFLOP/s", best / gemm, Best));
            }
        }

        foreach (Configuration configuration in Configuration.All)
        {
            using CudaBackend own = configuration.Open(info);
            var bench = new Bench(own, settings);
            foreach (var shape in shapes)
            {
                if (report.IsTooLateFor($"linear layers of {configuration.Name}")) return;
                foreach ((bool isWhole, double seconds) in Linear(bench, configuration, shape))
                {
                    double share = raw[(configuration.Product, shape)].Best / seconds;
                    report.Add(new Measure(
                        "Linear", $"{configuration.Name} {Show(shape)}{(isWhole ? ", bias, ReLU" : "")}",
                        1e-12 * Operations(shape) / seconds, "TFLOP/s", share, Best));
                }
            }

            string known = own.Context.Stream.Lt is { } lt
                ? $"was asked for {lt.Count} products with bias and ReLU, and has {lt.Count - lt.Lacking}"
                : "is not there";
            report.Line($"   {configuration.Name}: cuBLASLt {known}");
        }
    }

    private static double Operations((int Rows, int Inputs, int Outputs) shape) => 2.0 * shape.Rows * shape.Inputs * shape.Outputs;

    private static string Show((int Rows, int Inputs, int Outputs) shape) =>
        $"[{shape.Rows}, {shape.Inputs}] × [{shape.Outputs}, {shape.Inputs}]";

    private static void Copy(CudaBackend backend, Settings settings, Report report, Roofs roofs)
    {
        long bytes = settings.IsSmall ? 1 << 16 : CopyBytes;
        using var device = new RawDevice(backend);
        var shape = new Shape(1024, (int)(bytes / sizeof(float) / 1024));
        Tensor from = backend.Allocate(shape, DType.Float32), to = backend.Allocate(shape, DType.Float32);
        device.WaitForBackend();
        double seconds = Bench.Median(() => device.Copy(to, from, bytes), device.Wait, settings.IsSmall);
        backend.Free(from);
        backend.Free(to);
        roofs.CopyBytes = 2 * bytes / seconds;   // read and written
        report.Add(new Measure("copy", $"{bytes >> 10:N0} KiB within the device", 1e-9 * roofs.CopyBytes, "GB/s"));
    }

    // By cublasGemmEx, and by the fastest way there is.
    private static (double Gemm, double Best) Raw(
        CudaBackend backend, RawProduct product, (int Rows, int Inputs, int Outputs) shape, Settings settings)
    {
        (int rows, int inputs, int outputs) = shape;
        using var device = new RawDevice(backend);
        Tensor x = Filled(backend, product, rows, inputs), w = Filled(backend, product, outputs, inputs);
        Tensor y = backend.Allocate(new Shape(rows, outputs), DType.Float32);
        device.WaitForBackend();
        try
        {
            double gemm = Bench.Median(() => device.Multiply(product, x, w, y, rows, outputs, inputs), device.Wait, settings.IsSmall);
            double best = gemm, fastest = double.PositiveInfinity;
            device.MultiplyByEach(product, x, w, y, (rows, outputs, inputs), MostAlgorithms, multiply =>
            {
                double estimate = Bench.Estimate(multiply, device.Wait, settings.IsSmall);
                if (estimate >= fastest) return;
                fastest = estimate;
                if (estimate < gemm) best = Math.Min(best, Bench.Median(multiply, device.Wait, settings.IsSmall));
            });
            return (gemm, best);
        }
        finally
        {
            foreach (Tensor tensor in (Tensor[])[x, w, y]) backend.Free(tensor);
        }
    }

    // Numbers near 1 of each type, with all bits of the fraction in use: four bytes hold one, two or four of them.
    private static Tensor Filled(CudaBackend backend, RawProduct product, int rows, int inputs)
    {
        var words = new int[rows * (long)inputs * product.BytesOfInput / sizeof(int)];
        var random = new Random(1);
        for (int i = 0; i < words.Length; i++)
        {
            int bits = random.Next();
            words[i] = product.Type switch
            {
                "float16" => 0x38003800 | (bits & 0x03FF03FF),
                "bfloat16" => 0x3F003F00 | (bits & 0x007F007F),
                "int8" => bits,
                _ => 0x3F000000 | (bits & 0x007FFFFF),
            };
        }

        Tensor tensor = backend.Allocate(new Shape(1, words.Length), DType.Int32);
        backend.Write(tensor, words);
        return tensor;
    }

    // Without and with bias and ReLU.
    private static (bool IsWhole, double Seconds)[] Linear(
        Bench bench, Configuration configuration, (int Rows, int Inputs, int Outputs) shape)
    {
        HostTensor values = HostTensor.FromValues(
            "w", new Shape(shape.Outputs, shape.Inputs), Bench.Values(shape.Outputs * shape.Inputs));
        (HostTensor converted, ActivationRounding rounding) = configuration.Convert(values);
        using Weight weight = bench.Backend.Pack([converted], rounding);
        return
        [
            .. PlainAndWhole.Select(isWhole => (isWhole, bench.Seconds(backend =>
            {
                Tensor x = Bench.Put(backend, shape.Rows, shape.Inputs);
                Tensor bias = isWhole ? Bench.Put(backend, 1, shape.Outputs) : Tensor.None;
                return () => backend.Linear(x, new LinearWeights(weight, bias), isWhole ? Activation.Relu : Activation.None);
            }))),
        ];
    }
}
