// Random numbers of a line, by a counter: the same seed and line give the same draws, whatever was cut before.
using Engine.Numerics;

namespace Engine.Text.SentencePiece;

/// <summary>Draws for one line.</summary>
/// <param name="seed">Key.</param>
/// <param name="line">Which line, so that equal lines are cut differently.</param>
internal struct SampleSource(long seed, int line)
{
    private int _draws;

    /// <summary>A number in [0, 1).</summary>
    public float Next() => Philox.Uniform(seed, hypothesis: line, step: 0, draw: _draws++);
}
