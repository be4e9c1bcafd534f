// The element types that tensors and model files hold.
using System.Diagnostics.CodeAnalysis;

namespace Engine.Tensors;

/// <summary>The type of a tensor's elements.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The field calls the types by these names.")]
public enum DType
{
    /// <summary>IEEE 754 binary32, 4 bytes. All arithmetic of the engine is in this type unless said otherwise.</summary>
    Float32,

    /// <summary>IEEE 754 binary16, 2 bytes. Weights only: widened to float32 before they are used.</summary>
    Float16,

    /// <summary>bfloat16, 2 bytes: the upper half of a binary32. Weights only: widened to float32 before they are used.</summary>
    BFloat16,

    /// <summary>Signed 8-bit integer with a scale for each row. Weights only.</summary>
    Int8,

    /// <summary>Signed 16-bit integer with one scale for the tensor. Weights only.</summary>
    Int16,

    /// <summary>Signed 32-bit integer: token ids, offsets and indices.</summary>
    Int32,
}

/// <summary>Facts about a <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Bytes(this DType type) => type switch
    {
        DType.Float32 or DType.Int32 => 4,
        DType.Float16 or DType.BFloat16 or DType.Int16 => 2,
        DType.Int8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    /// <summary>Whether the elements are floating-point numbers.</summary>
    public static bool IsFloat(this DType type) => type is DType.Float32 or DType.Float16 or DType.BFloat16;

    /// <summary>The word that configurations and the command line use, as in <c>float32</c>.</summary>
    public static string Word(this DType type) => type switch
    {
        DType.Float32 => "float32",
        DType.Float16 => "float16",
        DType.BFloat16 => "bfloat16",
        DType.Int8 => "int8",
        DType.Int16 => "int16",
        DType.Int32 => "int32",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };
}
