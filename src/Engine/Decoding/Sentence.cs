// A request on its way through the batch.
namespace Engine.Decoding;

/// <summary>A sentence that waits or is being decoded.</summary>
internal sealed class Sentence
{
    private Search? _search;

    /// <summary>What was asked.</summary>
    public required TranslationRequest Request { get; init; }

    /// <summary>Ids of the source as the encoder sees it.</summary>
    public required int[] SourceIds { get; init; }

    /// <summary>Rules of its search.</summary>
    public required DecodingRules Rules { get; init; }

    /// <summary>Makes its search, at its beginning.</summary>
    public required Func<Search> NewSearch { get; init; }

    /// <summary>Its search.</summary>
    public Search Search => _search ??= NewSearch();

    /// <summary>What the decoder is fed first.</summary>
    public required int StartToken { get; init; }

    /// <summary>The target tokens that it may choose from, ascending; null: all.</summary>
    public int[]? Shortlist { get; init; }

    /// <summary>With a shortlist: its columns in the logits of the batch; null: all of them, in their order.</summary>
    public int[]? Columns { get; set; }

    /// <summary>With a shortlist: candidates that the last step gave for each row.</summary>
    public int Candidates { get; set; }

    /// <summary>Takes the result.</summary>
    public required TaskCompletionSource<TranslationResult> Completion { get; init; }

    /// <summary>Asks to stop.</summary>
    public required CancellationToken Cancellation { get; init; }

    /// <summary>Blocks of the cross-attention caches, while it is being decoded.</summary>
    public int[] SourceBlocks { get; set; } = [];

    /// <summary>First of its rows in the current step.</summary>
    public int FirstRow { get; set; }

    /// <summary>Whether the device once had no room for it although no other sentence was decoded.</summary>
    public bool LackedRoomAlone { get; set; }

    /// <summary>Goes back to the beginning. What it finds then is the same: nothing of a search hangs on when it is run.</summary>
    public void Restart() => _search = null;
}
