// Writes what SentencePieceModel reads: the model file of google/sentencepiece (src/sentencepiece_model.proto).
namespace Engine.Text.SentencePiece.Training;

/// <summary>Makes the bytes of a model.</summary>
internal static class SentencePieceModelWriter
{
    /// <summary>A ModelProto.</summary>
    public static byte[] Write(IReadOnlyList<TrainedPiece> pieces, VocabularyOptions options)
    {
        var model = new ProtobufWriter();
        foreach (TrainedPiece piece in pieces)
        {
            var message = new ProtobufWriter();
            message.String(1, piece.Text);
            message.Float(2, piece.Score);
            if (piece.Type != PieceType.Normal) message.Int32(3, (int)piece.Type);
            model.Bytes(1, message.Written);
        }

        model.Bytes(2, Trainer(pieces.Count, options));
        model.Bytes(3, Normalization(options));
        return model.Written.ToArray();
    }

    /// <summary>A NormalizerSpec.</summary>
    public static byte[] Normalization(VocabularyOptions options)
    {
        var message = new ProtobufWriter();
        message.String(1, options.Normalization);
        message.Bytes(2, CharacterMaps.Get(options.Normalization));
        message.Bool(3, options.AddsDummyPrefix);
        message.Bool(4, options.RemovesExtraSpaces);
        message.Bool(5, true);   // spaces are written U+2581
        return message.Written.ToArray();
    }

    // Everything that differs from training to training, and what a reader may want to know of the rest.
    private static byte[] Trainer(int count, VocabularyOptions options)
    {
        var message = new ProtobufWriter();
        message.Int32(3, (int)options.Type);
        message.Int32(4, count);
        message.Float(10, options.CharacterCoverage);
        message.Int32(14, options.SeedSize);
        message.Float(15, (float)UnigramTrainer.ShrinkingFactor);
        message.Int32(17, UnigramTrainer.SubIterations);
        message.Int32(18, options.MaxLineBytes);
        message.Int32(20, options.MaxPieceLength);
        message.Bool(21, true);    // pieces do not mix scripts
        message.Bool(22, true);    // nor reach over spaces
        message.Bool(23, true);    // nor mix digits and letters
        message.Bool(24, false);   // a word begins with its space
        message.Bool(25, options.SplitsDigits);
        message.Bool(26, false);   // no pieces of several spaces
        foreach (string piece in options.Control) message.String(30, piece);
        foreach (string piece in options.UserDefined) message.String(31, piece);
        message.Bool(35, options.HasByteFallback);
        message.Int32(40, options.UnknownId);
        message.Int32(41, options.BeginId);
        message.Int32(42, options.EndId);
        message.Int32(43, options.PadId);
        message.String(44, SentencePieceModel.StandardUnknownSurface);
        message.String(45, options.UnknownPiece);
        message.String(46, options.BeginPiece);
        message.String(47, options.EndPiece);
        message.String(48, options.PadPiece);
        return message.Written.ToArray();
    }
}
