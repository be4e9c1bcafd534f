// The special registers that a kernel may read. They are registers filled before a warp starts.
namespace PtxMachine.Parsing;

internal static class Specials
{
    /// <summary>All of 32 bits; the order is the order in which a block fills them.</summary>
    public static readonly string[] Names =
    [
        "%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z",
        "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z",
        "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge",
        "%dynamic_smem_size", "%total_smem_size", "%smid", "%nsmid",
    ];

    public static bool Is(string name) => Array.IndexOf(Names, name) >= 0;

    public static int Index(string name) => Array.IndexOf(Names, name);
}
