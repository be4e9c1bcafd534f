// A step of the decoder: launches a layer, copies and waits, counted as what twelve more steps cost: three looks of the host. Its rows are
// the beams of one sentence: those of several would come one by one.
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;

namespace Engine.Perf.Cuda;

internal sealed record StepLine(
    string Type, int Rows, double LaunchesOfLayer, double Copies, double Waits, double GraphLaunches)
{
    private const int Steps = 12, Short = 16, VocabularySize = 100;

    private static readonly string[] Types = ["float32", "bfloat16", "int8"];
    private static readonly int[] RowsOfSteps = [1, 8, 16];

    public static IReadOnlyList<StepLine> MeasureAll(CudaInfo info) =>
    [
        .. from type in Types
           from rows in RowsOfSteps
           select Measure(info, type, rows),
    ];

    private static StepLine Measure(CudaInfo info, string type, int rows)
    {
        Cost two = CostOfSteps(info, type, rows, layers: 2), three = CostOfSteps(info, type, rows, layers: 3);
        return new StepLine(
            type, rows, (double)(three.Launches - two.Launches) / Steps, (double)two.Copies / Steps, (double)two.Waits / Steps,
            (double)two.Graphs / Steps);
    }

    // What a translation of a length costs less one that is twelve steps shorter; both replay graphs by then.
    private static Cost CostOfSteps(CudaInfo info, string type, int rows, int layers)
    {
        using ModelData data = RandomModel.Create(RandomModel.Config(64, 4, 128, layers, VocabularySize));
        using var backend = new CudaBackend(info, 0);
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { ComputeType = type });
        var random = new Random(1);
        string[] source = RandomModel.Sentence(random, 10, VocabularySize);
        for (int round = 0; round < 2; round++)
        {
            Translate(Short);
            Translate(Short + Steps);
        }

        return Translate(Short + Steps) - Translate(Short);

        Cost Translate(int length)
        {
            Cost before = Now();
            var options = new DecodingOptions { BeamSize = rows, MinDecodingLength = length, MaxDecodingLength = length };
            translator.TranslateBatch([new TranslationRequest(source) { Options = options }]);
            return Now() - before;
        }
    }

    private static Cost Now() => new(
        StandInCounts.Count("launches"), StandInCounts.Count("copies"), StandInCounts.Count("waits"), StandInCounts.Count("graph_launches"));

    private readonly record struct Cost(long Launches, long Copies, long Waits, long Graphs)
    {
        public static Cost operator -(Cost left, Cost right) => new(
            left.Launches - right.Launches, left.Copies - right.Copies, left.Waits - right.Waits, left.Graphs - right.Graphs);
    }
}
