// Keys and values that later steps attend to, in blocks of positions that hypotheses share: reordering beams moves no rows.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>
/// The keys and values of one layer. Slot s is position s mod 16 of block s / 16; the layout inside a block is the backend's.
/// </summary>
/// <param name="Keys">Storage of the keys.</param>
/// <param name="Values">Storage of the values.</param>
/// <param name="Blocks">Number of blocks.</param>
/// <param name="KeyColumns">Width of a key: heads · headDim.</param>
/// <param name="ValueColumns">Width of a value: heads · valueDim.</param>
/// <param name="Heads">Heads that share the columns.</param>
public readonly record struct KeyValueCache(
    Tensor Keys, Tensor Values, int Blocks, int KeyColumns, int ValueColumns, int Heads)
{
    /// <summary>Positions of a block: the lanes of the widest vector, so that a block of keys is scored at once.</summary>
    public const int BlockPositions = 16;
}

/// <summary>What each query row sees of a cache.</summary>
/// <param name="Blocks">
/// [rows, most blocks of a row], i32: the blocks of each row's history, position 0 first. What is beyond a row's length is
/// not read.
/// </param>
/// <param name="Lengths">[1, rows], i32: positions of each row's history, at least 1. The query stands at the last.</param>
/// <param name="Longest">The largest length.</param>
public readonly record struct CacheView(Tensor Blocks, Tensor Lengths, int Longest);
