// What a SentencePiece model says about preparing text.
using System.Text;

namespace Engine.Text.SentencePiece;

/// <summary>The normaliser's settings.</summary>
internal sealed class NormalizerRules
{
    public CharacterMap Map { get; private set; } = CharacterMap.Empty;

    /// <summary>A space before the text, so that its first word is as any other.</summary>
    public bool AddsDummyPrefix { get; private set; } = true;

    /// <summary>Spaces at the ends are removed, several become one.</summary>
    public bool RemovesExtraSpaces { get; private set; } = true;

    /// <summary>Spaces are written U+2581.</summary>
    public bool EscapesSpaces { get; private set; } = true;

    /// <param name="message">A NormalizerSpec.</param>
    /// <param name="file">For errors.</param>
    /// <param name="model">Who is told the name.</param>
    public static NormalizerRules Read(ReadOnlySpan<byte> message, string file, SentencePieceModel? model)
    {
        var rules = new NormalizerRules();
        var reader = new ProtobufReader(message, file);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    string name = Encoding.UTF8.GetString(reader.Bytes());   // read even where nobody wants it
                    model?.SetNormalization(name);
                    break;
                case 2: rules.Map = CharacterMap.Read(reader.Bytes(), file); break;
                case 3: rules.AddsDummyPrefix = reader.Bool(); break;
                case 4: rules.RemovesExtraSpaces = reader.Bool(); break;
                case 5: rules.EscapesSpaces = reader.Bool(); break;
                default: reader.Skip(); break;
            }
        }

        return rules;
    }
}
