// The sub-layer through which a position learns of the others: attention, or what the paper compares it with (Vaswani et al. 2017, 4).
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>A layer from a sequence to another of the same length, for all positions at once or for the newest one.</summary>
public abstract class MixingLayer
{
    /// <summary>What a cache must hold for each position, so that the newest one can be computed by itself.</summary>
    public abstract CacheColumns Cache { get; }

    /// <summary>All positions of all sentences.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="x">[rows, modelDim].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <returns>[rows, modelDim].</returns>
    public abstract Tensor Self(IBackend backend, in Tensor x, in Ragged batch);

    /// <summary>The newest position of each row, given what a cache holds of those before.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="x">[rows, modelDim].</param>
    /// <param name="cache">Of the positions before; the new one is appended.</param>
    /// <param name="slots">[1, rows], i32: where it goes.</param>
    /// <param name="view">What each row sees, the new position included.</param>
    /// <returns>[rows, modelDim].</returns>
    public abstract Tensor SelfStep(IBackend backend, in Tensor x, in KeyValueCache cache, in Tensor slots, in CacheView view);

    /// <summary>Appends rows that are no keys and values of attention.</summary>
    private protected static void Remember(IBackend backend, in KeyValueCache cache, in Tensor rows, in Tensor slots) =>
        backend.Append(cache, rows.ColumnRange(0, 0), rows, slots);
}

/// <summary>Columns of a cache.</summary>
/// <param name="Keys">Of its keys.</param>
/// <param name="Values">Of its values.</param>
/// <param name="Heads">Heads that share them.</param>
public readonly record struct CacheColumns(int Keys, int Values, int Heads);
