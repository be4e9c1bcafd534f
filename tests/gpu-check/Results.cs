// All that the program finds, as results.json has it.
using System.Text.Json.Serialization;

namespace Engine.GpuCheck;

/// <summary>The whole.</summary>
internal sealed record Results
{
    public required DateTime Started { get; init; }

    public required bool Small { get; init; }

    public MachineFact? Machine { get; set; }

    public List<FamilyFact> Families { get; } = [];

    public List<KernelFact> Kernels { get; } = [];

    public List<CaseGroup> Cases { get; } = [];

    public List<ModelFact> Models { get; } = [];

    public List<Measure> Measures { get; } = [];

    public List<SectionFact> Sections { get; } = [];

    public List<string> NotRun { get; } = [];
}

/// <summary>What the program runs on.</summary>
internal sealed record MachineFact(
    string Device, string Capability, long MemoryBytes, long FreeBytes, int Multiprocessors, int ClockKilohertz, string Driver, int Cublas,
    IReadOnlyList<string> Libraries, string Processor, int Processors);

/// <summary>A file of PTX.</summary>
internal sealed record FamilyFact(string Name, double CompileSeconds, int Kernels);

/// <summary>What the driver's compiler made of a kernel. Local bytes are spills: the kernels have no local memory of their own.</summary>
internal sealed record KernelFact(string Name, int Registers, int LocalBytes, int SharedBytes);

/// <summary>Cases of a suite.</summary>
internal sealed record CaseGroup(string Name, int Passed, int Failed, int NotRun, double Seconds, IReadOnlyList<string> Failures);

/// <summary>A comparison of a model's answers.</summary>
/// <param name="Model">The model.</param>
/// <param name="Comparison">What is compared.</param>
/// <param name="Equal">Answers that are equal.</param>
/// <param name="Total">All answers.</param>
/// <param name="LargestError">Of scores; null: not compared.</param>
/// <param name="Bound">What it may be.</param>
/// <param name="IsGood">Whether it is as it must be.</param>
internal sealed record ModelFact(
    string Model, string Comparison, int Equal, int Total, double? LargestError, double? Bound, bool IsGood);

/// <summary>A measured number.</summary>
/// <param name="Group">What kind of thing was measured.</param>
/// <param name="Name">The thing, with its sizes.</param>
/// <param name="Value">The number.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Share">Its share of a roof; null: there is none.</param>
/// <param name="Roof">The roof.</param>
internal sealed record Measure(string Group, string Name, double Value, string Unit, double? Share = null, string? Roof = null);

/// <summary>A part of the run.</summary>
/// <param name="Name">The part.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Failure">What ended it early; null: nothing.</param>
internal sealed record SectionFact(string Name, double Seconds, string? Failure);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Results))]
internal sealed partial class ResultsJson : JsonSerializerContext;
