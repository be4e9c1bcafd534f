// The output layer of a batch in which sentences have shortlists. It is computed for the tokens of all lists at once, and each
// sentence then sees the columns of its own list, so that what it gets does not depend on the lists of others.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>What is computed of the output layer. Changes when sentences enter, not in a step.</summary>
internal sealed class Shortlist(Transformer model) : IDisposable
{
    // A selection of more than this part of the vocabulary saves less than it costs.
    private const double LargestPart = 0.5;

    private readonly IBackend _backend = model.Backend;
    private float[]? _allBias;
    private int[] _tokens = [];
    private Weight? _weight;
    private Tensor _bias = Tensor.None;

    /// <summary>Whether any sentence has a list.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>The layer to compute; null: the whole one.</summary>
    public LinearWeights? Output => _weight is null ? null : new LinearWeights(_weight, _bias);

    /// <summary>By token its column in the layer, −1: it has none; null: the column is the token.</summary>
    public int[]? Columns { get; private set; }

    /// <summary>Sentences entered.</summary>
    public void Update(IReadOnlyList<Sentence> sentences)
    {
        IsUsed = false;
        bool all = true;
        foreach (Sentence sentence in sentences)
        {
            IsUsed |= sentence.Shortlist is not null;
            all &= sentence.Shortlist is not null;
        }

        if (!IsUsed || !all) Clear();
        else if (Columns is null || !Has(sentences)) Select(sentences);
        foreach (Sentence sentence in sentences) sentence.Columns = ColumnsOf(sentence);
    }

    /// <summary>Frees what was selected.</summary>
    public void Dispose() => Clear();

    private bool Has(IReadOnlyList<Sentence> sentences)
    {
        foreach (Sentence sentence in sentences)
            foreach (int token in sentence.Shortlist!)
                if (Columns![token] < 0) return false;
        return true;
    }

    private void Select(IReadOnlyList<Sentence> sentences)
    {
        Clear();
        var union = new SortedSet<int>();
        foreach (Sentence sentence in sentences) union.UnionWith(sentence.Shortlist!);
        int vocabulary = model.Config.TargetVocabulary;
        if (union.Count > LargestPart * vocabulary) return;
        try
        {
            CopyLayer([.. union]);
        }
        catch (OutOfMemoryException)
        {
            Clear();   // the whole layer gives the same numbers
            return;
        }

        Columns = new int[vocabulary];
        Array.Fill(Columns, -1);
        for (int column = 0; column < _tokens.Length; column++) Columns[_tokens[column]] = column;
    }

    private void CopyLayer(int[] tokens)
    {
        LinearWeights whole = model.Decoder.Output;
        _tokens = tokens;
        _weight = _backend.SelectOutputs(whole.Weight, tokens);
        if (whole.Bias.IsNone) return;
        if (_allBias is null) _backend.Read(whole.Bias, _allBias = new float[model.Config.TargetVocabulary]);
        _bias = _backend.Allocate(new Shape(1, tokens.Length), DType.Float32);
        _backend.Write(_bias, Array.ConvertAll(tokens, token => _allBias[token]));
    }

    // Null: the layer is the sentence's own, column by column.
    private int[]? ColumnsOf(Sentence sentence)
    {
        if (sentence.Shortlist is not { } list) return null;
        if (Columns is not { } columns) return list;
        return list.Length == _tokens.Length ? null : Array.ConvertAll(list, token => columns[token]);
    }

    private void Clear()
    {
        _weight?.Dispose();
        if (!_bias.IsNone) _backend.Free(_bias);
        (_weight, _bias, Columns, _tokens) = (null, Tensor.None, null, []);
    }
}
