// The seam between the tokenizer and the ways to cut normalised text.
namespace Engine.Text.SentencePiece;

/// <summary>Cuts normalised text. Not for several threads at once: it keeps its tables from line to line.</summary>
internal interface ISegmenter
{
    /// <summary>Adds the segments of a text; what no piece matches has the unknown id.</summary>
    void Run(ReadOnlySpan<byte> text, Segments segments);

    /// <summary>A segmentation drawn at random.</summary>
    /// <param name="text">Normalised text.</param>
    /// <param name="alpha">Unigram: how sharp the distribution is. BPE: the probability that a merge is left out.</param>
    /// <param name="random">Where draws come from.</param>
    /// <param name="segments">Where they are added.</param>
    /// <exception cref="NotSupportedException">There is only one way to cut a text.</exception>
    void Sample(ReadOnlySpan<byte> text, double alpha, ref SampleSource random, Segments segments);
}
