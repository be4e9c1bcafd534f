// Training that cannot go on: when, in which layer, and with which sentences.
namespace Engine.Training;

/// <summary>The loss or a gradient is no number any more, or the loss is far above what it was.</summary>
public sealed class TrainingDivergedException : Exception
{
    internal TrainingDivergedException(int step, string layer, string batch, string what)
        : base($"training diverged at step {step:N0}: {what}; {batch}.")
    {
        Step = step;
        Layer = layer;
        Batch = batch;
    }

    /// <summary>The step, from 1.</summary>
    public int Step { get; }

    /// <summary>The operator or parameter where it was seen first.</summary>
    public string Layer { get; }

    /// <summary>The batch: its number, and the lines of its first sentences.</summary>
    public string Batch { get; }
}
