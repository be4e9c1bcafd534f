// The operators of this group.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc />
    public Tensor Attention(in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor AdditiveAttention(in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public void FreeCache(in KeyValueCache cache) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor CachedAdditiveAttention(in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor CachedAttentionWeights(in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        throw new NotSupportedException();
}
