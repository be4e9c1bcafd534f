// One line of one kernel, changed when its module is loaded: what a test plants to see whether a check or a test finds it.
namespace CudaStandIn;

internal sealed class Mutation(string kernel, string line, int occurrence, string replacement)
{
    /// <summary>Modules in which the line was found and changed.</summary>
    public int Applied { get; private set; }

    /// <summary>The text with the n-th line of the kernel that reads so, counted from 1, in its new words.</summary>
    public string Apply(string text)
    {
        int at = text.IndexOf($".entry {kernel}(", StringComparison.Ordinal), left = occurrence;
        while (at >= 0 && at < text.Length && text[at] != '}')
        {
            int end = text.IndexOf('\n', at);
            if (end < 0) end = text.Length;
            if (text.AsSpan(at, end - at).Trim().SequenceEqual(line) && --left == 0)
            {
                Applied++;
                return string.Concat(text.AsSpan(0, at), replacement, text.AsSpan(end));
            }

            at = end + 1;
        }

        return text;
    }
}
