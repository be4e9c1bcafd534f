// The figures of some steps: those of the table on the screen, and of a line of the log.
namespace Engine.Training;

/// <summary>Figures of the steps since the last report.</summary>
/// <param name="Step">Steps that are done.</param>
/// <param name="Steps">Steps of the whole training.</param>
/// <param name="Epoch">Epoch, from 1.</param>
/// <param name="Loss">Mean of −ln p of a target token, with what dropout leaves.</param>
/// <param name="SmoothedLoss">The same with label smoothing: what is made small.</param>
/// <param name="LearningRate">Of the last step.</param>
/// <param name="GradientNorm">Length of the last gradient, before it was clipped.</param>
/// <param name="TokensPerSecond">Target tokens.</param>
/// <param name="Elapsed">Time of training.</param>
/// <param name="Remaining">What is left, at the speed of now.</param>
public sealed record TrainingReport(
    int Step, int Steps, int Epoch, double Loss, double SmoothedLoss, double LearningRate, double GradientNorm,
    double TokensPerSecond, TimeSpan Elapsed, TimeSpan Remaining)
{
    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}
