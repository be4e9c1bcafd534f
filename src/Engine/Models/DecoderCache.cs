// Keys and values of everything that is being decoded, layer by layer: of the targets so far, and of the sources.
using Engine.Backends;
using Engine.Layers;

namespace Engine.Models;

/// <summary>The caches of all layers of a decoder, which grow together.</summary>
internal sealed class DecoderCache : IDisposable
{
    private readonly IBackend _backend;

    /// <summary>Allocates caches of a few blocks.</summary>
    public DecoderCache(Transformer model, int targetBlocks, int sourceBlocks)
    {
        _backend = model.Backend;
        int made = 0;
        Targets = new KeyValueCache[model.Config.Decoder.Layers];
        Sources = new KeyValueCache[model.Config.Decoder.Layers];
        try
        {
            for (; made < 2 * Targets.Length; made++)
            {
                bool isTarget = made % 2 == 0;
                CacheColumns columns = isTarget ? model.Decoder.TargetCache(made / 2) : model.Decoder.SourceCache(made / 2);
                Half(made) = _backend.AllocateCache(
                    isTarget ? targetBlocks : sourceBlocks, columns.Keys, columns.Values, columns.Heads);
            }
        }
        catch
        {
            while (made > 0) _backend.FreeCache(Half(--made));
            throw;
        }

        ref KeyValueCache Half(int number) => ref (number % 2 == 0 ? Targets : Sources)[number / 2];
    }

    /// <summary>Self-attention, or what stands in its place, by layer.</summary>
    public KeyValueCache[] Targets { get; }

    /// <summary>Cross-attention, by layer.</summary>
    public KeyValueCache[] Sources { get; }

    /// <summary>Blocks of <see cref="Targets"/>.</summary>
    public BlockPool TargetBlocks { get; } = new();

    /// <summary>Blocks of <see cref="Sources"/>.</summary>
    public BlockPool SourceBlocks { get; } = new();

    /// <summary>Makes room for every block that was handed out.</summary>
    /// <exception cref="OutOfMemoryException">There is none; what the caches hold is there.</exception>
    public void Reserve()
    {
        Reserve(Targets, TargetBlocks.Needed);
        Reserve(Sources, SourceBlocks.Needed);
    }

    /// <summary>After <see cref="Reserve()"/> has failed and the blocks that it was for are free: they are forgotten.</summary>
    public void ForgetUnreserved()
    {
        TargetBlocks.Forget(Targets[0].Blocks);
        SourceBlocks.Forget(Sources[0].Blocks);
    }

    /// <summary>Frees the caches.</summary>
    public void Dispose()
    {
        foreach (KeyValueCache cache in Targets) _backend.FreeCache(cache);
        foreach (KeyValueCache cache in Sources) _backend.FreeCache(cache);
    }

    // All layers have equally many blocks, whichever of them found room for more.
    private void Reserve(KeyValueCache[] caches, int blocks)
    {
        if (blocks <= caches[0].Blocks) return;
        try
        {
            foreach (ref KeyValueCache cache in caches.AsSpan()) cache = Grow(cache, blocks);
        }
        finally
        {
            int least = caches.Min(static cache => cache.Blocks);
            foreach (ref KeyValueCache cache in caches.AsSpan()) cache = cache with { Blocks = least };
        }
    }

    // Twice as many, so that it grows seldom; but no more than are needed where there is no room for that.
    private KeyValueCache Grow(in KeyValueCache cache, int blocks)
    {
        if (2 * cache.Blocks <= blocks) return _backend.GrowCache(cache, blocks);
        try
        {
            return _backend.GrowCache(cache, 2 * cache.Blocks);
        }
        catch (OutOfMemoryException)
        {
            return _backend.GrowCache(cache, blocks);
        }
    }
}
