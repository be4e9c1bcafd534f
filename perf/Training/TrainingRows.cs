// A training step beside PyTorch's, in processes of their own, in turn.
using System.Globalization;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Perf.WholeModels;

namespace Engine.Perf.Training;

/// <summary>Measures training steps.</summary>
internal static class TrainingRows
{
    /// <summary>The hidden mode that runs steps and prints their milliseconds.</summary>
    public const string StepWord = "training-step";

    /// <summary>A Python that has PyTorch, instead of <c>python3</c>.</summary>
    public const string PythonVariable = "ENGINE_PERF_PYTHON";

    private const string PeerName = "PyTorch";

    private static readonly string Script = Path.Combine("perf", "Peers", "torch_step.py");

    private static string Python => Environment.GetEnvironmentVariable(PythonVariable) is { Length: > 0 } path ? path : "python3";

    /// <summary>What is here of the peer.</summary>
    public static string Describe
    {
        get
        {
            try
            {
                return $"{PeerName}: {ChildProcess.Run(Python, [Script, "version"]).Output.Trim()}";
            }
            catch (Exception missing) when (missing is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                return $"{PeerName}: not here. Install Python with torch, or name one in {PythonVariable}";
            }
        }
    }

    /// <summary>The line.</summary>
    public static string What(int threads) =>
        $"training step, 3+3 layers of 256, 32×32 tokens, {threads} {(threads == 1 ? "thread" : "threads")}";

    /// <summary>Steps of the engine and of the peer, A B A B.</summary>
    public static Result Measure(int threads, bool isQuick)
    {
        int steps = isQuick ? 6 : 12, rounds = isQuick ? 1 : 3;
        bool hasPeer = !Describe.Contains("not here", StringComparison.Ordinal);
        var (own, peer) = (new List<double>(), new List<double>());
        for (int round = 0; round < rounds; round++)
        {
            own.AddRange(Numbers(ChildProcess.Self([StepWord, Word(threads), Word(steps)])));
            if (!hasPeer) continue;

            // Its BLAS has threads of its own, which PyTorch's number does not reach.
            peer.AddRange(Numbers(ChildProcess.Run(
                Python, [Script, Word(threads), Word(steps)], ("OPENBLAS_NUM_THREADS", Word(threads)), ("OMP_NUM_THREADS", Word(threads)))));
        }

        double figure = Statistics.Median(own), floor = 1e3 * TrainingModel.Operations / Machine.This.Peak(Limit.Float32, threads);
        var peers = new List<PeerFigure>();
        if (hasPeer) peers.Add(new PeerFigure(PeerName, Statistics.Median(peer), Statistics.Median(peer) / figure));
        return new Result
        {
            What = What(threads),
            Threads = threads,
            Figure = figure,
            Spread = [own.Min(), own.Max()],
            Unit = "ms",
            Floor = floor,
            Share = floor / figure,
            Peers = peers,
            Note = string.Create(
                CultureInfo.InvariantCulture, $"{1e3 * TrainingModel.Sentences * TrainingModel.Length / figure:F0} target tokens/s"),
        }.Judged(Goal.Times(2, PeerName) & Goal.Share(60));
    }

    /// <summary>The hidden mode: threads, steps; the first quarter is warm-up.</summary>
    public static void Run(IReadOnlyList<string> arguments)
    {
        int threads = int.Parse(arguments[0], CultureInfo.InvariantCulture), steps = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        using var model = new TrainingModel(threads);
        double first = model.Step();
        for (int step = 1; step < steps; step++)
        {
            long began = System.Diagnostics.Stopwatch.GetTimestamp();
            double loss = model.Step();
            double milliseconds = System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            if (step >= steps / 4) Console.WriteLine(milliseconds.ToString("R", CultureInfo.InvariantCulture));
            if (step == steps - 1 && !(loss < first)) throw new InvalidOperationException($"The loss went from {first} to {loss}.");
        }
    }

    private static string Word(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static IEnumerable<double> Numbers(ProcessResult process) =>
        process.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => double.Parse(line, CultureInfo.InvariantCulture));
}
