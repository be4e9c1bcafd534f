// What can be chosen about chrF. The standard is chrF2; with a word order of 2 it is chrF2++.
namespace Engine.Evaluation;

/// <summary>Options of <see cref="ChrF"/>.</summary>
public sealed record ChrFOptions
{
    /// <summary>The longest n-grams of characters.</summary>
    public int CharacterOrder { get; init; } = 6;

    /// <summary>The longest n-grams of words; 0: none (chrF), 2: chrF++.</summary>
    public int WordOrder { get; init; }

    /// <summary>How many times recall counts more than precision.</summary>
    public int Beta { get; init; } = 2;

    /// <summary>Whether case does not count.</summary>
    public bool Lowercase { get; init; }

    /// <summary>Whether white space is a character like others, instead of being left out.</summary>
    public bool Whitespace { get; init; }

    /// <summary>
    /// Whether orders that a side has no n-gram of count as nearly zero, as in chrF++.py, NLTK and Moses. Otherwise they
    /// are left out of the mean.
    /// </summary>
    public bool EpsilonSmoothing { get; init; }
}
