// What the parser gives: names are resolved to the things that they name, opcodes are still words.
namespace PtxMachine.Parsing;

internal enum Space { None, Register, Global, Shared, Const, Param, Local }

/// <summary>A declared register; its place in the register file is given by the decoder.</summary>
internal sealed class Register(string name, PtxType type)
{
    public string Name { get; } = name;

    public PtxType Type { get; } = type;

    public int Offset { get; set; } = -1;
}

/// <summary>A variable of a state space, a kernel's parameter included.</summary>
internal sealed class Variable
{
    public required string Name { get; init; }

    public required Space Space { get; init; }

    public required PtxType Type { get; init; }

    public required int Align { get; init; }

    /// <summary>Elements; -1 for an array without a size, which is dynamic shared memory.</summary>
    public required int Count { get; init; }

    public byte[]? Initial { get; init; }

    public int Line { get; init; }

    public int Bytes => Count < 0 ? 0 : Count * Type.Bytes();

    /// <summary>Offset in its window (shared, local, param), or the device's address (global, const).</summary>
    public ulong Address { get; set; }
}

internal enum OperandKind { Register, Immediate, Variable, Special, Address, Vector, Label, Pair, Sink }

/// <summary>One operand. <see cref="Items"/> are a vector's elements, a pair's halves, or an address's base.</summary>
internal sealed class Operand
{
    public required OperandKind Kind { get; init; }

    public Register? Register { get; init; }

    public Variable? Variable { get; init; }

    public string Text { get; init; } = "";

    /// <summary>An integer, or the bits of a float.</summary>
    public ulong Bits { get; init; }

    /// <summary>0 for an integer, else 4 or 8: the float's bytes.</summary>
    public int FloatBytes { get; init; }

    public long Offset { get; init; }

    public bool Negated { get; init; }

    public Operand[] Items { get; init; } = [];

    public override string ToString() => Kind switch
    {
        OperandKind.Register => Register!.Name,
        OperandKind.Immediate => Bits.ToString(System.Globalization.CultureInfo.InvariantCulture),
        OperandKind.Variable => Variable!.Name,
        OperandKind.Vector => "{" + string.Join(", ", (object[])Items) + "}",
        OperandKind.Pair => $"{Items[0]}|{Items[1]}",
        OperandKind.Address => $"[{Items[0]}+{Offset}]",
        _ => Text,
    };
}

internal sealed record Instruction(
    int Line, string Opcode, Operand[] Operands, Register? Guard, bool GuardNegated)
{
    /// <summary>The opcode's words; the first is its family.</summary>
    public string[] Words { get; } = Opcode.Split('.');

    public bool Has(string word) => Array.IndexOf(Words, word) > 0;

    public override string ToString() => $"{Opcode} {string.Join(", ", (object[])Operands)}";
}

internal sealed class Function
{
    public required string Name { get; init; }

    public int Line { get; init; }

    public List<Variable> Parameters { get; } = [];

    public List<Variable> Variables { get; } = [];

    public List<Register> Registers { get; } = [];

    public List<Instruction> Instructions { get; } = [];

    /// <summary>Label to the index of the instruction that follows it.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>Most threads of a block by .maxntid or .reqntid; 0 where nothing is said.</summary>
    public int MaxThreads { get; set; }

    public bool ThreadsRequired { get; set; }
}

internal sealed class Module
{
    public int Version { get; set; }

    public int Target { get; set; }

    /// <summary>Ends with a: code for exactly this device.</summary>
    public bool TargetIsExact { get; set; }

    public List<Variable> Variables { get; } = [];

    public List<Function> Functions { get; } = [];
}
