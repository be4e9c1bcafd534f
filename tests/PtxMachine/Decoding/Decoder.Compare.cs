// Comparisons: the operator's word and the type give a formula; a second predicate and a joined one are optional.
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;
using unsafe Run = delegate*<PtxMachine.Execution.Op*, PtxMachine.Execution.Warp, uint, void>;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private static readonly string[] Comparisons =
    [
        "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
        "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan", "and", "or", "xor", "ftz",
    ];

    private Op Comparison(Instruction ins)
    {
        Allow(ins, Comparisons);
        PtxType type = TypeOf(ins);
        return ins.Words[0] switch
        {
            "selp" => Select(ins, type),
            "setp" => SetPredicate(ins, type),
            "set" => Set(ins, type),
            _ => throw Unknown(ins),
        };
    }

    private Op Select(Instruction ins, PtxType type)
    {
        Count(ins, 4);
        return new Op
        {
            Run = type.Bytes() switch
            {
                2 => &CompareOps.Select<ushort>,
                4 => &CompareOps.Select<uint>,
                8 => &CompareOps.Select<ulong>,
                _ => throw Unknown(ins),
            },
            D = Write(ins, ins.Operands[0], type),
            A = Read(ins, ins.Operands[1], type),
            B = Read(ins, ins.Operands[2], type),
            C = Read(ins, ins.Operands[3], PtxType.Pred),
        };
    }

    private Op SetPredicate(Instruction ins, PtxType type)
    {
        Join join = ins.Has("and") ? Join.And : ins.Has("or") ? Join.Or : ins.Has("xor") ? Join.Xor : Join.None;
        Count(ins, join == Join.None ? 3 : 4);
        Operand result = ins.Operands[0];
        Operand? inverse = null;
        if (result.Kind == OperandKind.Pair) (result, inverse) = (result.Items[0], result.Items[1]);
        var op = new Op
        {
            Run = SetPredicateOf(ins, type),
            D = result.Kind == OperandKind.Sink ? PlacePredicate() : Write(ins, result, PtxType.Pred),
            A = Read(ins, ins.Operands[1], type),
            B = Read(ins, ins.Operands[2], type),
            Count = (int)join,
        };
        if (inverse is { Kind: OperandKind.Register }) op.More = _kernel.Keep([Write(ins, inverse, PtxType.Pred)]);
        if (join != Join.None)
        {
            op.C = ReadPredicate(ins, ins.Operands[3], out uint flip);
            op.Immediate = flip;
        }

        return op;
    }

    private int ReadPredicate(Instruction ins, Operand operand, out uint flip)
    {
        flip = operand.Negated ? ~0u : 0;
        if (operand.Kind == OperandKind.Immediate) return Constant(operand.Bits, 0);
        if (operand.Kind != OperandKind.Register || operand.Register!.Type != PtxType.Pred)
            throw new PtxException(ins.Line, $"'{operand}' is no predicate.");
        return Place(operand.Register);
    }

    private static Run SetPredicateOf(Instruction ins, PtxType type)
    {
        string how = ins.Words[1];
        bool flush = ins.Has("ftz");
        return type switch
        {
            PtxType.F32 => flush ? Flushed(ins, how) : Compare<float>(ins, how),
            PtxType.F64 => Compare<double>(ins, how),
            PtxType.F16 => HalfCompare<F16>(ins, how),
            PtxType.BF16 => HalfCompare<BF16>(ins, how),
            PtxType.U16 or PtxType.B16 => Compare<ushort>(ins, how),
            PtxType.S16 => Compare<short>(ins, how),
            PtxType.U32 or PtxType.B32 => Compare<uint>(ins, how),
            PtxType.S32 => Compare<int>(ins, how),
            PtxType.U64 or PtxType.B64 => Compare<ulong>(ins, how),
            PtxType.S64 => Compare<long>(ins, how),
            _ => throw Unknown(ins),
        };
    }

    private static Run Compare<T>(Instruction ins, string how) where T : unmanaged => how switch
    {
        "eq" => &CompareOps.SetPredicate<T, Equal<T>>,
        "ne" => &CompareOps.SetPredicate<T, NotEqual<T>>,
        "lt" or "lo" => &CompareOps.SetPredicate<T, Less<T>>,
        "le" or "ls" => &CompareOps.SetPredicate<T, LessOrEqual<T>>,
        "gt" or "hi" => &CompareOps.SetPredicate<T, Swap<T, Less<T>>>,
        "ge" or "hs" => &CompareOps.SetPredicate<T, Swap<T, LessOrEqual<T>>>,
        "equ" => &CompareOps.SetPredicate<T, Inverse<T, NotEqual<T>>>,
        "neu" => &CompareOps.SetPredicate<T, Inverse<T, Equal<T>>>,
        "ltu" => &CompareOps.SetPredicate<T, Inverse<T, Swap<T, LessOrEqual<T>>>>,
        "leu" => &CompareOps.SetPredicate<T, Inverse<T, Swap<T, Less<T>>>>,
        "gtu" => &CompareOps.SetPredicate<T, Inverse<T, LessOrEqual<T>>>,
        "geu" => &CompareOps.SetPredicate<T, Inverse<T, Less<T>>>,
        "num" => &CompareOps.SetPredicate<T, Ordered<T>>,
        "nan" => &CompareOps.SetPredicate<T, Inverse<T, Ordered<T>>>,
        _ => throw Unknown(ins),
    };

    private static Run Flushed(Instruction ins, string how) => how switch
    {
        "eq" => &CompareOps.SetPredicate<float, FlushCompare<Equal<float>>>,
        "ne" => &CompareOps.SetPredicate<float, FlushCompare<NotEqual<float>>>,
        "lt" => &CompareOps.SetPredicate<float, FlushCompare<Less<float>>>,
        "le" => &CompareOps.SetPredicate<float, FlushCompare<LessOrEqual<float>>>,
        "gt" => &CompareOps.SetPredicate<float, FlushCompare<Swap<float, Less<float>>>>,
        "ge" => &CompareOps.SetPredicate<float, FlushCompare<Swap<float, LessOrEqual<float>>>>,
        _ => throw Unknown(ins),
    };

    private static Run HalfCompare<TFormat>(Instruction ins, string how) where TFormat : IHalfFormat => how switch
    {
        "eq" => &CompareOps.SetPredicateHalf<TFormat, Equal<float>>,
        "ne" => &CompareOps.SetPredicateHalf<TFormat, NotEqual<float>>,
        "lt" => &CompareOps.SetPredicateHalf<TFormat, Less<float>>,
        "le" => &CompareOps.SetPredicateHalf<TFormat, LessOrEqual<float>>,
        "gt" => &CompareOps.SetPredicateHalf<TFormat, Swap<float, Less<float>>>,
        "ge" => &CompareOps.SetPredicateHalf<TFormat, Swap<float, LessOrEqual<float>>>,
        "equ" => &CompareOps.SetPredicateHalf<TFormat, Inverse<float, NotEqual<float>>>,
        "neu" => &CompareOps.SetPredicateHalf<TFormat, Inverse<float, Equal<float>>>,
        "num" => &CompareOps.SetPredicateHalf<TFormat, Ordered<float>>,
        "nan" => &CompareOps.SetPredicateHalf<TFormat, Inverse<float, Ordered<float>>>,
        _ => throw Unknown(ins),
    };

    private Op Set(Instruction ins, PtxType type)
    {
        Count(ins, 3);
        PtxType result = TypeOf(ins, 2);
        string how = ins.Words[1];
        return new Op
        {
            Run = (type, how) switch
            {
                (PtxType.F32, "eq") => &CompareOps.Set<float, Equal<float>>,
                (PtxType.F32, "ne") => &CompareOps.Set<float, NotEqual<float>>,
                (PtxType.F32, "lt") => &CompareOps.Set<float, Less<float>>,
                (PtxType.F32, "le") => &CompareOps.Set<float, LessOrEqual<float>>,
                (PtxType.F32, "gt") => &CompareOps.Set<float, Swap<float, Less<float>>>,
                (PtxType.F32, "ge") => &CompareOps.Set<float, Swap<float, LessOrEqual<float>>>,
                (PtxType.S32, "eq") => &CompareOps.Set<int, Equal<int>>,
                (PtxType.S32, "ne") => &CompareOps.Set<int, NotEqual<int>>,
                (PtxType.S32, "lt") => &CompareOps.Set<int, Less<int>>,
                (PtxType.S32, "le") => &CompareOps.Set<int, LessOrEqual<int>>,
                (PtxType.S32, "gt") => &CompareOps.Set<int, Swap<int, Less<int>>>,
                (PtxType.S32, "ge") => &CompareOps.Set<int, Swap<int, LessOrEqual<int>>>,
                _ => throw Unknown(ins),
            },
            D = Write(ins, ins.Operands[0], result),
            A = Read(ins, ins.Operands[1], type),
            B = Read(ins, ins.Operands[2], type),
            Immediate = result == PtxType.F32 ? 0x3F80_0000 : 0xFFFF_FFFF,
        };
    }
}
