// The tiles of one kind, made when they are first needed: written, sealed, and each compared with plain loops before it is
// trusted with anybody's numbers.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Assembler;

/// <summary>Machine code for every size of tile of one kind. Made once in a process, and never freed.</summary>
internal sealed unsafe class TileSet
{
    private static readonly Lazy<TileSet>[] s_sets =
        [.. Enum.GetValues<TileKind>().Select(static kind => new Lazy<TileSet>(() => new TileSet(kind)))];

    private readonly ExecutableMemory? _memory;

    /// <summary>What sums begin with where they begin with nothing: a vector of zeros for each panel of the widest tile.</summary>
    public static readonly byte* Zeros = (byte*)NativeMemory.AllocZeroed(TileCode.MostPanels, 64);

    private TileSet(TileKind kind)
    {
        if (!IsSupported(kind))
        {
            Refusal = "the processor lacks the instructions";
            return;
        }

        var code = new CodeWriter();
        int[] starts = new int[Slots];
        for (int slot = 0; slot < Slots; slot++)
        {
            (int rows, int panels, bool isStream) = Size(slot);
            if (!TileCode.IsPossible(rows, panels, isStream)) continue;
            code.Align(64);
            starts[slot] = code.Length + 1;
            TileCode.Write(code, kind, rows, panels, isStream, OperatingSystem.IsWindows());
        }

        _memory = ExecutableMemory.TryCreate(code.Code, out string refusal);
        Refusal = refusal;
        if (_memory is null) return;
        Functions = (nint*)NativeMemory.AllocZeroed((nuint)Slots, (nuint)sizeof(nint));
        for (int slot = 0; slot < Slots; slot++)
        {
            if (starts[slot] > 0) Functions[slot] = (nint)_memory.Address + starts[slot] - 1;
        }

        if (TileTest.FindFault(Functions, kind) is not { } fault) return;
        Refusal = $"its self-test failed: {fault}";
        Functions = null;
    }

    /// <summary>Addresses of functions by <see cref="Slot"/>; null: there are none, and <see cref="Refusal"/> says why.</summary>
    public nint* Functions { get; }

    /// <summary>Why there is no machine code; empty if there is.</summary>
    public string Refusal { get; }

    /// <summary>Places of <see cref="Functions"/>.</summary>
    public static int Slots => Slot(TileCode.MostRows, TileCode.MostPanels, isStream: true) + 1;

    /// <summary>The tiles of a kind.</summary>
    public static TileSet Of(TileKind kind) => s_sets[(int)kind].Value;

    /// <summary>Where in <see cref="Functions"/> a tile is.</summary>
    public static int Slot(int rows, int panels, bool isStream) =>
        ((((isStream ? 1 : 0) * TileCode.MostRows) + (rows - 1)) * TileCode.MostPanels) + (panels - 1);

    /// <summary>What <see cref="Slot"/> was made of.</summary>
    public static (int Rows, int Panels, bool IsStream) Size(int slot)
    {
        (int rest, int panels) = Math.DivRem(slot, TileCode.MostPanels);
        (int isStream, int rows) = Math.DivRem(rest, TileCode.MostRows);
        return (rows + 1, panels + 1, isStream > 0);
    }

    /// <summary>Whether the processor has the instructions, and the system saves their registers.</summary>
    public static bool IsSupported(TileKind kind)
    {
        if (!Avx512F.IsSupported) return false;
        if (kind == TileKind.Float32) return true;
        if (X86Base.CpuId(0, 0).Eax < 7) return false;
        (int leaves, _, int features, _) = X86Base.CpuId(7, 0);
        if (kind == TileKind.Int8) return (features & (1 << 11)) != 0;                        // AVX512_VNNI
        return leaves >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;                      // AVX512_BF16
    }
}
