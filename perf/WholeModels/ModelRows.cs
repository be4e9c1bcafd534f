// Whole models: each figure is the median over repetitions in processes of their own, the engine's and the peer's in turn.
using System.Globalization;
using System.Text.Json;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Tensors;

namespace Engine.Perf.WholeModels;

/// <summary>How the processors are used.</summary>
/// <param name="Threads">Threads of a translator.</param>
/// <param name="Replicas">Translators at once, each with a batch of its own.</param>
internal readonly record struct Arrangement(int Threads, int Replicas)
{
    public static Arrangement One => new(1, 1);

    public int Processors => Threads * Replicas;

    public override string ToString() => Replicas > 1 ? $"{Replicas} replicas" : Threads == 1 ? "1 thread" : $"{Threads} threads";
}

/// <summary>A line of the table.</summary>
/// <param name="Work">What is translated.</param>
/// <param name="Arrangement">On what.</param>
/// <param name="Goal">Against CTranslate2 or the floor.</param>
/// <param name="IsQuick">Whether a quick run has it.</param>
internal sealed record ModelRow(Translation Work, Arrangement Arrangement, Goal Goal, bool IsQuick = false)
{
    public string What => $"{Work.Shape.Name} {(Work.Type == DType.Float32 ? "f32" : "int8")}, batch {Work.Batch}"
        + $"{(Work.Beam > 1 ? $" beam {Work.Beam}" : "")}, {Arrangement}";

    /// <summary>The least time that all replicas together can take on this machine.</summary>
    public double FloorMilliseconds
    {
        get
        {
            Limit limit = Work.Type == DType.Int8 ? Limit.Int8 : Limit.Float32;
            double arithmetic = Work.Operations / Machine.This.Peak(limit, Arrangement.Processors);
            double memory = Work.Bytes / Machine.This.Peak(
                Limit.Read, Arrangement.Processors, Arrangement.Replicas * Work.StepBytes);
            return 1e3 * Arrangement.Replicas * Math.Max(arithmetic, memory);
        }
    }
}

/// <summary>Measures whole models.</summary>
internal sealed class ModelRows(string cache, bool isQuick)
{
    public const int Length = 24;

    private const string OwnOneThread = "own 1 thread";
    private const string BestPeer = "best " + CTranslate2.Name;

    // Milliseconds by row, so that an arrangement can be compared with another.
    private readonly Dictionary<(Translation, Arrangement), double> _own = [];
    private readonly Dictionary<(Translation, Arrangement), double> _peer = [];

    public static IEnumerable<ModelRow> All
    {
        get
        {
            (int Batch, int Beam, double Float, double Int8)[] shapes =
                [(1, 1, 1.5, 2.5), (1, 4, 2, 2.5), (8, 1, 2.5, 2), (32, 1, 1.8, 2), (64, 1, 1.5, 2)];
            foreach (DType type in new[] { DType.Float32, DType.Int8 })
            {
                foreach (var shape in shapes)
                {
                    Goal goal = Goal.Times(type == DType.Int8 ? shape.Int8 : shape.Float, CTranslate2.Name);
                    if (type == DType.Float32 && shape.Beam == 1 && shape.Batch != 8) goal &= Goal.Share(80);
                    yield return new ModelRow(
                        new(ModelShape.Base, type, shape.Batch, shape.Beam, Length), Arrangement.One, goal,
                        IsQuick: shape.Beam == 1 && shape.Batch is 1 or 32);
                }
            }

            yield return Row(ModelShape.Student, DType.Int8, 1, 2) with { IsQuick = true };
            yield return Row(ModelShape.Student, DType.Int8, 32, 2);
            yield return Row(ModelShape.Big, DType.Float32, 1, 1.5);
            yield return Row(ModelShape.Big, DType.Float32, 32, 1.5);
            if (Machine.Many == 1) yield break;
            foreach (DType type in new[] { DType.Float32, DType.Int8 })
            {
                foreach (var shape in shapes)
                {
                    // The replicas first: the threads are compared with the peer's better arrangement.
                    Goal goal = Goal.Times(1.5, BestPeer);
                    if (shape.Batch >= 8) goal &= Goal.Times(1.85, OwnOneThread);
                    var work = new Translation(ModelShape.Base, type, shape.Batch, shape.Beam, Length);
                    if (shape.Beam == 1) yield return new ModelRow(work, new(1, Machine.Many), goal);
                    yield return new ModelRow(work, new(Machine.Many, 1), goal);
                }
            }

            static ModelRow Row(ModelShape shape, DType type, int batch, double times) =>
                new(new(shape, type, batch, 1, Length), Arrangement.One, Goal.Times(times, CTranslate2.Name));
        }
    }

    /// <summary>Translates, in turn with the peer.</summary>
    public Result Measure(ModelRow row)
    {
        Translation work = row.Work;
        string directory = ModelWriter.Cached(cache, work.Shape, work.Type);
        double floor = row.FloorMilliseconds;
        int rounds = isQuick ? 1 : 2, repetitions = isQuick ? 2 : (int)Math.Clamp(700 / (3 * floor), floor > 700 ? 1 : 2, 10);
        var (own, peer) = (new List<double>(), new List<double>());
        for (int round = 0; round < rounds; round++)
        {
            own.AddRange(Run(directory, work, row.Arrangement, repetitions).Milliseconds);
            if (CTranslate2.IsHere)
            {
                peer.Add(CTranslate2.Run(
                    directory, work.Type.Word(), row.Arrangement.Threads, work.Batch, work.Length, work.Beam, repetitions,
                    row.Arrangement.Replicas).Milliseconds);
            }
        }

        double figure = _own[(work, row.Arrangement)] = Statistics.Median(own);
        var peers = new List<PeerFigure>();
        if (CTranslate2.IsHere)
        {
            double other = _peer[(work, row.Arrangement)] = Statistics.Median(peer);
            peers.Add(new PeerFigure(CTranslate2.Name, other, other / figure));
        }

        if (row.Arrangement != Arrangement.One)
        {
            AddBest(peers, BestPeer, row, figure, _peer);
            AddBest(peers, OwnOneThread, row, figure, _own.Where(static run => run.Key.Item2 == Arrangement.One));
        }

        int replicas = row.Arrangement.Replicas;
        return new Result
        {
            What = row.What,
            Threads = row.Arrangement.Processors,
            Figure = figure,
            Spread = [own.Min(), own.Max()],
            Unit = "ms",
            Floor = floor,
            Share = floor / figure,
            Peers = peers,
            Note = string.Create(CultureInfo.InvariantCulture,
                $"{1e3 * work.Batch * work.Length * replicas / figure:F0} tokens/s, {own.Min():F1}..{own.Max():F1}"),
        }.Judged(row.Goal);
    }

    /// <summary>The shipped model, one name at a time and 32 at once; no peer reads its format.</summary>
    public static IEnumerable<Result> MeasureShipped(string directory)
    {
        foreach (int batch in new[] { 1, 32 })
        {
            const int Letters = 8;
            double[] times = Parse<RunTimes>(ChildProcess.Self(
                Words(ModelRun.RunWord, directory, "default", 1, batch, Letters, 1, 30))).Milliseconds;
            double median = Statistics.Median(times);
            yield return new Result
            {
                What = $"{Path.GetFileName(directory)}, batch {batch}, 1 thread",
                Figure = median,
                Spread = [times.Min(), times.Max()],
                Unit = "ms",
                Note = string.Create(CultureInfo.InvariantCulture, $"{1e3 * batch / median:F0} names/s"),
            };
        }
    }

    /// <summary>What a process with a base model keeps resident while it translates.</summary>
    public Result MeasureMemory(DType type)
    {
        const double Megabyte = 1e6;
        string directory = ModelWriter.Cached(cache, ModelShape.Base, type);
        double weights = new FileInfo(Path.Combine(directory, "model.bin")).Length / Megabyte;
        ProcessResult own = ChildProcess.Self(Words(ModelRun.RunWord, directory, type.Word(), 1, 1, Length, 1, isQuick ? 3 : 10));
        double figure = own.ResidentBytes / Megabyte;
        var peers = new List<PeerFigure>();
        if (CTranslate2.IsHere)
        {
            ProcessResult other = CTranslate2.Run(directory, type.Word(), 1, 1, Length, 1, isQuick ? 3 : 10, 1).Process;
            double peer = other.ResidentBytes / Megabyte;
            peers.Add(new PeerFigure(CTranslate2.Name, peer, peer / figure));
        }

        return new Result
        {
            What = $"resident memory, base {(type == DType.Int8 ? "int8" : "f32")}, batch 1",
            Figure = figure,
            Unit = "MB",
            Floor = weights,
            Share = weights / figure,
            Peers = peers,
            Note = string.Create(CultureInfo.InvariantCulture, $"peak {own.PeakBytes / Megabyte:F0}"),
        }.Judged(Goal.AtMost(weights + 16, "≤ weights + 16 MB"));
    }

    /// <summary>From loading to the first token; the runtime starts as a user's does, with code compiled in tiers.</summary>
    public Result MeasureLoad(DType type)
    {
        string directory = ModelWriter.Cached(cache, ModelShape.Base, type);
        LoadTimes[] times = [.. Enumerable.Range(0, isQuick ? 2 : 3).Select(_ => Parse<LoadTimes>(ChildProcess.Self(
            Words(ModelRun.LoadWord, directory, type.Word(), 1), ("DOTNET_TC_QuickJit", "1"), ("DOTNET_TieredPGO", "1"))))];
        double figure = Statistics.Median([.. times.Select(static time => time.FirstToken)]);
        double read = Statistics.Median([.. times.Select(static time => time.Read)]);
        return new Result
        {
            What = $"load to first token, base {(type == DType.Int8 ? "int8" : "f32")}",
            Figure = figure,
            Spread = [times.Min(static time => time.FirstToken), times.Max(static time => time.FirstToken)],
            Unit = "ms",
            Floor = read,
            Share = read / figure,
        }.Judged(Goal.AtMost(1.5 * read, "≤ 1.5× reading the file"));
    }

    // By tokens a second: replicas translate more at once.
    private static void AddBest(
        List<PeerFigure> peers, string name, ModelRow row, double figure,
        IEnumerable<KeyValuePair<(Translation Work, Arrangement Arrangement), double>> runs)
    {
        double own = row.Arrangement.Replicas / figure;
        double[] rates =
            [.. runs.Where(run => run.Key.Work == row.Work).Select(static run => run.Key.Arrangement.Replicas / run.Value)];
        if (rates.Length > 0) peers.Add(new PeerFigure(name, row.Arrangement.Replicas / rates.Max(), own / rates.Max()));
    }

    private static RunTimes Run(string directory, Translation work, Arrangement arrangement, int repetitions) =>
        Parse<RunTimes>(ChildProcess.Self(Words(
            ModelRun.RunWord, directory, work.Type.Word(), arrangement.Threads, work.Batch, work.Length, work.Beam, repetitions,
            arrangement.Replicas)));

    private static IEnumerable<string> Words(params object[] words) =>
        words.Select(static word => string.Create(CultureInfo.InvariantCulture, $"{word}"));

    private static T Parse<T>(ProcessResult process) =>
        JsonSerializer.Deserialize<T>(process.Output) ?? throw new InvalidOperationException("A measurement said nothing.");
}
