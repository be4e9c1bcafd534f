// A live hypothesis in the batch: its newest token, and which cache blocks hold its history.
using Engine.Models;

namespace Engine.Decoding;

/// <summary>A row of a decoding step; kept and reused by the batch.</summary>
internal sealed class Row
{
    private int[] _blocks = new int[16];

    /// <summary>Whose hypothesis it is.</summary>
    public Sentence? Sentence { get; set; }

    /// <summary>What the decoder is fed next.</summary>
    public int Token { get; set; }

    /// <summary>Positions of the history that are in the cache.</summary>
    public int Length { get; set; }

    /// <summary>Blocks of the history, position 0 first.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    /// <summary>Number of blocks.</summary>
    public int BlockCount { get; private set; }

    /// <summary>Adds a block.</summary>
    public void AddBlock(int block)
    {
        if (BlockCount == _blocks.Length) Array.Resize(ref _blocks, 2 * BlockCount);
        _blocks[BlockCount++] = block;
    }

    /// <summary>Puts another block in the place of the last.</summary>
    public void ReplaceLastBlock(int block) => _blocks[BlockCount - 1] = block;

    /// <summary>Takes the last block away.</summary>
    public void RemoveLastBlock() => BlockCount--;

    /// <summary>Shares the history of another row.</summary>
    public void Share(Row other, BlockPool pool)
    {
        Sentence = other.Sentence;
        Length = other.Length;
        BlockCount = 0;
        foreach (int block in other.Blocks)
        {
            pool.Share(block);
            AddBlock(block);
        }
    }

    /// <summary>Lets go of the history.</summary>
    public void Clear(BlockPool pool)
    {
        foreach (int block in Blocks) pool.Release(block);
        BlockCount = Length = 0;
        Sentence = null;
    }
}
