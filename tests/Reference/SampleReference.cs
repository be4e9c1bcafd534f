// The definition of drawing a token: the Gumbel-max trick in double precision; TokenDraw.Uniform says which numbers are drawn.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>What tokens are chosen by.</summary>
public static class SampleReference
{
    /// <summary>(x − max x) / temperature − ln(−ln u) of each token of a row: the largest is drawn.</summary>
    public static double[] Scores(ReadOnlySpan<double> x, TokenDraw draw, double temperature)
    {
        double largest = double.NegativeInfinity;
        foreach (double value in x) largest = Math.Max(largest, value);
        var scores = new double[x.Length];
        for (int token = 0; token < scores.Length; token++)
            scores[token] = ((x[token] - largest) / temperature) - Math.Log(-Math.Log(draw.Uniform(token)));
        return scores;
    }
}
