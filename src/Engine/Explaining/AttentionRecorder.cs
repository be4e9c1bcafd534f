// A backend around another that asks it for the weights of each attention, so that neither the graph nor the fast path knows of it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Explaining;

/// <summary>Passes everything on, and keeps the weights of attention of whole sentences, one call after the other.</summary>
/// <param name="inner">Does the work, and stays its owner's.</param>
internal sealed class AttentionRecorder(IBackend inner) : DelegatingBackend(inner)
{
    private readonly List<float[]> _calls = [];

    /// <summary>Of each call so far [queryRows · heads, longest keys].</summary>
    public IReadOnlyList<float[]> Calls => _calls;

    public override Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        Keep(Inner.AttentionWeights(query, key, Tensor.None, queries, keys, spec));
        return Inner.Attention(query, key, value, queries, keys, spec);
    }

    public override Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        Keep(Inner.AttentionWeights(query, key, score, queries, keys, spec));
        return Inner.AdditiveAttention(query, key, value, score, queries, keys, spec);
    }

    private void Keep(in Tensor weights)
    {
        var values = new float[weights.Shape.Count];
        Inner.Read(weights, values);
        _calls.Add(values);
    }
}
