// Which PTX version and which device an opcode needs. A compiler copies inline assembly unread, so a text may promise less
// than it uses; a driver then refuses it on the user's machine. The least versions are from the PTX manual.
using PtxMachine.Parsing;

namespace PtxMachine.Decoding;

internal static class Requirements
{
    // In order: the first line whose words an opcode all has.
    private static readonly (string[] Words, int Version, int Target, bool Exact)[] Table =
    [
        (["wgmma"], 80, 90, true),
        (["setmaxnreg"], 80, 90, true),
        (["cp", "async", "bulk"], 80, 90, false),
        (["mbarrier", "try_wait"], 78, 90, false),
        (["mbarrier"], 70, 80, false),
        (["griddepcontrol"], 78, 90, false),
        (["stmatrix"], 78, 90, false),
        (["cp", "async"], 70, 80, false),
        (["ldmatrix"], 65, 75, false),
        (["mma", "bf16"], 70, 80, false),
        (["mma", "tf32"], 70, 80, false),
        (["mma", "m16n8k16"], 70, 80, false),
        (["mma", "m16n8k32"], 70, 80, false),
        (["mma", "m16n8k8"], 65, 75, false),
        (["mma"], 65, 75, false),
        (["redux"], 70, 80, false),
        (["cvt", "bf16x2"], 70, 80, false),
        (["cvt", "f16x2"], 70, 80, false),
        (["cvt", "tf32"], 70, 80, false),
        (["cvt", "rn", "bf16", "f32"], 70, 80, false),
        (["cvt", "bf16"], 78, 90, false),
        (["fma", "bf16"], 70, 80, false),
        (["fma", "bf16x2"], 70, 80, false),
        (["max", "bf16"], 70, 80, false),
        (["min", "bf16"], 70, 80, false),
        (["max", "bf16x2"], 70, 80, false),
        (["min", "bf16x2"], 70, 80, false),
        (["abs", "bf16"], 70, 80, false),
        (["neg", "bf16"], 70, 80, false),
        (["add", "bf16"], 78, 90, false),
        (["add", "bf16x2"], 78, 90, false),
        (["sub", "bf16"], 78, 90, false),
        (["sub", "bf16x2"], 78, 90, false),
        (["mul", "bf16"], 78, 90, false),
        (["mul", "bf16x2"], 78, 90, false),
        (["setp", "bf16"], 78, 90, false),
        (["max", "f16"], 70, 80, false),
        (["min", "f16"], 70, 80, false),
        (["max", "f16x2"], 70, 80, false),
        (["min", "f16x2"], 70, 80, false),
        (["max", "NaN"], 70, 80, false),
        (["min", "NaN"], 70, 80, false),
        (["tanh"], 70, 75, false),
        (["ex2", "f16"], 70, 75, false),
        (["add", "f16"], 42, 53, false),
        (["fma", "f16"], 42, 53, false),
        (["match"], 60, 70, false),
        (["activemask"], 62, 30, false),
        (["nanosleep"], 63, 70, false),
        (["fence"], 60, 70, false),
        (["ld", "relaxed"], 60, 70, false),
        (["ld", "acquire"], 60, 70, false),
        (["st", "release"], 60, 70, false),
        (["st", "relaxed"], 60, 70, false),
        (["atom", "acq_rel"], 60, 70, false),
        (["atom", "acquire"], 60, 70, false),
        (["atom", "release"], 60, 70, false),
        (["ld", "shared::cta"], 78, 30, false),
        (["st", "shared::cta"], 78, 30, false),
        (["barrier", "cta"], 78, 30, false),
        (["shfl", "sync"], 60, 30, false),
        (["vote", "sync"], 60, 30, false),
        (["bar", "warp"], 60, 30, false),
        (["barrier"], 60, 30, false),
        (["dp4a"], 50, 61, false),
        (["lop3"], 43, 50, false),
        (["atom", "add", "f64"], 50, 60, false),
        (["red", "add", "f64"], 50, 60, false),
    ];

    /// <summary>Throws where the module promises less than the instruction needs.</summary>
    public static void Check(Module module, Instruction instruction)
    {
        foreach ((string[] words, int version, int target, bool exact) in Table)
        {
            if (instruction.Words[0] != words[0] || !words.Skip(1).All(instruction.Has)) continue;
            if (module.Version < version)
                throw new PtxException(instruction.Line, $"'{instruction.Opcode}' needs .version {version / 10}.{version % 10}, the text has {module.Version / 10}.{module.Version % 10}.");
            if (module.Target < target || (exact && !(module.TargetIsExact && module.Target == target)))
                throw new PtxException(instruction.Line, $"'{instruction.Opcode}' needs .target sm_{target}{(exact ? "a" : "")}, the text has sm_{module.Target}{(module.TargetIsExact ? "a" : "")}.");
            return;
        }
    }
}
