// What becomes of a precision whose count is zero, which would make all of BLEU zero.
namespace Engine.Evaluation;

/// <summary>
/// Smoothing of BLEU (Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU").
/// </summary>
public enum BleuSmoothing
{
    /// <summary><c>exp</c>, their method 3: the first zero count becomes 1/2, the next 1/4, and so on.</summary>
    Exponential,

    /// <summary><c>floor</c>, their method 1: a zero count becomes a small number, 0.1.</summary>
    Floor,

    /// <summary><c>add-k</c>, their method 2: counts and totals of two words and more grow by a number, 1.</summary>
    AddK,

    /// <summary><c>none</c>: a zero stays a zero.</summary>
    None,
}
