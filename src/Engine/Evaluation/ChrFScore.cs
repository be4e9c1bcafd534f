// A chrF and the orders it is the mean of.
namespace Engine.Evaluation;

/// <summary>A score of <see cref="ChrF"/>.</summary>
public sealed class ChrFScore : MetricScore
{
    internal ChrFScore(string name, double value, string signature, ChrFOptions options)
        : base(name, value, signature) =>
        (CharacterOrder, WordOrder, Beta) = (options.CharacterOrder, options.WordOrder, options.Beta);

    /// <summary>The longest n-grams of characters.</summary>
    public int CharacterOrder { get; }

    /// <summary>The longest n-grams of words; 0: none.</summary>
    public int WordOrder { get; }

    /// <summary>How many times recall counts more than precision.</summary>
    public int Beta { get; }
}
