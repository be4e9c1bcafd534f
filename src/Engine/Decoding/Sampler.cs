// Drawing from the best tokens (Fan et al. 2018: top-k; Holtzman et al. 2020: top-p).
using Engine.Numerics;

namespace Engine.Decoding;

/// <summary>Draws candidates of one row, or of several at once.</summary>
internal sealed class Sampler(DecodingOptions options)
{
    private float[] _keys = [];
    private int[] _order = [];

    /// <summary>Orders candidates at random, so that the first is a draw by their probabilities and the first n are n draws
    /// without replacement (Gumbel-max trick).</summary>
    /// <param name="scores">Log-probabilities, best first.</param>
    /// <param name="hypothesis">Which hypothesis draws.</param>
    /// <param name="step">At which position.</param>
    /// <returns>Indices of the candidates that top-k and top-p leave, drawn first to last.</returns>
    public ReadOnlySpan<int> Draw(ReadOnlySpan<float> scores, int hypothesis, int step)
    {
        int count = options.SamplingTopK > 0 ? Math.Min(options.SamplingTopK, scores.Length) : scores.Length;
        if (_keys.Length < count)
        {
            _keys = new float[count];
            _order = new int[count];
        }

        float inverse = 1 / options.SamplingTemperature;
        if (options.SamplingTopP < 1) count = Nucleus(scores[..count], inverse);
        for (int i = 0; i < count; i++)
        {
            double uniform = Math.Max(Philox.Uniform(options.Seed, hypothesis, step, i), 1e-9);
            _keys[i] = -((scores[i] * inverse) - (float)Math.Log(-Math.Log(uniform)));
            _order[i] = i;
        }

        Array.Sort(_keys, _order, 0, count);
        return _order.AsSpan(0, count);
    }

    // The smallest number of the best tokens whose probability reaches top-p.
    private int Nucleus(ReadOnlySpan<float> scores, float inverse)
    {
        double total = 0;
        foreach (float score in scores) total += Math.Exp((score - scores[0]) * inverse);
        double reached = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            reached += Math.Exp((scores[i] - scores[0]) * inverse) / total;
            if (reached >= options.SamplingTopP) return i + 1;
        }

        return scores.Length;
    }
}
