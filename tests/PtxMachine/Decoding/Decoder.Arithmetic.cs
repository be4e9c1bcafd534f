// Arithmetic: one line of the table for each opcode and type.
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;
using unsafe Run = delegate*<PtxMachine.Execution.Op*, PtxMachine.Execution.Warp, uint, void>;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private Op Arithmetic(Instruction ins)
    {
        Allow(ins, "rn", "ftz", "sat", "lo", "hi", "wide", "full", "approx", "NaN", "relu", "xorsign", "abs");
        PtxType type = TypeOf(ins);
        if (type is PtxType.F16 or PtxType.F16x2 or PtxType.BF16 or PtxType.BF16x2) return HalfArithmetic(ins, type);
        if (type == PtxType.F32) return FloatArithmetic(ins);
        if (type == PtxType.F64) return DoubleArithmetic(ins);
        if (ins.Has("ftz") || ins.Has("rn") || ins.Has("sat") || ins.Has("relu")) throw Unknown(ins);
        return IntegerArithmetic(ins, type);
    }

    private Op FloatArithmetic(Instruction ins)
    {
        string name = ins.Words[0];
        bool flush = ins.Has("ftz"), saturate = ins.Has("sat"), nan = ins.Has("NaN");
        if (ins.Has("xorsign") || ins.Has("relu")) throw Unknown(ins);
        switch (name)
        {
            case "neg":
                return Simple(ins, PtxType.F32, 1, &Maps.Unary<uint, NegateF32>);
            case "abs":
                return Simple(ins, PtxType.F32, 1, &Maps.Unary<uint, AbsoluteF32>);
            case "copysign":
                return Simple(ins, PtxType.F32, 2, &Maps.Binary<uint, CopySignF32>);
            case "fma" or "mad":
                if (!ins.Has("rn")) throw Unknown(ins);
                return Simple(ins, PtxType.F32, 3, (flush, saturate) switch
                {
                    (false, false) => &Maps.Ternary<float, FusedF32>,
                    (true, false) => &Maps.Ternary<float, Flush3<FusedF32>>,
                    (false, true) => &Maps.Ternary<float, Saturate3<FusedF32>>,
                    _ => &Maps.Ternary<float, Saturate3<Flush3<FusedF32>>>,
                });
            case "div" when !ins.Has("rn"):
                if (!ins.Has("full") && !ins.Has("approx")) throw Unknown(ins);
                Op op = Simple(ins, PtxType.F32, 2, &ApproximateOps.Divide);
                op.Count = flush ? 1 : 0;
                return op;
            default:
                return Simple(ins, PtxType.F32, 2, name switch
                {
                    "add" => Float<Add<float>>(flush, saturate),
                    "sub" => Float<Subtract<float>>(flush, saturate),
                    "mul" => Float<Multiply<float>>(flush, saturate),
                    "div" => Float<Divide<float>>(flush, saturate),
                    "max" => nan ? Float<MaxNaN<float>>(flush, saturate) : Float<MaxNumber<float>>(flush, saturate),
                    "min" => nan ? Float<MinNaN<float>>(flush, saturate) : Float<MinNumber<float>>(flush, saturate),
                    _ => throw Unknown(ins),
                });
        }
    }

    private static Run Float<TOp>(bool flush, bool saturate) where TOp : IBinary<float> => (flush, saturate) switch
    {
        (false, false) => &Maps.Binary<float, TOp>,
        (true, false) => &Maps.Binary<float, Flush2<TOp>>,
        (false, true) => &Maps.Binary<float, Saturate2<TOp>>,
        _ => &Maps.Binary<float, Saturate2<Flush2<TOp>>>,
    };

    private Op DoubleArithmetic(Instruction ins) => ins.Words[0] switch
    {
        "neg" => Simple(ins, PtxType.F64, 1, &Maps.Unary<ulong, NegateF64>),
        "abs" => Simple(ins, PtxType.F64, 1, &Maps.Unary<ulong, AbsoluteF64>),
        "fma" or "mad" => Simple(ins, PtxType.F64, 3, &Maps.Ternary<double, FusedF64>),
        "add" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, Add<double>>),
        "sub" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, Subtract<double>>),
        "mul" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, Multiply<double>>),
        "div" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, Divide<double>>),
        "max" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, MaxNumber<double>>),
        "min" => Simple(ins, PtxType.F64, 2, &Maps.Binary<double, MinNumber<double>>),
        _ => throw Unknown(ins),
    };

    private Op HalfArithmetic(Instruction ins, PtxType type)
    {
        if (ins.Has("ftz") || ins.Has("sat") || ins.Has("relu") || ins.Has("NaN")) throw Unknown(ins);
        bool brain = type is PtxType.BF16 or PtxType.BF16x2;
        Op op = ins.Words[0] switch
        {
            "neg" => Simple(ins, type, 1, Half<HalfNegate>(brain)),
            "abs" => Simple(ins, type, 1, Half<HalfAbsolute>(brain)),
            "add" => Simple(ins, type, 2, Half<HalfAdd>(brain)),
            "sub" => Simple(ins, type, 2, Half<HalfSubtract>(brain)),
            "mul" => Simple(ins, type, 2, Half<HalfMultiply>(brain)),
            "max" => Simple(ins, type, 2, Half<HalfMax>(brain)),
            "min" => Simple(ins, type, 2, Half<HalfMin>(brain)),
            "fma" => Simple(ins, type, 3, Half<HalfFused>(brain)),
            _ => throw Unknown(ins),
        };
        op.Count = type is PtxType.F16x2 or PtxType.BF16x2 ? 2 : 1;
        if (op.B == 0) op.B = op.A;
        if (op.C == 0) op.C = op.A;
        return op;
    }

    private static Run Half<TOp>(bool brain) where TOp : IHalf2 => brain ? &HalfOps.Run<BF16, TOp> : &HalfOps.Run<F16, TOp>;

    private Op IntegerArithmetic(Instruction ins, PtxType type)
    {
        if (ins.Has("wide")) return WideProduct(ins, type);
        bool high = ins.Has("hi"), signed = type.IsSigned();
        string name = ins.Words[0];
        if (name is "mul" or "mad" && !high && !ins.Has("lo")) throw Unknown(ins);
        if (high) return HighProduct(ins, type);
        int sources = name switch { "neg" or "abs" => 1, "mad" => 3, _ => 2 };
        return Simple(ins, type, sources, type.Bytes() switch
        {
            2 => Integer<short, ushort>(ins, name, signed),
            4 => Integer<int, uint>(ins, name, signed),
            8 => Integer<long, ulong>(ins, name, signed),
            _ => throw Unknown(ins),
        });
    }

    private static Run Integer<TSigned, TUnsigned>(Instruction ins, string name, bool signed)
        where TSigned : unmanaged, System.Numerics.IBinaryInteger<TSigned>
        where TUnsigned : unmanaged, System.Numerics.IBinaryInteger<TUnsigned> => name switch
        {
            "add" => &Maps.Binary<TUnsigned, Add<TUnsigned>>,
            "sub" => &Maps.Binary<TUnsigned, Subtract<TUnsigned>>,
            "mul" => &Maps.Binary<TUnsigned, Multiply<TUnsigned>>,
            "mad" => &Maps.Ternary<TUnsigned, MultiplyAdd<TUnsigned>>,
            "neg" => &Maps.Unary<TUnsigned, Negate<TUnsigned>>,
            "abs" when signed => &Maps.Unary<TSigned, Absolute<TSigned>>,
            "max" => signed ? &Maps.Binary<TSigned, Max<TSigned>> : &Maps.Binary<TUnsigned, Max<TUnsigned>>,
            "min" => signed ? &Maps.Binary<TSigned, Min<TSigned>> : &Maps.Binary<TUnsigned, Min<TUnsigned>>,
            "div" => signed
                ? &Maps.Lane2<TSigned, TSigned, TSigned, DivideInteger<TSigned>>
                : &Maps.Lane2<TUnsigned, TUnsigned, TUnsigned, DivideInteger<TUnsigned>>,
            "rem" => signed
                ? &Maps.Lane2<TSigned, TSigned, TSigned, Remainder<TSigned>>
                : &Maps.Lane2<TUnsigned, TUnsigned, TUnsigned, Remainder<TUnsigned>>,
            _ => throw Unknown(ins),
        };

    private Op WideProduct(Instruction ins, PtxType type)
    {
        bool add = ins.Words[0] == "mad";
        PtxType wide = type switch
        {
            PtxType.S16 => PtxType.S32,
            PtxType.U16 => PtxType.U32,
            PtxType.S32 => PtxType.S64,
            PtxType.U32 => PtxType.U64,
            _ => throw Unknown(ins),
        };
        Count(ins, add ? 4 : 3);
        return new Op
        {
            Run = (type, add) switch
            {
                (PtxType.S16, false) => &Maps.Lane2<short, short, int, Wide<short, int>>,
                (PtxType.U16, false) => &Maps.Lane2<ushort, ushort, uint, Wide<ushort, uint>>,
                (PtxType.S32, false) => &ConvertOps.WideProduct<int>,
                (PtxType.U32, false) => &ConvertOps.WideProduct<uint>,
                (PtxType.S16, true) => &Maps.Lane3<short, int, int, WideAdd<short, int>>,
                (PtxType.U16, true) => &Maps.Lane3<ushort, uint, uint, WideAdd<ushort, uint>>,
                (PtxType.S32, true) => &Maps.Lane3<int, long, long, WideAdd<int, long>>,
                _ => &Maps.Lane3<uint, ulong, ulong, WideAdd<uint, ulong>>,
            },
            D = Write(ins, ins.Operands[0], wide),
            A = Read(ins, ins.Operands[1], type),
            B = Read(ins, ins.Operands[2], type),
            C = add ? Read(ins, ins.Operands[3], wide) : 0,
        };
    }

    private Op HighProduct(Instruction ins, PtxType type) => ins.Words[0] switch
    {
        "mul" => Simple(ins, type, 2, type switch
        {
            PtxType.U16 => &Maps.Lane2<ushort, ushort, ushort, MultiplyHigh16<ushort>>,
            PtxType.S16 => &Maps.Lane2<short, short, short, MultiplyHigh16<short>>,
            PtxType.U32 => &Maps.Lane2<uint, uint, uint, MultiplyHigh32>,
            PtxType.S32 => &Maps.Lane2<int, int, int, MultiplyHighS32>,
            PtxType.U64 => &Maps.Lane2<ulong, ulong, ulong, MultiplyHigh64>,
            PtxType.S64 => &Maps.Lane2<long, long, long, MultiplyHighS64>,
            _ => throw Unknown(ins),
        }),
        "mad" => Simple(ins, type, 3, type switch
        {
            PtxType.U32 => &Maps.Lane3<uint, uint, uint, HighAdd<uint, MultiplyHigh32>>,
            PtxType.S32 => &Maps.Lane3<int, int, int, HighAdd<int, MultiplyHighS32>>,
            PtxType.U64 => &Maps.Lane3<ulong, ulong, ulong, HighAdd<ulong, MultiplyHigh64>>,
            PtxType.S64 => &Maps.Lane3<long, long, long, HighAdd<long, MultiplyHighS64>>,
            _ => throw Unknown(ins),
        }),
        _ => throw Unknown(ins),
    };

    private Op Function(Instruction ins)
    {
        Allow(ins, "rn", "ftz", "approx");
        PtxType type = TypeOf(ins);
        string name = ins.Words[0];
        bool flush = ins.Has("ftz");
        if (ins.Has("rn"))
        {
            return (name, type, flush) switch
            {
                ("sqrt", PtxType.F32, false) => Simple(ins, type, 1, &Maps.Unary<float, SquareRoot<float>>),
                ("sqrt", PtxType.F32, true) => Simple(ins, type, 1, &Maps.Unary<float, Flush1<SquareRoot<float>>>),
                ("rcp", PtxType.F32, false) => Simple(ins, type, 1, &Maps.Unary<float, ReciprocalF32>),
                ("rcp", PtxType.F32, true) => Simple(ins, type, 1, &Maps.Unary<float, Flush1<ReciprocalF32>>),
                ("sqrt", PtxType.F64, false) => Simple(ins, type, 1, &Maps.Unary<double, SquareRoot<double>>),
                ("rcp", PtxType.F64, false) => Simple(ins, type, 1, &Maps.Unary<double, ReciprocalF64>),
                _ => throw Unknown(ins),
            };
        }

        if (!ins.Has("approx") || type != PtxType.F32) throw Unknown(ins);
        Op op = Simple(ins, type, 1, name switch
        {
            "sqrt" => &ApproximateOps.Run<Root>,
            "rsqrt" => &ApproximateOps.Run<ReciprocalRoot>,
            "rcp" => &ApproximateOps.Run<Reciprocal>,
            "ex2" => &ApproximateOps.Run<Exp2>,
            "lg2" => &ApproximateOps.Run<Log2>,
            "sin" => &ApproximateOps.Run<Sine>,
            "cos" => &ApproximateOps.Run<Cosine>,
            "tanh" => &ApproximateOps.Run<Tangent>,
            _ => throw Unknown(ins),
        });
        op.Count = flush ? 1 : 0;
        return op;
    }

    // A result and so many sources, all of one type.
    private Op Simple(Instruction ins, PtxType type, int sources, Run run)
    {
        Count(ins, sources + 1);
        return new Op
        {
            Run = run,
            D = Write(ins, ins.Operands[0], type),
            A = Read(ins, ins.Operands[1], type),
            B = sources > 1 ? Read(ins, ins.Operands[2], type) : 0,
            C = sources > 2 ? Read(ins, ins.Operands[3], type) : 0,
            Size = (byte)type.Bytes(),
        };
    }
}
