// How good the weights of a step are on sentences that they do not learn from.
namespace Engine.Training;

/// <summary>A translation beside what it should be.</summary>
/// <param name="Source">The source.</param>
/// <param name="Reference">A translation by people.</param>
/// <param name="Translation">That of the model.</param>
public sealed record TranslationSample(string Source, string Reference, string Translation);

/// <summary>Figures of a validation.</summary>
/// <param name="Step">Steps that were done.</param>
/// <param name="Loss">Mean of −ln p of a target token.</param>
/// <param name="SmoothedLoss">The same with label smoothing.</param>
/// <param name="Bleu">BLEU of the translations; null: none was asked for.</param>
/// <param name="BleuSignature">How it was counted.</param>
/// <param name="IsBest">Whether it is the best so far.</param>
/// <param name="Samples">Some translations.</param>
/// <param name="Duration">Time that it took.</param>
public sealed record ValidationReport(
    int Step, double Loss, double SmoothedLoss, double? Bleu, string? BleuSignature, bool IsBest,
    IReadOnlyList<TranslationSample> Samples, TimeSpan Duration)
{
    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}
