// What a study is told: what computes, how long it may take, and what decides all that is random.
using Engine.Backends;

namespace Engine.Studies;

/// <summary>Options of a study. The same seed gives the same numbers, times excepted.</summary>
/// <param name="Backend">Computes and learns; it stays the caller's.</param>
public sealed record StudyOptions(ITrainingBackend Backend)
{
    /// <summary>Whether few points and few steps are enough: a form of seconds that shows how it goes, and proves little.</summary>
    public bool Quick { get; init; }

    /// <summary>Decides all that is random.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Is told in words what is being done; null: nobody asks.</summary>
    public Action<string>? Progress { get; init; }

    /// <summary>Says what is being done.</summary>
    internal void Say(string message) => Progress?.Invoke(message);

    /// <summary>What the numbers of a report depend on.</summary>
    internal IReadOnlyList<string> Conditions =>
        [
            Backend.Description, $"seed {Seed}",
            Quick ? "quick form: few points, few steps; it shows how it goes and proves little" : "full form",
        ];
}
