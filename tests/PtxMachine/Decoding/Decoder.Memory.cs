// Loads, stores, atomics and queued copies: the space, the width in memory, the width of the registers.
using System.Numerics;
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;
using unsafe Run = delegate*<PtxMachine.Execution.Op*, PtxMachine.Execution.Warp, uint, void>;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private static readonly string[] MemoryWords =
    [
        "global", "shared", "shared::cta", "local", "param", "const", "nc", "volatile", "relaxed", "acquire", "release",
        "acq_rel", "cta", "gpu", "sys", "weak", "v2", "v4", "ca", "cg", "cs", "lu", "cv", "wb", "wt",
        "L1::no_allocate", "L1::evict_last", "L1::evict_first", "L2::64B", "L2::128B", "L2::256B",
    ];

    private Op Load(Instruction ins)
    {
        Allow(ins, MemoryWords);
        Count(ins, 2);
        PtxType type = TypeOf(ins);
        Operand[] registers = Elements(ins, ins.Operands[0]);
        int bytes = RegisterBytes(ins, registers, type);
        Operand address = ins.Operands[1];
        if (ins.Has("param") && address.Items[0].Kind == OperandKind.Variable) return LoadParameter(ins, type, registers, bytes);

        Op op = Access(ins, address, type, registers.Length);
        op.More = _kernel.Keep([.. registers.Select(r => r.Kind == OperandKind.Sink ? -1 : PlaceWide(ins, r, type))]);
        op.D = op.More[0];
        op.Run = LoadOf(ins, type, bytes, registers.Length > 1);
        return op;
    }

    private Op Store(Instruction ins)
    {
        Allow(ins, MemoryWords);
        Count(ins, 2);
        if (ins.Has("nc") || ins.Has("const") || ins.Has("param")) throw Unknown(ins);
        PtxType type = TypeOf(ins);
        Operand[] registers = Elements(ins, ins.Operands[1]);
        int bytes = RegisterBytes(ins, registers, type);
        Op op = Access(ins, ins.Operands[0], type, registers.Length);
        op.More = _kernel.Keep([.. registers.Select(r =>
            r.Kind == OperandKind.Register ? PlaceWide(ins, r, type) : Constant(ImmediateBits(r, type), bytes))]);
        op.D = op.More[0];
        op.Run = StoreOf(ins, type, bytes, registers.Length > 1);
        return op;
    }

    // A named parameter is the same for all lanes, and its place is known now.
    private Op LoadParameter(Instruction ins, PtxType type, Operand[] registers, int bytes)
    {
        Operand address = ins.Operands[1];
        Variable parameter = address.Items[0].Variable!;
        long offset = address.Offset + address.Items[0].Offset;
        int size = type.Bytes();
        if (offset < 0 || offset + (size * registers.Length) > parameter.Bytes)
            throw new PtxException(ins.Line, $"bytes {offset} to {offset + (size * registers.Length)} of parameter '{parameter.Name}' of {parameter.Bytes} bytes.");
        if ((parameter.Address + (ulong)offset) % (ulong)(size * registers.Length) != 0)
            throw new PtxException(ins.Line, $"byte {offset} of parameter '{parameter.Name}' is not aligned to {size * registers.Length}.");
        return new Op
        {
            Run = ParameterOf(ins, type, bytes),
            Immediate = (long)parameter.Address + offset,
            Count = registers.Length,
            More = _kernel.Keep([.. registers.Select(r => PlaceWide(ins, r, type))]),
        };
    }

    private static Operand[] Elements(Instruction ins, Operand operand)
    {
        int expected = ins.Has("v2") ? 2 : ins.Has("v4") ? 4 : 1;
        Operand[] elements = operand.Kind == OperandKind.Vector ? operand.Items : [operand];
        if (elements.Length != expected) throw new PtxException(ins.Line, $"'{ins.Opcode}' has {elements.Length} registers.");
        return elements;
    }

    private static int RegisterBytes(Instruction ins, Operand[] registers, PtxType type)
    {
        int bytes = 0;
        foreach (Operand operand in registers)
        {
            if (operand.Kind != OperandKind.Register) continue;
            int own = operand.Register!.Type.Bytes();
            if (bytes != 0 && own != bytes) throw new PtxException(ins.Line, "the registers of a vector have different widths.");
            bytes = own;
        }

        return bytes != 0 ? bytes : Math.Max(2, type.Bytes());
    }

    private int PlaceWide(Instruction ins, Operand operand, PtxType type)
    {
        if (operand.Kind != OperandKind.Register) throw new PtxException(ins.Line, $"'{operand}' is no register.");
        CheckWidth(ins, operand, type, wider: true);
        return Place(operand.Register!);
    }

    private static Space SpaceOf(Instruction ins) =>
        ins.Has("global") ? Space.Global
        : ins.Has("shared") || ins.Has("shared::cta") ? Space.Shared
        : ins.Has("local") ? Space.Local
        : ins.Has("param") ? Space.Param
        : ins.Has("const") ? Space.Const : Space.None;

    // The address operand, the site, and the unit of shared memory.
    private Op Access(Instruction ins, Operand address, PtxType type, int count)
    {
        if (address.Kind != OperandKind.Address) throw new PtxException(ins.Line, $"'{address}' is no address.");
        Operand start = address.Items[0];
        var op = new Op
        {
            Space = SpaceOf(ins),
            Immediate = address.Offset,
            Site = _kernel.Sites++,
            Size = (byte)type.Bytes(),
            Count = count,
            Wide = true,
        };
        switch (start.Kind)
        {
            case OperandKind.Register when start.Register!.Type.Bytes() is 4 or 8 && !start.Register.Type.IsFloat():
                op.Wide = start.Register.Type.Bytes() == 8;
                if (!op.Wide && op.Space is Space.Global or Space.None or Space.Const)
                    throw new PtxException(ins.Line, $"'{start}' has 32 bits, an address of global memory has 64.");
                op.A = Place(start.Register);
                break;
            case OperandKind.Variable:
                if (start.Variable!.Space != op.Space) throw new PtxException(ins.Line, $"'{start}' is not in the space of '{ins.Opcode}'.");
                op.A = Constant(start.Variable.Address + (ulong)start.Offset, 8);
                break;
            case OperandKind.Immediate:
                op.A = Constant(start.Bits, 8);
                break;
            default:
                throw new PtxException(ins.Line, $"'{address}' is no address.");
        }

        if (op.Space is Space.Shared or Space.None) _kernel.Granule = Math.Min(_kernel.Granule, type.Bytes());
        return op;
    }

    private static Run LoadOf(Instruction ins, PtxType type, int register, bool vector) => type switch
    {
        PtxType.U8 or PtxType.B8 => Load<byte>(register, vector),
        PtxType.S8 => Load<sbyte>(register, vector),
        PtxType.U16 or PtxType.B16 or PtxType.F16 or PtxType.BF16 => Load<ushort>(register, vector),
        PtxType.S16 => Load<short>(register, vector),
        PtxType.S32 => Load<int>(register, vector),
        PtxType.S64 or PtxType.U64 or PtxType.B64 or PtxType.F64 => Load<ulong>(register, vector),
        PtxType.Pred or PtxType.B128 => throw Unknown(ins),
        _ => Load<uint>(register, vector),
    };

    private static Run Load<T>(int register, bool vector) where T : unmanaged, IBinaryInteger<T> => (register, vector) switch
    {
        (2, false) => &MemoryOps.Load<T, ushort>,
        (4, false) => &MemoryOps.Load<T, uint>,
        (_, false) => &MemoryOps.Load<T, ulong>,
        (2, true) => &MemoryOps.LoadVector<T, ushort>,
        (4, true) => &MemoryOps.LoadVector<T, uint>,
        _ => &MemoryOps.LoadVector<T, ulong>,
    };

    private static Run ParameterOf(Instruction ins, PtxType type, int register) => type switch
    {
        PtxType.U8 or PtxType.B8 => Parameter<byte>(register),
        PtxType.S8 => Parameter<sbyte>(register),
        PtxType.U16 or PtxType.B16 or PtxType.F16 or PtxType.BF16 => Parameter<ushort>(register),
        PtxType.S16 => Parameter<short>(register),
        PtxType.S32 => Parameter<int>(register),
        PtxType.S64 or PtxType.U64 or PtxType.B64 or PtxType.F64 => Parameter<ulong>(register),
        PtxType.Pred or PtxType.B128 => throw Unknown(ins),
        _ => Parameter<uint>(register),
    };

    private static Run Parameter<T>(int register) where T : unmanaged, IBinaryInteger<T> => register switch
    {
        2 => &MemoryOps.LoadParameter<T, ushort>,
        4 => &MemoryOps.LoadParameter<T, uint>,
        _ => &MemoryOps.LoadParameter<T, ulong>,
    };

    private static Run StoreOf(Instruction ins, PtxType type, int register, bool vector) => type.Bytes() switch
    {
        1 => Store<byte>(register, vector),
        2 => Store<ushort>(register, vector),
        4 => Store<uint>(register, vector),
        8 => Store<ulong>(register, vector),
        _ => throw Unknown(ins),
    };

    private static Run Store<T>(int register, bool vector) where T : unmanaged, IBinaryInteger<T> => (register, vector) switch
    {
        (2, false) => &MemoryOps.Store<T, ushort>,
        (4, false) => &MemoryOps.Store<T, uint>,
        (_, false) => &MemoryOps.Store<T, ulong>,
        (2, true) => &MemoryOps.StoreVector<T, ushort>,
        (4, true) => &MemoryOps.StoreVector<T, uint>,
        _ => &MemoryOps.StoreVector<T, ulong>,
    };

    private Op Atomic(Instruction ins)
    {
        Allow(ins, "global", "shared", "shared::cta", "relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys",
            "add", "max", "min", "and", "or", "xor", "exch", "cas", "inc", "dec");
        PtxType type = TypeOf(ins);
        bool gives = ins.Words[0] == "atom", compares = ins.Has("cas");
        Count(ins, (gives ? 1 : 0) + (compares ? 3 : 2));
        int first = gives ? 1 : 0;
        Op op = Access(ins, ins.Operands[first], type, 1);
        op.D = !gives || ins.Operands[0].Kind == OperandKind.Sink ? -1 : Write(ins, ins.Operands[0], type);
        op.B = Read(ins, ins.Operands[first + 1], type);
        op.C = compares ? Read(ins, ins.Operands[first + 2], type) : op.B;
        op.Run = AtomicOf(ins, type);
        return op;
    }

    private static Run AtomicOf(Instruction ins, PtxType type)
    {
        string name = ins.Words.First(w => w is "add" or "max" or "min" or "and" or "or" or "xor" or "exch" or "cas" or "inc" or "dec");
        return (name, type) switch
        {
            ("add", PtxType.U32 or PtxType.S32) => &AtomicOps.Run<uint, AtomicAdd<uint>>,
            ("add", PtxType.U64 or PtxType.S64) => &AtomicOps.Run<ulong, AtomicAdd<ulong>>,
            ("add", PtxType.F32) => &AtomicOps.Run<float, AtomicAdd<float>>,
            ("add", PtxType.F64) => &AtomicOps.Run<double, AtomicAdd<double>>,
            ("max", PtxType.U32) => &AtomicOps.Run<uint, AtomicMax<uint>>,
            ("max", PtxType.S32) => &AtomicOps.Run<int, AtomicMax<int>>,
            ("max", PtxType.U64) => &AtomicOps.Run<ulong, AtomicMax<ulong>>,
            ("max", PtxType.S64) => &AtomicOps.Run<long, AtomicMax<long>>,
            ("min", PtxType.U32) => &AtomicOps.Run<uint, AtomicMin<uint>>,
            ("min", PtxType.S32) => &AtomicOps.Run<int, AtomicMin<int>>,
            ("min", PtxType.U64) => &AtomicOps.Run<ulong, AtomicMin<ulong>>,
            ("min", PtxType.S64) => &AtomicOps.Run<long, AtomicMin<long>>,
            ("and", PtxType.B32) => &AtomicOps.Run<uint, AtomicAnd<uint>>,
            ("or", PtxType.B32) => &AtomicOps.Run<uint, AtomicOr<uint>>,
            ("xor", PtxType.B32) => &AtomicOps.Run<uint, AtomicXor<uint>>,
            ("and", PtxType.B64) => &AtomicOps.Run<ulong, AtomicAnd<ulong>>,
            ("or", PtxType.B64) => &AtomicOps.Run<ulong, AtomicOr<ulong>>,
            ("xor", PtxType.B64) => &AtomicOps.Run<ulong, AtomicXor<ulong>>,
            ("exch", PtxType.B32) => &AtomicOps.Run<uint, AtomicExchange<uint>>,
            ("exch", PtxType.B64) => &AtomicOps.Run<ulong, AtomicExchange<ulong>>,
            ("cas", PtxType.B32) => &AtomicOps.Run<uint, AtomicCompare<uint>>,
            ("cas", PtxType.B64) => &AtomicOps.Run<ulong, AtomicCompare<ulong>>,
            ("inc", PtxType.U32) => &AtomicOps.Run<uint, AtomicIncrement>,
            ("dec", PtxType.U32) => &AtomicOps.Run<uint, AtomicDecrement>,
            _ => throw Unknown(ins),
        };
    }

    private Op AsyncCopy(Instruction ins)
    {
        if (ins.Words.Length < 2 || ins.Words[1] != "async") throw Unknown(ins);
        if (ins.Has("commit_group")) return new Op { Run = &AsyncCopies.Commit };
        if (ins.Has("wait_all")) return new Op { Run = &AsyncCopies.Wait, Immediate = -1 };
        if (ins.Has("wait_group"))
        {
            Count(ins, 1);
            return new Op { Run = &AsyncCopies.Wait, Immediate = (long)ins.Operands[0].Bits };
        }

        Allow(ins, "async", "ca", "cg", "shared", "shared::cta", "global", "L2::64B", "L2::128B", "L2::256B");
        Count(ins, 3, 4);
        int bytes = (int)ins.Operands[2].Bits;
        if (bytes is not (4 or 8 or 16) || (ins.Has("cg") && bytes != 16))
            throw new PtxException(ins.Line, $"'{ins.Opcode}' copies {bytes} bytes: 4, 8 or 16 are possible, and .cg only 16.");
        Operand target = ins.Operands[0], source = ins.Operands[1];
        Op op = Access(ins, source, PtxType.B32, 1);
        op.Run = &AsyncCopies.Issue;
        op.Space = Space.Global;
        op.Size = (byte)bytes;
        op.B = ins.Operands.Length > 3 ? Read(ins, ins.Operands[3], PtxType.U32) : Constant((ulong)bytes, 4);
        Operand start = target.Items[0];
        op.Count = start.Kind == OperandKind.Register ? start.Register!.Type.Bytes() : 8;
        op.D = start.Kind == OperandKind.Register ? Place(start.Register!) : Constant(start.Variable!.Address + (ulong)start.Offset, 8);
        op.More = _kernel.Keep([(int)target.Offset]);
        return op;
    }
}
