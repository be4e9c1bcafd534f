// A request on its way through the batch.
namespace Engine.Decoding;

/// <summary>A sentence that waits or is being decoded.</summary>
internal sealed class Sentence
{
    /// <summary>What was asked.</summary>
    public required TranslationRequest Request { get; init; }

    /// <summary>Ids of the source as the encoder sees it.</summary>
    public required int[] SourceIds { get; init; }

    /// <summary>Rules of its search.</summary>
    public required DecodingRules Rules { get; init; }

    /// <summary>Its search.</summary>
    public required Search Search { get; init; }

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
}
