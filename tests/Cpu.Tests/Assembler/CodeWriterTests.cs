// Every instruction that the assembler can write, read back by a disassembler that others wrote.
using Engine.Cpu.Assembler;
using Iced.Intel;
using Xunit;
using CodeWriter = Engine.Cpu.Assembler.CodeWriter;
using Register = Engine.Cpu.Assembler.Register;

namespace Cpu.Tests.Assembler;

public sealed class CodeWriterTests
{
    private static readonly Register[] s_registers = Enum.GetValues<Register>();

    // Displacements that need 0, 1 and 4 bytes, and the last and first of each; in units of 4 and 64 too.
    private static readonly int[] s_displacements = [0, 1, 4, 64, 127, 128, -128, -129, 508, 512, 8128, 8192, -8192, 70_000];

    [Fact]
    public void Every_instruction_reads_back_as_it_was_meant()
    {
        foreach (Place place in Places())
        {
            string memory = Text(place);
            Assert.Equal($"mov r9,{memory}", Written(code => code.Load(Register.R9, place)));
            Assert.Equal($"mov {memory},rbx", Written(code => code.Store(Register.Rbx, place)));
            Assert.Equal($"lea rsi,{memory}", Written(code => code.Address(Register.Rsi, place)));
            Assert.Equal($"prefetcht0 {memory}", Written(code => code.Prefetch(place)));
            foreach (int vector in new[] { 0, 7, 8, 15 })
            {
                Assert.Equal($"movups {memory},xmm{vector}", Written(code => code.StoreLow(vector, place)));
                Assert.Equal($"movups xmm{vector},{memory}", Written(code => code.LoadLow(vector, place)));
            }

            foreach (int vector in new[] { 0, 7, 8, 15, 16, 23, 24, 31 })
            {
                Assert.Equal($"vmovups zmm{vector},{memory}", Written(code => code.LoadVector(vector, place)));
                Assert.Equal($"vmovups {memory},zmm{vector}", Written(code => code.StoreVector(vector, place)));
                Assert.Equal($"vpbroadcastd zmm{vector},{memory}", Written(code => code.Broadcast(vector, place)));
                Assert.Equal($"vpdpbusd zmm3,zmm{vector},{memory}",
                    Written(code => code.Vector(VectorCode.DotBytes, 3, vector, place)));
            }
        }
    }

    [Fact]
    public void Every_operation_on_registers_reads_back_as_it_was_meant()
    {
        (VectorCode Code, string Name)[] operations =
        [
            (VectorCode.Xor, "vpxord"), (VectorCode.Maximum, "vmaxps"), (VectorCode.MultiplyAdd, "vfmadd231ps"),
            (VectorCode.DotBytes, "vpdpbusd"), (VectorCode.Multiply, "vmulps"), (VectorCode.Divide, "vdivps"),
            (VectorCode.AddFloats, "vaddps"), (VectorCode.DotBFloat16, "vdpbf16ps"),
        ];
        for (int to = 0; to < 32; to++)
        {
            int left = (to * 5 + 3) % 32, right = (to * 11 + 7) % 32;
            foreach ((VectorCode operation, string name) in operations)
            {
                Assert.Equal($"{name} zmm{to},zmm{left},zmm{right}",
                    Written(code => code.Vector(operation, to, left, right)));
            }

            Assert.Equal($"vcvtdq2ps zmm{to},zmm{right}", Written(code => code.Vector(VectorCode.ToFloat, to, 0, right)));
        }

        foreach (Register to in s_registers)
        {
            string name = Name(to);
            Assert.Equal($"push {name}", Written(code => code.Push(to)));
            Assert.Equal($"pop {name}", Written(code => code.Pop(to)));
            foreach (int number in new[] { 1, 127, 128, -128, -129 })
            {
                Assert.Equal($"add {name},{number}", Written(code => code.Add(to, number)));
                Assert.Equal($"sub {name},{number}", Written(code => code.Subtract(to, number)));
                Assert.Equal($"mov {name},{number}", Written(code => code.Load(to, number)));
            }

            foreach (Register from in s_registers)
            {
                Assert.Equal($"mov {name},{Name(from)}", Written(code => code.Move(to, from)));
                Assert.Equal($"add {name},{Name(from)}", Written(code => code.Add(to, from)));
            }
        }

        Assert.Equal("ret", Written(code => code.Return()));
        Assert.Equal("vzeroupper", Written(code => code.ZeroUpper()));
    }

    [Fact]
    public void Jumps_end_where_they_were_meant_to()
    {
        var code = new CodeWriter();
        int start = code.Length;
        int forward = code.JumpForwardIf(Condition.Less);
        code.Align(64);
        code.JumpIf(Condition.NotZero, start);
        code.Land(forward);
        Instruction[] read = Read(code.Code);
        Assert.Equal(Mnemonic.Jl, read[0].Mnemonic);
        Assert.Equal((ulong)code.Length, read[0].NearBranchTarget);
        Assert.Equal(Mnemonic.Jne, read[^1].Mnemonic);
        Assert.Equal((ulong)start, read[^1].NearBranchTarget);
        Assert.All(read[1..^1], static nothing => Assert.Equal(Mnemonic.Nop, nothing.Mnemonic));
        Assert.Equal(64UL, read[^1].IP);
    }

    private static IEnumerable<Place> Places()
    {
        foreach (Register register in s_registers)
        {
            foreach (int displacement in s_displacements)
            {
                yield return new Place(register, displacement);
                foreach (Register index in new[] { Register.Rax, Register.Rdx, Register.Rbp, Register.R8, Register.R12 })
                    yield return new Place(register, displacement, index, 1 << (displacement & 3));
            }
        }
    }

    private static string Written(Action<CodeWriter> write)
    {
        var code = new CodeWriter();
        write(code);
        Instruction instruction = Assert.Single(Read(code.Code));
        var output = new StringOutput();
        new NasmFormatter(new FormatterOptions
        {
            MemorySizeOptions = MemorySizeOptions.Never,
            ShowZeroDisplacements = false,
            SignedImmediateOperands = true,
            NumberBase = NumberBase.Decimal,
        }).Format(instruction, output);
        return output.ToStringAndReset();
    }

    private static Instruction[] Read(ReadOnlySpan<byte> code)
    {
        var decoder = Decoder.Create(64, code.ToArray());
        var read = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            read.Add(decoder.Decode());
            Assert.False(read[^1].IsInvalid);
        }

        return [.. read];
    }

    private static string Text(Place place)
    {
        string index = place.Index is not { } register ? ""
            : place.Scale == 1 ? $"+{Name(register)}" : $"+{Name(register)}*{place.Scale}";
        string displacement = place.Displacement == 0 ? ""
            : place.Displacement < 0 ? $"{place.Displacement}" : $"+{place.Displacement}";
        return $"[{Name(place.Base)}{index}{displacement}]";
    }

    private static string Name(Register register) => register.ToString().ToLowerInvariant();
}
