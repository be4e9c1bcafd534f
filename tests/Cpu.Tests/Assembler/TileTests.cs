// The machine-made tiles: both conventions of calls, what the self-test sees, and bfloat16 arithmetic through the backend.
using Cpu.Tests.Linear;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Assembler;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Assembler;

public sealed unsafe class TileTests
{
    public static TheoryData<string> Kinds => [.. Enum.GetNames<TileKind>()];

    [Theory, MemberData(nameof(Kinds))]
    public void Where_the_processor_can_the_tiles_pass_their_self_test(string word)
    {
        TileKind kind = Enum.Parse<TileKind>(word);
        TileSet set = TileSet.Of(kind);
        Assert.Equal(TileSet.IsSupported(kind), set.Functions != null);
        Assert.Equal(set.Functions == null, set.Refusal.Length > 0);
    }

    // Windows passes the argument in rcx, Linux in rdi; what Windows wants saved, Linux does not mind.
    [Theory, MemberData(nameof(Kinds))]
    public void Tiles_for_the_other_convention_of_calls_give_the_same(string word)
    {
        TileKind kind = Enum.Parse<TileKind>(word);
        Assert.SkipUnless(TileSet.IsSupported(kind), "the processor lacks the instructions");
        bool other = !OperatingSystem.IsWindows();
        var code = new CodeWriter();
        var starts = new int[TileSet.Slots];
        for (int slot = 0; slot < starts.Length; slot++)
        {
            (int rows, int panels, bool isStream) = TileSet.Size(slot);
            if (!TileCode.IsPossible(rows, panels, isStream)) continue;
            code.Align(64);
            starts[slot] = code.Length;
            if (other) code.Move(Register.Rcx, Register.Rdi);
            else code.Move(Register.Rdi, Register.Rcx);
            TileCode.Write(code, kind, rows, panels, isStream, isWindows: other);
        }

        using ExecutableMemory? memory = ExecutableMemory.TryCreate(code.Code, out string reason);
        Assert.True(memory is not null, reason);
        nint[] functions = [.. Enumerable.Range(0, starts.Length).Select(slot =>
            TileSet.Of(kind).Functions[slot] == 0 ? 0 : (nint)memory.Address + starts[slot])];
        fixed (nint* addresses = functions) Assert.Null(TileTest.FindFault(addresses, kind));
    }

    [Theory, MemberData(nameof(Kinds))]
    public void The_self_test_sees_a_tile_that_leaves_a_row_out(string word)
    {
        TileKind kind = Enum.Parse<TileKind>(word);
        Assert.SkipUnless(TileSet.IsSupported(kind), "the processor lacks the instructions");
        nint[] functions = new Span<nint>(TileSet.Of(kind).Functions, TileSet.Slots).ToArray();
        functions[TileSet.Slot(5, 2, isStream: false)] = functions[TileSet.Slot(4, 2, isStream: false)];
        fixed (nint* addresses = functions)
            Assert.StartsWith($"{kind}, 5 rows, 2 panels", TileTest.FindFault(addresses, kind), StringComparison.Ordinal);
    }

    // What the convention of calls wants back is saved before it is written, and given back in the opposite order.
    [Theory, MemberData(nameof(Kinds))]
    public void The_code_gives_back_the_general_registers_that_its_callers_keep(string word)
    {
        Iced.Intel.Register[] both =
        [
            Iced.Intel.Register.RBX, Iced.Intel.Register.RBP, Iced.Intel.Register.R12, Iced.Intel.Register.R13,
            Iced.Intel.Register.R14, Iced.Intel.Register.R15,
        ];
        foreach (bool isWindows in new[] { false, true })
        {
            Iced.Intel.Register[] kept = isWindows ? [.. both, Iced.Intel.Register.RSI, Iced.Intel.Register.RDI] : both;
            for (int slot = 0; slot < TileSet.Slots; slot++)
            {
                (int rows, int panels, bool isStream) = TileSet.Size(slot);
                if (!TileCode.IsPossible(rows, panels, isStream)) continue;
                var code = new CodeWriter();
                TileCode.Write(code, Enum.Parse<TileKind>(word), rows, panels, isStream, isWindows);
                var decoder = Iced.Intel.Decoder.Create(64, code.Code.ToArray());
                var factory = new Iced.Intel.InstructionInfoFactory();
                List<Iced.Intel.Register> saved = [], restored = [], written = [];
                while (decoder.IP < (ulong)code.Length)
                {
                    Iced.Intel.Instruction read = decoder.Decode();
                    if (read.Mnemonic == Iced.Intel.Mnemonic.Push) saved.Add(read.Op0Register);
                    else if (read.Mnemonic == Iced.Intel.Mnemonic.Pop) restored.Insert(0, read.Op0Register);
                    else
                    {
                        written.AddRange(factory.GetInfo(read).GetUsedRegisters()
                            .Where(static used => used.Access is not (Iced.Intel.OpAccess.Read or Iced.Intel.OpAccess.CondRead
                                or Iced.Intel.OpAccess.NoMemAccess))
                            .Select(static used => Iced.Intel.RegisterExtensions.GetFullRegister(used.Register)));
                    }
                }

                Assert.Equal(saved, restored);
                Assert.Empty(written.Intersect(kept).Except(saved));
            }
        }
    }

    // The vector registers that Windows wants back are saved before they are used, and given back in the same order.
    [Fact]
    public void The_code_for_Windows_saves_what_its_callers_keep()
    {
        var code = new CodeWriter();
        TileCode.Write(code, TileKind.Float32, 12, 2, isStream: false, isWindows: true);
        var decoder = Iced.Intel.Decoder.Create(64, code.Code.ToArray());
        var saved = new List<string>();
        var restored = new List<string>();
        while (decoder.IP < (ulong)code.Length)
        {
            Iced.Intel.Instruction read = decoder.Decode();
            if (read.Mnemonic != Iced.Intel.Mnemonic.Movups) continue;
            bool isStore = read.Op0Kind == Iced.Intel.OpKind.Memory;
            (isStore ? saved : restored).Add(
                $"{(isStore ? read.Op1Register : read.Op0Register)} {read.MemoryBase} {read.MemoryDisplacement64}");
        }

        Assert.Equal([.. Enumerable.Range(6, 10).Select(i => $"XMM{i} RSP {(i - 6) * 16}")], saved);
        Assert.Equal(saved, restored);
    }

    [Fact]
    public void Code_that_can_run_cannot_be_written()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the kinds of access are read from /proc/self/maps");
        using ExecutableMemory? memory = ExecutableMemory.TryCreate([0xC3], out string reason);
        Assert.True(memory is not null, reason);
        string address = ((nint)memory.Address).ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        string line = File.ReadLines("/proc/self/maps").Single(line => line.StartsWith(address, StringComparison.Ordinal));
        Assert.Equal("r-xp", line.Split(' ')[1]);
    }

    [Theory]
    [InlineData(1, 17, 5)]
    [InlineData(4, 33, 64)]
    [InlineData(13, 100, 515)]
    [InlineData(150, 48, 1030)]
    public void BFloat16_arithmetic_gives_the_same_bits_on_every_rung(int rows, int outputs, int inputs)
    {
        TestWeight weight = TestWeight.Create(DType.BFloat16, outputs, inputs, seed: 1);
        float[] x = Run.Floats(rows * inputs, seed: 2);
        int[] portable = Bits(Rung.Portable, machineCode: false);
        Assert.Equal(portable, Bits(Rung.Avx2, machineCode: false));
        Assert.Equal(portable, Bits(Rung.Avx512, machineCode: false));
        Assert.Equal(portable, Bits(Rung.Avx512, machineCode: true));

        int[] Bits(Rung rung, bool machineCode) => Run.Bits(Run.Linear(
            rung, 1, x, rows, weight, rounding: ActivationRounding.BFloat16, machineCode: machineCode));
    }

    [Fact]
    public void BFloat16_arithmetic_gives_the_same_bits_in_any_batch_and_on_any_number_of_threads()
    {
        const int Rows = 31, Outputs = 1083, Inputs = 515;
        TestWeight weight = TestWeight.Create(DType.BFloat16, Outputs, Inputs, seed: 1);
        float[] x = Run.Floats(Rows * Inputs, seed: 2);
        float[] together = Run.Linear(Ladder.Best, 2, x, Rows, weight, rounding: ActivationRounding.BFloat16);
        for (int row = 0; row < Rows; row++)
        {
            float[] alone = Run.Linear(Ladder.Best, 1, x[(row * Inputs)..((row + 1) * Inputs)], 1, weight,
                rounding: ActivationRounding.BFloat16);
            Assert.Equal(Run.Bits(alone), Run.Bits(together[(row * Outputs)..((row + 1) * Outputs)]));
        }
    }

    // A table of embeddings is read out of the same panels.
    [Theory]
    [InlineData(ActivationRounding.Nearest)]
    [InlineData(ActivationRounding.BFloat16)]
    public void Rows_of_a_bfloat16_table_come_back(ActivationRounding rounding)
    {
        TestWeight weight = TestWeight.Create(DType.BFloat16, 35, 7, seed: 1);
        using var backend = new CpuBackend();
        using Weight packed = backend.Pack([weight.Host], rounding);
        backend.BeginFrame();
        Tensor ids = backend.Rent(new Shape(1, 35), DType.Int32);
        backend.Write(ids, Enumerable.Range(0, 35).ToArray());
        var found = new float[35 * 7];
        backend.Read(backend.Embed(ids, packed, 1f, Tensor.None, Tensor.None), found);
        Assert.Equal(weight.Values, Array.ConvertAll(found, static value => (double)value));
        backend.EndFrame();
    }
}
