// The CPU backend by its word.
using Engine.Backends;
using Engine.Cpu.Assembler;
using Engine.Cpu.Simd;

namespace Engine.Cpu;

/// <summary>Makes CPU backends.</summary>
internal sealed class CpuBackendProvider : IBackendProvider
{
    public string Word => "cpu";

    public bool IsAvailable(out string reason)
    {
        int processors = Environment.ProcessorCount;
        reason = $"{CpuOptions.Word(Ladder.Best)}{MachineCode()}, {processors} {(processors == 1 ? "processor" : "processors")}";
        return true;
    }

    public IBackend Create(BackendOptions options) => new CpuBackend(options);

    // The tiles are made and tested here, as the first multiplication of their kind would do.
    private static unsafe string MachineCode()
    {
        if (Ladder.Best != Rung.Avx512) return "";
        (TileKind Kind, string Word)[] kinds = [(TileKind.Float32, "f32"), (TileKind.Int8, "int8"), (TileKind.BFloat16, "bf16")];
        var used = new List<string>();
        var refused = new List<(string Word, string Why)>();
        foreach ((TileKind kind, string word) in kinds)
        {
            TileSet tiles = TileSet.Of(kind);
            if (tiles.Functions != null) used.Add(word);
            else refused.Add((word, tiles.Refusal));
        }

        IEnumerable<string> reasons = refused.GroupBy(refusal => refusal.Why).Select(
            group => used.Count == 0 && group.Count() == kinds.Length
                ? group.Key
                : $"{Words([.. group.Select(refusal => refusal.Word)])}: {group.Key}");
        string why = string.Join("; ", reasons);
        if (used.Count == 0) return $" (no machine code: {why})";
        return $" with machine code for {Words(used)}{(refused.Count == 0 ? "" : $" (none for {why})")}";
    }

    private static string Words(List<string> words) =>
        words.Count == 1 ? words[0] : $"{string.Join(", ", words[..^1])} and {words[^1]}";
}
