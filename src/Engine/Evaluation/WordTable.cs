// Words as numbers, for the segment at hand: a word is the node where its code points end.
namespace Engine.Evaluation;

/// <summary>Numbers words.</summary>
internal sealed class WordTable
{
    private readonly NGramTable _table = new();

    /// <summary>Forgets all words.</summary>
    public void Clear() => _table.Clear();

    /// <summary>The number of a word.</summary>
    public int Number(ReadOnlySpan<int> word)
    {
        int node = NGramTable.Root;
        foreach (int c in word) node = _table.Extend(node, c);
        return node;
    }

    /// <summary>Appends the numbers of the words that white space parts.</summary>
    public void AddWords(ReadOnlySpan<int> text, List<int> words)
    {
        int node = NGramTable.Root;
        foreach (int c in text)
        {
            if (!PythonText.IsSpace(c))
            {
                node = _table.Extend(node, c);
            }
            else if (node != NGramTable.Root)
            {
                words.Add(node);
                node = NGramTable.Root;
            }
        }

        if (node != NGramTable.Root) words.Add(node);
    }
}
