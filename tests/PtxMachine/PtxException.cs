// What is wrong with a PTX text, told as an assembler would: by line, before anything runs.
namespace PtxMachine;

/// <summary>PTX that a driver would refuse; the number is the line in the text.</summary>
internal sealed class PtxException(int line, string message) : Exception($"line {line}: {message}")
{
    public int Line { get; } = line;

    /// <summary>The text asks for a newer PTX or a newer device than there is.</summary>
    public bool IsVersion { get; init; }

    /// <summary>The text is for another device.</summary>
    public bool IsTarget { get; init; }
}
