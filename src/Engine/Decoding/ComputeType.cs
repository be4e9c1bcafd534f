// The word for the type of the weights, as in CTranslate2.
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>Reads <see cref="TranslatorOptions.ComputeType"/>.</summary>
internal static class ComputeType
{
    /// <summary>The type to convert weights to; null: as they are in the file.</summary>
    /// <exception cref="ArgumentException">There is no such word.</exception>
    public static DType? Parse(string word) => word switch
    {
        "default" => null,
        "auto" or "int8" or "int8_float32" => DType.Int8,
        "int16" => DType.Int16,
        "float" or "float32" => DType.Float32,
        "float16" => DType.Float16,
        "bfloat16" => DType.BFloat16,
        _ => throw new ArgumentException(
            $"The compute type is '{word}', expected 'default', 'auto', 'float32', 'float16', 'bfloat16', 'int16' or 'int8'.",
            nameof(word)),
    };
}
