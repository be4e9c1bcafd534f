// The ways to cut text into the words that BLEU counts; each has its word in the signature.
namespace Engine.Evaluation;

/// <summary>How BLEU cuts a sentence into words.</summary>
public enum BleuTokenizer
{
    /// <summary><c>13a</c>: as mteval-v13a.pl of NIST did, and WMT does. For languages that part words by spaces.</summary>
    V13a,

    /// <summary><c>intl</c>: as mteval-v14.pl with <c>--international-tokenization</c>: by Unicode's categories.</summary>
    International,

    /// <summary><c>char</c>: every character that is no white space is a word.</summary>
    Characters,

    /// <summary><c>zh</c>: every Chinese character is a word; the rest is cut as by <see cref="V13a"/>.</summary>
    Chinese,

    /// <summary><c>none</c>: words are what white space parts.</summary>
    None,
}
