// How many sentences may stand side by side: as many as were asked for, until the device has no room for them. What it can hold depends
// on their lengths, so after a while of success a few more are tried.
namespace Engine.Decoding;

/// <summary>The size of the batch that the device can be trusted with.</summary>
internal sealed class BatchLimit
{
    // Half as many more, after twice as many have ended well: what fails costs a new beginning of half the batch.
    private const int PartOfGrowth = 2, SuccessesOfGrowth = 2;

    private readonly int _most;
    private int _finished;

    /// <summary>Begins with as many as were asked for.</summary>
    /// <param name="most">As many as were asked for, at least 1.</param>
    public BatchLimit(int most) => Sentences = _most = most;

    /// <summary>Sentences that may be decoded side by side, 1 to as many as were asked for.</summary>
    public int Sentences { get; private set; }

    /// <summary>There was no room for more than these.</summary>
    public void Lower(int sentences)
    {
        Sentences = Math.Clamp(sentences, 1, Sentences);
        _finished = 0;
    }

    /// <summary>Sentences have ended, and there was room.</summary>
    public void Finished(int count)
    {
        if (Sentences == _most) return;
        _finished += count;
        if (_finished < SuccessesOfGrowth * Sentences) return;
        Sentences = Math.Min(_most, Sentences + Math.Max(1, Sentences / PartOfGrowth));
        _finished = 0;
    }
}
