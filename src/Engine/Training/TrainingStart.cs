// What a training begins with, in figures.
namespace Engine.Training;

/// <summary>Size of a model and of the texts that it learns from.</summary>
/// <param name="Parameters">Numbers that are trained.</param>
/// <param name="SourceVocabulary">Tokens of the source.</param>
/// <param name="TargetVocabulary">Tokens of the target.</param>
/// <param name="Pairs">Pairs of sentences.</param>
/// <param name="SourceTokens">Their source tokens.</param>
/// <param name="TargetTokens">Their target tokens.</param>
/// <param name="ValidationPairs">Pairs that are only looked at.</param>
/// <param name="BatchesOfEpoch">Batches of the first epoch.</param>
/// <param name="Step">Steps that were done before.</param>
/// <param name="Steps">Steps of the whole training.</param>
public sealed record TrainingStart(
    long Parameters, int SourceVocabulary, int TargetVocabulary, int Pairs, long SourceTokens, long TargetTokens,
    int ValidationPairs, int BatchesOfEpoch, int Step, int Steps);
