// Keys and values of everything that is being decoded, layer by layer: of the targets so far, and of the sources.
using Engine.Backends;

namespace Engine.Models;

/// <summary>The caches of all layers of a decoder, which grow together.</summary>
internal sealed class DecoderCache : IDisposable
{
    private readonly IBackend _backend;

    /// <summary>Allocates caches of a few blocks.</summary>
    public DecoderCache(Transformer model, int targetBlocks, int sourceBlocks)
    {
        _backend = model.Backend;
        AttentionConfig attention = model.Config.Decoder.Attention;
        int width = attention.Heads * attention.HeadDim;
        Targets = new KeyValueCache[model.Config.Decoder.Layers];
        Sources = new KeyValueCache[model.Config.Decoder.Layers];
        for (int layer = 0; layer < Targets.Length; layer++)
        {
            Targets[layer] = _backend.AllocateCache(targetBlocks, width, width, attention.Heads);
            Sources[layer] = _backend.AllocateCache(sourceBlocks, width, width, attention.Heads);
        }
    }

    /// <summary>Self-attention, by layer.</summary>
    public KeyValueCache[] Targets { get; }

    /// <summary>Cross-attention, by layer.</summary>
    public KeyValueCache[] Sources { get; }

    /// <summary>Blocks of <see cref="Targets"/>.</summary>
    public BlockPool TargetBlocks { get; } = new();

    /// <summary>Blocks of <see cref="Sources"/>.</summary>
    public BlockPool SourceBlocks { get; } = new();

    /// <summary>Makes room for every block that was handed out.</summary>
    public void Reserve()
    {
        Reserve(Targets, TargetBlocks.Needed);
        Reserve(Sources, SourceBlocks.Needed);
    }

    /// <summary>Frees the caches.</summary>
    public void Dispose()
    {
        foreach (KeyValueCache cache in Targets) _backend.FreeCache(cache);
        foreach (KeyValueCache cache in Sources) _backend.FreeCache(cache);
    }

    private void Reserve(KeyValueCache[] caches, int blocks)
    {
        if (blocks <= caches[0].Blocks) return;
        int grown = Math.Max(blocks, 2 * caches[0].Blocks);
        for (int layer = 0; layer < caches.Length; layer++) caches[layer] = _backend.GrowCache(caches[layer], grown);
    }
}
