// How much a model file may ask for: far above every real model, low enough that a hostile one cannot exhaust memory.
namespace Engine.Formats;

/// <summary>Limits that every reader keeps, beside those that the length of the file sets.</summary>
internal static class FormatLimits
{
    /// <summary>Tensors of a file; a stack of 100 layers has about 3,000.</summary>
    public const int Tensors = 65_536;

    /// <summary>UTF-8 bytes of a tensor's name; the longest real one has about 80.</summary>
    public const int NameBytes = 512;

    /// <summary>Dimensions of a tensor; no Transformer needs more than 2.</summary>
    public const int Rank = 8;

    /// <summary>Bytes of a token that a model file stores as a variable.</summary>
    public const int TokenBytes = 4_096;

    /// <summary>Bytes of config.json.</summary>
    public const int ConfigBytes = 1 << 20;

    /// <summary>Bytes of a vocabulary; one of 250,000 tokens has about 4 MB.</summary>
    public const int VocabularyBytes = 1 << 28;

    /// <summary>Bytes of a vocabulary map; that of a model of 32,000 tokens has about 10 MB.</summary>
    public const int VocabularyMapBytes = 1 << 26;

    /// <summary>Rules of a vocabulary map.</summary>
    public const int VocabularyMapRules = 1 << 20;

    /// <summary>Source tokens of a rule; real ones have up to 5.</summary>
    public const int VocabularyMapTokens = 64;

    /// <summary>Bytes of the header of a safetensors file, as the format itself has it.</summary>
    public const int SafeTensorsHeaderBytes = 100_000_000;
}
