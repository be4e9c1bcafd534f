// Bits: logic of registers and predicates, shifts, fields, bytes.
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private Op Logic(Instruction ins)
    {
        Allow(ins, "l", "r", "wrap", "clamp", "shiftamt");
        string name = ins.Words[0];
        PtxType type = TypeOf(ins);
        switch (name)
        {
            case "and" or "or" or "xor" or "not" when type == PtxType.Pred:
                return PredicateLogic(ins);
            case "and" or "or" or "xor" or "not" or "cnot":
                return Bitwise(ins, type);
            case "shl" or "shr":
                return Shift(ins, type);
            case "bfi":
                Count(ins, 5);
                return new Op
                {
                    Run = &FourOperands.InsertBits,
                    Size = (byte)type.Bytes(),
                    D = Write(ins, ins.Operands[0], type),
                    A = Read(ins, ins.Operands[1], type),
                    B = Read(ins, ins.Operands[2], type),
                    C = Read(ins, ins.Operands[3], PtxType.U32),
                    More = _kernel.Keep([Read(ins, ins.Operands[4], PtxType.U32)]),
                };
            case "lop3":
                Count(ins, 5);
                return new Op
                {
                    Run = &FourOperands.Logic3,
                    D = Write(ins, ins.Operands[0], PtxType.B32),
                    A = Read(ins, ins.Operands[1], PtxType.B32),
                    B = Read(ins, ins.Operands[2], PtxType.B32),
                    C = Read(ins, ins.Operands[3], PtxType.B32),
                    Immediate = (long)ins.Operands[4].Bits,
                };
            case "bfe":
                if (type is not (PtxType.U32 or PtxType.S32)) throw Unknown(ins);
                return Simple(ins, type, 3, type == PtxType.U32
                    ? &Maps.Lane3<uint, uint, uint, ExtractBits32>
                    : &Maps.Lane3<uint, uint, uint, ExtractBitsS32>);
            case "shf":
                return Simple(ins, PtxType.B32, 3, (ins.Has("l"), ins.Has("wrap")) switch
                {
                    (true, true) => &Maps.Lane3<uint, uint, uint, FunnelLeftWrap>,
                    (true, false) => &Maps.Lane3<uint, uint, uint, FunnelLeftClamp>,
                    (false, true) => &Maps.Lane3<uint, uint, uint, FunnelRightWrap>,
                    _ => &Maps.Lane3<uint, uint, uint, FunnelRightClamp>,
                });
            case "prmt":
                if (ins.Words.Length != 2) throw Unknown(ins);
                return Simple(ins, PtxType.B32, 3, &Maps.Lane3<uint, uint, uint, Permute>);
            case "dp4a":
                Count(ins, 4);
                return Simple(ins, PtxType.B32, 3, (TypeOf(ins, 2), type) switch
                {
                    (PtxType.S32, PtxType.S32) => &Maps.Lane3<uint, uint, uint, Dot4SS>,
                    (PtxType.U32, PtxType.U32) => &Maps.Lane3<uint, uint, uint, Dot4UU>,
                    (PtxType.S32, PtxType.U32) => &Maps.Lane3<uint, uint, uint, Dot4SU>,
                    (PtxType.U32, PtxType.S32) => &Maps.Lane3<uint, uint, uint, Dot4US>,
                    _ => throw Unknown(ins),
                });
            default:
                return BitCount(ins, type);
        }
    }

    private Op BitCount(Instruction ins, PtxType type)
    {
        Count(ins, 2);
        PtxType result = ins.Words[0] == "brev" ? type : PtxType.U32;
        return new Op
        {
            Run = (ins.Words[0], type) switch
            {
                ("popc", PtxType.B32) => &Maps.Lane1<uint, uint, PopCount32>,
                ("popc", PtxType.B64) => &Maps.Lane1<ulong, uint, PopCount64>,
                ("clz", PtxType.B32) => &Maps.Lane1<uint, uint, LeadingZeros32>,
                ("clz", PtxType.B64) => &Maps.Lane1<ulong, uint, LeadingZeros64>,
                ("brev", PtxType.B32) => &Maps.Lane1<uint, uint, Reverse32>,
                ("brev", PtxType.B64) => &Maps.Lane1<ulong, ulong, Reverse64>,
                ("bfind", PtxType.U32) when !ins.Has("shiftamt") => &Maps.Lane1<uint, uint, HighestBit32>,
                ("bfind", PtxType.S32) when !ins.Has("shiftamt") => &Maps.Lane1<uint, uint, HighestBitS32>,
                _ => throw Unknown(ins),
            },
            D = Write(ins, ins.Operands[0], result),
            A = Read(ins, ins.Operands[1], type),
        };
    }

    private Op PredicateLogic(Instruction ins)
    {
        bool not = ins.Words[0] == "not";
        Count(ins, not ? 2 : 3);
        return new Op
        {
            Run = ins.Words[0] switch
            {
                "and" => &Maps.Predicate2<AndMask>,
                "or" => &Maps.Predicate2<OrMask>,
                "xor" => &Maps.Predicate2<XorMask>,
                _ => &Maps.Predicate1<NotMask>,
            },
            D = Write(ins, ins.Operands[0], PtxType.Pred),
            A = Read(ins, ins.Operands[1], PtxType.Pred),
            B = not ? 0 : Read(ins, ins.Operands[2], PtxType.Pred),
        };
    }

    private Op Bitwise(Instruction ins, PtxType type) => type.Bytes() switch
    {
        2 => Bitwise<ushort>(ins, type),
        4 => Bitwise<uint>(ins, type),
        8 => Bitwise<ulong>(ins, type),
        _ => throw Unknown(ins),
    };

    private Op Bitwise<T>(Instruction ins, PtxType type) where T : unmanaged, System.Numerics.IBinaryInteger<T> => ins.Words[0] switch
    {
        "and" => Simple(ins, type, 2, &Maps.Binary<T, And<T>>),
        "or" => Simple(ins, type, 2, &Maps.Binary<T, Or<T>>),
        "xor" => Simple(ins, type, 2, &Maps.Binary<T, Xor<T>>),
        "not" => Simple(ins, type, 1, &Maps.Unary<T, Not<T>>),
        _ => Simple(ins, type, 1, &Maps.Lane1<T, T, IsZero<T>>),
    };

    private Op Shift(Instruction ins, PtxType type)
    {
        Count(ins, 3);
        return new Op
        {
            Run = (ins.Words[0], type) switch
            {
                ("shl", PtxType.B16) => &Maps.Lane2<ushort, uint, ushort, ShiftLeft<ushort>>,
                ("shl", PtxType.B32) => &Maps.Lane2<uint, uint, uint, ShiftLeft<uint>>,
                ("shl", PtxType.B64) => &Maps.Lane2<ulong, uint, ulong, ShiftLeft<ulong>>,
                ("shr", PtxType.U16 or PtxType.B16) => &Maps.Lane2<ushort, uint, ushort, ShiftRight<ushort>>,
                ("shr", PtxType.U32 or PtxType.B32) => &Maps.Lane2<uint, uint, uint, ShiftRight<uint>>,
                ("shr", PtxType.U64 or PtxType.B64) => &Maps.Lane2<ulong, uint, ulong, ShiftRight<ulong>>,
                ("shr", PtxType.S16) => &Maps.Lane2<short, uint, short, ShiftRight<short>>,
                ("shr", PtxType.S32) => &Maps.Lane2<int, uint, int, ShiftRight<int>>,
                ("shr", PtxType.S64) => &Maps.Lane2<long, uint, long, ShiftRight<long>>,
                _ => throw Unknown(ins),
            },
            D = Write(ins, ins.Operands[0], type),
            A = Read(ins, ins.Operands[1], type),
            B = Read(ins, ins.Operands[2], PtxType.U32),
        };
    }
}
