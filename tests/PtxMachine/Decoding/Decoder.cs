// Turns the words of a kernel into functions and offsets. What is not known, or is not of the width that it must have, is
// refused here with its line: the machine never runs what it only half understands.
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;

namespace PtxMachine.Decoding;

[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "The kernel is handed out, and its user disposes it.")]
internal sealed unsafe partial class Decoder
{
    private readonly Module _module;
    private readonly Function _function;
    private readonly Kernel _kernel;
    private readonly Dictionary<(ulong Bits, int Bytes), int> _constants = [];
    private int _bytes = 64;
    private int _predicates = 1;
    private int _predicateBlock;

    private Decoder(Module module, Function function)
    {
        (_module, _function) = (module, function);
        _kernel = new Kernel { Name = function.Name, Source = function, Target = module.Target };
        _kernel.Constants.Add(new Constant(0, 0, 1));   // the guard of instructions that have none
    }

    /// <summary>Decodes one kernel; variables of the module must have their addresses.</summary>
    public static Kernel Decode(Module module, Function function)
    {
        var decoder = new Decoder(module, function);
        decoder.Lay();
        var ops = new List<Op>();
        for (int i = 0; i < function.Instructions.Count; i++)
        {
            Instruction instruction = function.Instructions[i];
            Requirements.Check(module, instruction);
            Op op = decoder.DecodeOne(instruction);
            op.Line = instruction.Line;
            op.Index = i;
            if (instruction.Guard != null)
            {
                op.Guard = decoder.Place(instruction.Guard);
                op.GuardFlip = instruction.GuardNegated ? ~0u : 0;
            }

            ops.Add(op);
        }

        // A body that runs off its end returns.
        ops.Add(new Op { Flow = Flow.Exit, Index = Math.Max(0, function.Instructions.Count - 1) });
        decoder._kernel.SetOps(ops);
        decoder._kernel.RegisterBytes = decoder._bytes + 64;
        return decoder._kernel;
    }

    // Parameters, shared and local variables get their offsets; dynamic shared memory comes last.
    private void Lay()
    {
        int parameters = 0;
        foreach (Variable variable in _function.Parameters)
        {
            parameters = Align(parameters, variable.Align);
            variable.Address = (ulong)parameters;
            parameters += variable.Bytes;
        }

        _kernel.ParameterBytes = parameters;
        var used = new HashSet<Variable>();
        foreach (Instruction instruction in _function.Instructions)
            foreach (Operand operand in instruction.Operands) AddVariables(operand, used);
        int shared = 0, local = 0, align = 16;
        foreach (Variable variable in _module.Variables.Concat(_function.Variables))
        {
            if (variable.Space == Space.Local)
            {
                local = Align(local, variable.Align);
                variable.Address = (ulong)local;
                local += variable.Bytes;
            }

            if (variable.Space != Space.Shared || !used.Contains(variable)) continue;
            if (variable.Count < 0)
            {
                align = Math.Max(align, variable.Align);
                continue;
            }

            shared = Align(shared, variable.Align);
            variable.Address = (ulong)shared;
            shared += variable.Bytes;
        }

        _kernel.StaticSharedBytes = shared;
        _kernel.LocalBytes = Align(local, 16);
        _kernel.DynamicSharedOffset = used.Any(v => v.Space == Space.Shared && v.Count < 0) ? Align(shared, align) : shared;
        foreach (Variable variable in used)
            if (variable.Space == Space.Shared && variable.Count < 0) variable.Address = (ulong)_kernel.DynamicSharedOffset;
    }

    private static void AddVariables(Operand operand, HashSet<Variable> used)
    {
        if (operand.Variable != null) used.Add(operand.Variable);
        foreach (Operand item in operand.Items) AddVariables(item, used);
    }

    private Op DecodeOne(Instruction ins) => ins.Words[0] switch
    {
        "add" or "sub" or "mul" or "mul24" or "mad" or "fma" or "div" or "rem" or "min" or "max" or "neg" or "abs" or "copysign" => Arithmetic(ins),
        "sqrt" or "rsqrt" or "rcp" or "ex2" or "lg2" or "sin" or "cos" or "tanh" => Function(ins),
        "and" or "or" or "xor" or "not" or "cnot" or "shl" or "shr" or "shf" or "prmt" or "popc" or "clz" or "brev" or "bfind"
            or "bfe" or "bfi" or "lop3" or "dp4a" => Logic(ins),
        "setp" or "set" or "selp" or "slct" => Comparison(ins),
        "mov" => Move(ins),
        "cvta" => ConvertAddress(ins),
        "cvt" => Conversion(ins),
        "ld" or "ldu" => Load(ins),
        "st" => Store(ins),
        "atom" or "red" => Atomic(ins),
        "shfl" or "vote" or "redux" or "match" or "activemask" => Together(ins),
        "bar" or "barrier" => Barrier(ins),
        "cp" => AsyncCopy(ins),
        "ldmatrix" => LoadMatrix(ins),
        "mma" => Matrix(ins),
        "bra" => new Op { Flow = Flow.Branch, Immediate = _function.Labels[ins.Operands[0].Text] },
        "ret" or "exit" => new Op { Flow = Flow.Exit },
        "trap" or "brkpt" => new Op { Flow = Flow.Trap },
        "membar" or "fence" or "prefetch" or "prefetchu" or "nanosleep" or "pmevent" or "discard" or "applypriority"
            or "griddepcontrol" => new Op { Run = &MoveOps.Nothing },
        _ => throw Unknown(ins),
    };

    private static PtxException Unknown(Instruction ins) => new(ins.Line, $"the machine does not know '{ins.Opcode}'.");

    /// <summary>Throws for a word of the opcode that is neither a type nor among those allowed.</summary>
    private static void Allow(Instruction ins, params ReadOnlySpan<string> words)
    {
        for (int i = 1; i < ins.Words.Length; i++)
        {
            string word = ins.Words[i];
            if (!PtxTypes.TryParse(word, out _) && !words.Contains(word))
                throw new PtxException(ins.Line, $"'.{word}' of '{ins.Opcode}' is not known here.");
        }
    }

    private static void Count(Instruction ins, int least, int most = -1)
    {
        if (ins.Operands.Length < least || ins.Operands.Length > Math.Max(least, most))
            throw new PtxException(ins.Line, $"'{ins.Opcode}' has {ins.Operands.Length} operands, {least} are expected.");
    }

    /// <summary>The last word of the opcode as a type.</summary>
    private static PtxType TypeOf(Instruction ins, int fromEnd = 1) =>
        ins.Words.Length > fromEnd && PtxTypes.TryParse(ins.Words[^fromEnd], out PtxType type)
            ? type
            : throw new PtxException(ins.Line, $"'{ins.Opcode}' has no type where one is expected.");

    /// <summary>Offset of an operand that is read, of exactly this type's width.</summary>
    private int Read(Instruction ins, Operand operand, PtxType type)
    {
        switch (operand.Kind)
        {
            case OperandKind.Register:
                CheckWidth(ins, operand, type, wider: false);
                if (operand.Negated) throw new PtxException(ins.Line, $"'!{operand}' is not expected here.");
                return Place(operand.Register!);
            case OperandKind.Immediate:
                return Constant(ImmediateBits(operand, type), type.Bytes());
            case OperandKind.Special:
                if (type.Bytes() != 4) throw new PtxException(ins.Line, $"'{operand}' has 32 bits, not those of .{type.Name()}.");
                return Special(operand.Text);
            case OperandKind.Variable:
                if (type.Bytes() < 4) throw new PtxException(ins.Line, $"the address of '{operand}' has more bits than .{type.Name()}.");
                return Constant(operand.Variable!.Address + (ulong)operand.Offset, type.Bytes());
            default:
                throw new PtxException(ins.Line, $"'{operand}' is not expected here.");
        }
    }

    /// <summary>Offset of a register that is written.</summary>
    private int Write(Instruction ins, Operand operand, PtxType type)
    {
        if (operand.Kind != OperandKind.Register || operand.Negated)
            throw new PtxException(ins.Line, $"'{operand}' is no register to write to.");
        CheckWidth(ins, operand, type, wider: false);
        return Place(operand.Register!);
    }

    private static void CheckWidth(Instruction ins, Operand operand, PtxType type, bool wider)
    {
        PtxType own = operand.Register!.Type;
        bool size = own.Bytes() == type.Bytes() || (wider && own.Bytes() > type.Bytes() && own != PtxType.Pred);
        bool kind = !(own.IsFloat() && type.IsInteger()) && !(own.IsInteger() && type.IsFloat());
        if (!size || (own == PtxType.Pred) != (type == PtxType.Pred) || (!wider && !kind))
            throw new PtxException(ins.Line, $"'{operand}' is .{own.Name()}, '{ins.Opcode}' wants .{type.Name()}.");
    }

    private static ulong ImmediateBits(Operand operand, PtxType type)
    {
        if (operand.FloatBytes == 4 && type.Bytes() == 8)
            return BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle((uint)operand.Bits));
        if (operand.FloatBytes == 8 && type.Bytes() == 4)
            return BitConverter.SingleToUInt32Bits((float)BitConverter.UInt64BitsToDouble(operand.Bits));
        if (operand.FloatBytes == 0 && type == PtxType.F32 && operand.Bits != 0)
            return BitConverter.SingleToUInt32Bits((long)operand.Bits);
        if (operand.FloatBytes == 0 && type == PtxType.F64 && operand.Bits != 0)
            return BitConverter.DoubleToUInt64Bits((long)operand.Bits);
        return operand.Bits;
    }

    private int Place(Register register)
    {
        if (register.Offset < 0)
            register.Offset = register.Type == PtxType.Pred ? PlacePredicate() : PlaceRegister(Math.Max(2, register.Type.Bytes()));
        return register.Offset;
    }

    private int PlaceRegister(int bytes)
    {
        int offset = _bytes;
        _bytes += bytes * 32;
        return offset;
    }

    // Sixteen predicates share a line.
    private int PlacePredicate()
    {
        if (_predicates == 16)
        {
            _predicateBlock = _bytes;
            _bytes += 64;
            _predicates = 0;
        }

        return _predicateBlock + (4 * _predicates++);
    }

    private int Constant(ulong bits, int bytes)
    {
        bits = bytes switch { 0 => bits & 1, 8 => bits, _ => bits & ((1UL << (8 * bytes)) - 1) };
        if (_constants.TryGetValue((bits, bytes), out int offset)) return offset;
        int size = bytes == 1 ? 2 : bytes;
        offset = size == 0 ? PlacePredicate() : PlaceRegister(size);
        _kernel.Constants.Add(new Constant(offset, size, bits));
        _constants.Add((bits, bytes), offset);
        return offset;
    }

    private int Special(string name)
    {
        ref int offset = ref _kernel.SpecialOffsets[Specials.Index(name)];
        if (offset < 0) offset = PlaceRegister(4);
        return offset;
    }

    private static int Align(int value, int align) => (value + align - 1) / align * align;
}
