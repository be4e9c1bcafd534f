// What a test of significance says.
namespace Engine.Evaluation;

/// <summary>Two systems, and whether they differ.</summary>
/// <param name="Baseline">The score of the baseline.</param>
/// <param name="System">The score of the system.</param>
/// <param name="PValue">
/// How probable a difference as large as that of the scores is, were the systems the same. Small: they differ.
/// </param>
/// <param name="BaselineInterval">Mean and interval of the baseline; null: not asked for.</param>
/// <param name="SystemInterval">Mean and interval of the system; null: not asked for.</param>
/// <param name="Signature">The signature of the metric, with the kind of test, samples and seed.</param>
public sealed record PairedTestResult(
    MetricScore Baseline, MetricScore System, double PValue, ConfidenceInterval? BaselineInterval,
    ConfidenceInterval? SystemInterval, string Signature);
