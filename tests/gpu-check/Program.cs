// What only a real GPU can prove, in one run that ends by itself: that the driver takes the kernels, that operators and whole models
// give what they must, that nothing is written outside its place, and how fast it all is.
using System.Globalization;
using Engine.Cuda;
using Engine.GpuCheck.Cases;
using Engine.GpuCheck.Speed;

namespace Engine.GpuCheck;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        Settings settings;
        try
        {
            settings = Settings.Parse(arguments);
        }
        catch (ArgumentException wrong)
        {
            Console.Error.WriteLine($"{wrong.Message}\n{Settings.Usage}");
            return 2;
        }

        CudaInfo info = CudaInfo.Find();
        if (info.Missing is { } missing)
        {
            Console.Error.WriteLine($"There is no CUDA to check: {missing}.");
            return 1;
        }

        var report = new Report(settings);
        report.Section("machine", () => Facts.Machine(info, report));
        report.Section("kernels", () => Facts.Kernels(info, report));
        Cases(info, settings, report);
        report.Section("models", () => ModelChecks.Run(info, settings, report));
        Speeds(info, settings, report);
        report.Write(settings.Output);
        return report.IsGood ? 0 : 1;
    }

    private static void Cases(CudaInfo info, Settings settings, Report report) => report.Section("operators", () =>
    {
        int every = settings.EveryCase;
        using var kept = new CudaBackend(info, 0);   // a device that someone uses keeps what cuBLAS has loaded: without it each case waits for that
        report.Add(CaseRunner.Run("operators, cuBLAS's products", () => new LibraryProducts(info), every, report.Deadline));
        report.Add(CaseRunner.Run("operators, own products, the CPU's bits", () => new OwnProducts(info), every, report.Deadline));
        report.Add(CaseRunner.Run("training, cuBLAS's products", () => new LibraryProductsTraining(info), every, report.Deadline));
        report.Add(CaseRunner.Run("training, own products", () => new OwnProductsTraining(info), every, report.Deadline));
    });

    private static void Speeds(CudaInfo info, Settings settings, Report report)
    {
        var roofs = new Roofs();
        report.Section("overheads", () => Overheads.Run(info, settings, report));
        report.Section("roofs and products", () => ProductSpeed.Run(info, settings, report, roofs));
        report.Section("attention", () => AttentionSpeed.Run(info, settings, report));
        report.Section("row by row", () => RowSpeed.Run(info, settings, report, roofs));
        report.Section("transformers", () => TransformerSpeed.RunAll(info, settings, report, roofs));
    }
}
