// mov, cvta and cvt: where values change their form but not their meaning.
using System.Numerics;
using PtxMachine.Execution;
using PtxMachine.Memory;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;
using unsafe Run = delegate*<PtxMachine.Execution.Op*, PtxMachine.Execution.Warp, uint, void>;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private Op Move(Instruction ins)
    {
        Allow(ins);
        Count(ins, 2);
        PtxType type = TypeOf(ins);
        Operand to = ins.Operands[0], from = ins.Operands[1];
        if (from.Kind == OperandKind.Vector)
        {
            PtxType part = Part(ins, type, from.Items.Length);
            return new Op
            {
                Run = &MoveOps.Pack,
                D = Write(ins, to, type),
                More = _kernel.Keep([.. from.Items.Select(i => Read(ins, i, part))]),
                Count = from.Items.Length,
                Size = (byte)part.Bytes(),
            };
        }

        if (to.Kind == OperandKind.Vector)
        {
            PtxType part = Part(ins, type, to.Items.Length);
            return new Op
            {
                Run = &MoveOps.Unpack,
                A = Read(ins, from, type),
                More = _kernel.Keep([.. to.Items.Select(i => i.Kind == OperandKind.Sink ? -1 : Write(ins, i, part))]),
                Count = to.Items.Length,
                Size = (byte)part.Bytes(),
            };
        }

        if (type == PtxType.Pred)
        {
            return new Op
            {
                Run = &Maps.Predicate1<SameMask>,
                D = Write(ins, to, type),
                A = from.Kind == OperandKind.Immediate ? Constant(from.Bits, 0) : Read(ins, from, type),
            };
        }

        return new Op
        {
            Run = type.Bytes() switch
            {
                2 => &Maps.Unary<ushort, Same<ushort>>,
                4 => &Maps.Unary<uint, Same<uint>>,
                8 => &Maps.Unary<ulong, Same<ulong>>,
                _ => throw Unknown(ins),
            },
            D = Write(ins, to, type),
            A = Read(ins, from, type),
        };
    }

    private static PtxType Part(Instruction ins, PtxType type, int count) => (type.Bytes() / count) switch
    {
        2 => PtxType.B16,
        4 => PtxType.B32,
        _ => throw Unknown(ins),
    };

    // Global and constant memory have generic addresses as they are; the other two have windows.
    private Op ConvertAddress(Instruction ins)
    {
        Allow(ins, "to", "global", "shared", "local", "const", "param", "shared::cta");
        Count(ins, 2);
        if (TypeOf(ins) != PtxType.U64) throw Unknown(ins);
        ulong window = ins.Has("shared") || ins.Has("shared::cta") ? DeviceMemory.SharedWindow : ins.Has("local") ? DeviceMemory.LocalWindow : 0;
        Op op = Simple(ins, PtxType.U64, 1, window == 0
            ? &Maps.Unary<ulong, Same<ulong>>
            : ins.Has("to") ? &Maps.Binary<ulong, Subtract<ulong>> : &Maps.Binary<ulong, Add<ulong>>);
        if (window != 0) op.B = Constant(window, 8);
        return op;
    }

    private Op Conversion(Instruction ins)
    {
        Allow(ins, "rn", "rna", "rni", "rzi", "rmi", "rpi", "rz", "sat", "ftz", "relu", "satfinite");
        PtxType from = TypeOf(ins), to = TypeOf(ins, 2);
        if (to is PtxType.F16x2 or PtxType.BF16x2) return PackedConversion(ins, from, to);
        if (ins.Has("ftz") && from != PtxType.F32 && to != PtxType.F32) throw Unknown(ins);
        if (ins.Has("ftz") || ins.Has("relu") || ins.Has("satfinite") || ins.Has("rz")) throw Unknown(ins);
        Count(ins, 2);
        Operand result = ins.Operands[0], source = ins.Operands[1];
        int sourceBytes = from.Bytes() == 1 ? 2 : from.Bytes(), resultBytes = to.Bytes() == 1 ? 2 : to.Bytes();
        int a, d;
        if (source.Kind == OperandKind.Register)
        {
            CheckWidth(ins, source, from, wider: !from.IsFloat());
            sourceBytes = source.Register!.Type.Bytes();
            a = Place(source.Register);
        }
        else
        {
            a = Read(ins, source, from);
        }

        if (result.Kind != OperandKind.Register) throw new PtxException(ins.Line, $"'{result}' is no register to write to.");
        CheckWidth(ins, result, to, wider: !to.IsFloat());
        resultBytes = result.Register!.Type.Bytes();
        d = Place(result.Register);

        if (from == PtxType.U32 && to is PtxType.U64 or PtxType.S64 && sourceBytes == 4)
            return new Op { Run = &ConvertOps.WidenU32, A = a, D = d };
        if (from == PtxType.S32 && to is PtxType.S64 or PtxType.U64 && sourceBytes == 4 && !ins.Has("sat"))
            return new Op { Run = &ConvertOps.WidenS32, A = a, D = d };
        if (from == PtxType.S32 && to == PtxType.F32 && sourceBytes == 4 && !ins.Has("sat"))
            return new Op { Run = &ConvertOps.SignedToFloat, A = a, D = d };
        return new Op { Run = ConversionOf(ins, from, to), A = a, D = d, Size = (byte)sourceBytes, Count = resultBytes };
    }

    private Op PackedConversion(Instruction ins, PtxType from, PtxType to)
    {
        Count(ins, 3);
        if (from != PtxType.F32 || !ins.Has("rn") || ins.Has("satfinite")) throw Unknown(ins);
        return new Op
        {
            Run = to == PtxType.F16x2 ? &ConvertOps.Pack<F16> : &ConvertOps.Pack<BF16>,
            D = Write(ins, ins.Operands[0], PtxType.B32),
            A = Read(ins, ins.Operands[1], from),
            B = Read(ins, ins.Operands[2], from),
            Count = ins.Has("relu") ? 1 : 0,
        };
    }

    private static Run ConversionOf(Instruction ins, PtxType from, PtxType to)
    {
        if (to == PtxType.TF32)
        {
            if (!ins.Has("rna")) throw Unknown(ins);
            return &ConvertOps.Run<ToTF32>;
        }

        if (to.IsInteger()) return ToInteger(ins, from, to);
        if (from.IsInteger()) return FromInteger(ins, from, to);
        bool saturate = ins.Has("sat");
        if (from == to)
        {
            string round = ins.Words.Skip(1).FirstOrDefault(w => w is "rni" or "rzi" or "rmi" or "rpi") ?? "";
            if (from is not (PtxType.F32 or PtxType.F64)) throw Unknown(ins);
            bool single = from == PtxType.F32;
            if (saturate && single && round.Length == 0)
                return &ConvertOps.Run<Saturated<IntegerToInteger<uint, uint>>>;
            if (saturate) throw Unknown(ins);
            return round switch
            {
                "rni" => single ? &ConvertOps.Run<RoundFloat<ToEven>> : &ConvertOps.Run<RoundDouble<ToEven>>,
                "rzi" => single ? &ConvertOps.Run<RoundFloat<ToZero>> : &ConvertOps.Run<RoundDouble<ToZero>>,
                "rmi" => single ? &ConvertOps.Run<RoundFloat<Downward>> : &ConvertOps.Run<RoundDouble<Downward>>,
                "rpi" => single ? &ConvertOps.Run<RoundFloat<Upward>> : &ConvertOps.Run<RoundDouble<Upward>>,
                _ => &ConvertOps.Run<IntegerToInteger<ulong, ulong>>,
            };
        }

        if (to.Bytes() < from.Bytes() && !ins.Has("rn")) throw new PtxException(ins.Line, $"'{ins.Opcode}' needs a rounding.");
        if (saturate) throw Unknown(ins);
        return (from, to) switch
        {
            (PtxType.F16, PtxType.F32) => &ConvertOps.Run<HalfToFloat<F16>>,
            (PtxType.BF16, PtxType.F32) => &ConvertOps.Run<HalfToFloat<BF16>>,
            (PtxType.F16, PtxType.F64) => &ConvertOps.Run<HalfToDouble<F16>>,
            (PtxType.BF16, PtxType.F64) => &ConvertOps.Run<HalfToDouble<BF16>>,
            (PtxType.F32, PtxType.F16) => &ConvertOps.Run<FloatToHalf<F16>>,
            (PtxType.F32, PtxType.BF16) => &ConvertOps.Run<FloatToHalf<BF16>>,
            (PtxType.F64, PtxType.F16) => &ConvertOps.Run<DoubleToHalf<F16>>,
            (PtxType.F64, PtxType.BF16) => &ConvertOps.Run<DoubleToHalf<BF16>>,
            (PtxType.F32, PtxType.F64) => &ConvertOps.Run<FloatToDouble>,
            (PtxType.F64, PtxType.F32) => &ConvertOps.Run<DoubleToFloat>,
            _ => throw Unknown(ins),
        };
    }

    private static Run ToInteger(Instruction ins, PtxType from, PtxType to) => to switch
    {
        PtxType.S8 => ToInteger<sbyte>(ins, from),
        PtxType.U8 => ToInteger<byte>(ins, from),
        PtxType.S16 => ToInteger<short>(ins, from),
        PtxType.U16 => ToInteger<ushort>(ins, from),
        PtxType.S32 => ToInteger<int>(ins, from),
        PtxType.U32 => ToInteger<uint>(ins, from),
        PtxType.S64 => ToInteger<long>(ins, from),
        _ => ToInteger<ulong>(ins, from),
    };

    private static Run ToInteger<T>(Instruction ins, PtxType from)
        where T : unmanaged, IBinaryInteger<T>
    {
        bool saturate = ins.Has("sat");
        if (from.IsInteger())
        {
            return from switch
            {
                PtxType.S8 => Between<sbyte, T>(saturate),
                PtxType.U8 => Between<byte, T>(saturate),
                PtxType.S16 => Between<short, T>(saturate),
                PtxType.U16 => Between<ushort, T>(saturate),
                PtxType.S32 => Between<int, T>(saturate),
                PtxType.U32 => Between<uint, T>(saturate),
                PtxType.S64 => Between<long, T>(saturate),
                _ => Between<ulong, T>(saturate),
            };
        }

        string round = ins.Words.Skip(1).FirstOrDefault(w => w is "rni" or "rzi" or "rmi" or "rpi") ?? "";
        return round switch
        {
            "rni" => Rounded<T, ToEven>(ins, from),
            "rzi" => Rounded<T, ToZero>(ins, from),
            "rmi" => Rounded<T, Downward>(ins, from),
            "rpi" => Rounded<T, Upward>(ins, from),
            _ => throw new PtxException(ins.Line, $"'{ins.Opcode}' needs a rounding to an integer."),
        };
    }

    private static Run Between<TSource, TResult>(bool saturate)
        where TSource : unmanaged, IBinaryInteger<TSource> where TResult : unmanaged, IBinaryInteger<TResult> => saturate
            ? &ConvertOps.Run<IntegerSaturated<TSource, TResult>>
            : &ConvertOps.Run<IntegerToInteger<TSource, TResult>>;

    private static Run Rounded<TResult, TRound>(Instruction ins, PtxType from)
        where TResult : unmanaged, IBinaryInteger<TResult> where TRound : IRound => from switch
        {
            PtxType.F32 => &ConvertOps.Run<FloatToInteger<TResult, TRound>>,
            PtxType.F64 => &ConvertOps.Run<DoubleToInteger<TResult, TRound>>,
            PtxType.F16 => &ConvertOps.Run<HalfToInteger<F16, TResult, TRound>>,
            PtxType.BF16 => &ConvertOps.Run<HalfToInteger<BF16, TResult, TRound>>,
            _ => throw Unknown(ins),
        };

    private static Run FromInteger(Instruction ins, PtxType from, PtxType to)
    {
        if (!ins.Has("rn") || ins.Has("sat")) throw new PtxException(ins.Line, $"'{ins.Opcode}' needs the rounding .rn.");
        return from switch
        {
            PtxType.S8 => FromInteger<sbyte>(ins, to),
            PtxType.U8 => FromInteger<byte>(ins, to),
            PtxType.S16 => FromInteger<short>(ins, to),
            PtxType.U16 => FromInteger<ushort>(ins, to),
            PtxType.S32 => FromInteger<int>(ins, to),
            PtxType.U32 => FromInteger<uint>(ins, to),
            PtxType.S64 => FromInteger<long>(ins, to),
            _ => FromInteger<ulong>(ins, to),
        };
    }

    private static Run FromInteger<T>(Instruction ins, PtxType to)
        where T : unmanaged, IBinaryInteger<T> => to switch
        {
            PtxType.F32 => &ConvertOps.Run<IntegerToFloat<T>>,
            PtxType.F64 => &ConvertOps.Run<IntegerToDouble<T>>,
            PtxType.F16 => &ConvertOps.Run<IntegerToHalf<T, F16>>,
            PtxType.BF16 => &ConvertOps.Run<IntegerToHalf<T, BF16>>,
            _ => throw Unknown(ins),
        };
}
