// The kinds of SentencePiece models.
namespace Engine.Text.SentencePiece;

/// <summary>How text is cut, with the numbers that the file has.</summary>
public enum SegmentationType
{
    /// <summary>The most probable sequence of pieces (Kudo 2018).</summary>
    Unigram = 1,

    /// <summary>Byte-pair encoding: the best pair is joined until there is none (Sennrich et al. 2016).</summary>
    Bpe = 2,

    /// <summary>Whole words.</summary>
    Word = 3,

    /// <summary>Single characters.</summary>
    Character = 4,
}
