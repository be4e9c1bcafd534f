// Models whose pieces are whole words, or single characters.
namespace Engine.Text.SentencePiece;

/// <summary>Each word, or each character, is a piece or unknown.</summary>
internal sealed class WholeSegmenter(PieceTable table, bool isByWord) : ISegmenter
{
    public void Run(ReadOnlySpan<byte> text, Segments segments)
    {
        for (int start = 0, length; start < text.Length; start += length)
        {
            ReadOnlySpan<byte> rest = text[start..];
            length = isByWord
                ? Characters.WordLength(rest, table.Model.HasSpaceAsSuffix)
                : table.UserDefined?.Longest(rest).Length ?? 0;
            if (length == 0) length = Characters.Length(rest);
            int id = table.Text.Find(rest[..length]);
            segments.Add(new Segment(id >= 0 ? id : table.Model.UnknownId, start, start + length));
        }
    }

    public void Sample(ReadOnlySpan<byte> text, double alpha, ref SampleSource random, Segments segments) =>
        throw new NotSupportedException(
            $"{table.Model.Path}: a model of type {table.Model.Segmentation} has one way to cut a text; only Unigram and Bpe are sampled.");
}
