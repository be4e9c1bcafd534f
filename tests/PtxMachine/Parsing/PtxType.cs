// The fundamental types of PTX, with their sizes: every check of widths rests on this table.
namespace PtxMachine.Parsing;

internal enum PtxType
{
    None, Pred, B8, B16, B32, B64, B128, U8, U16, U32, U64, S8, S16, S32, S64, F16, F16x2, BF16, BF16x2, TF32, F32, F64,
}

internal static class PtxTypes
{
    private static readonly Dictionary<string, PtxType> ByName = Enum.GetValues<PtxType>()
        .Where(t => t != PtxType.None)
        .ToDictionary(t => Lower(t.ToString()), t => t);

    public static bool TryParse(string name, out PtxType type) => ByName.TryGetValue(name, out type);

    public static string Name(this PtxType type) => Lower(type.ToString());

    /// <summary>Bytes in memory; a predicate has none.</summary>
    public static int Bytes(this PtxType type) => type switch
    {
        PtxType.B8 or PtxType.U8 or PtxType.S8 => 1,
        PtxType.B16 or PtxType.U16 or PtxType.S16 or PtxType.F16 or PtxType.BF16 => 2,
        PtxType.B64 or PtxType.U64 or PtxType.S64 or PtxType.F64 => 8,
        PtxType.B128 => 16,
        PtxType.Pred or PtxType.None => 0,
        _ => 4,
    };

    public static bool IsSigned(this PtxType type) =>
        type is PtxType.S8 or PtxType.S16 or PtxType.S32 or PtxType.S64;

    /// <summary>Types that a register of an integer type must not be used for.</summary>
    public static bool IsFloat(this PtxType type) => type is PtxType.F32 or PtxType.F64;

    public static bool IsInteger(this PtxType type) => type is >= PtxType.U8 and <= PtxType.S64;

    // Names of types are lower case in PTX.
    private static string Lower(string name) => string.Create(name.Length, name, static (span, text) =>
    {
        for (int i = 0; i < span.Length; i++) span[i] = char.ToLowerInvariant(text[i]);
    });
}
