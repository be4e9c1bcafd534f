// What lanes do together: shuffles, votes, reductions, barriers, matrices.
using PtxMachine.Execution;
using PtxMachine.Opcodes;
using PtxMachine.Parsing;

namespace PtxMachine.Decoding;

internal sealed unsafe partial class Decoder
{
    private Op Together(Instruction ins)
    {
        switch (ins.Words[0])
        {
            case "activemask":
                Count(ins, 1);
                return new Op { Run = &MoveOps.ActiveMask, D = Write(ins, ins.Operands[0], PtxType.B32) };
            case "shfl":
                return Shuffled(ins);
            case "vote":
                return Vote(ins);
            case "redux":
                return Reduction(ins);
            default:
                Allow(ins, "any", "sync");
                Count(ins, 3);
                if (!ins.Has("any") || TypeOf(ins) != PtxType.B32) throw Unknown(ins);
                return new Op
                {
                    Run = &WarpOps.MatchAny, Flow = Flow.Converge,
                    D = Write(ins, ins.Operands[0], PtxType.B32),
                    A = Read(ins, ins.Operands[1], PtxType.B32),
                    C = Read(ins, ins.Operands[2], PtxType.B32),
                };
        }
    }

    private Op Shuffled(Instruction ins)
    {
        Allow(ins, "sync", "up", "down", "bfly", "idx");
        if (!ins.Has("sync")) throw new PtxException(ins.Line, "a shuffle without .sync is no longer possible.");
        Count(ins, 5);
        Operand result = ins.Operands[0];
        int predicate = -1;
        if (result.Kind == OperandKind.Pair)
        {
            if (result.Items[1].Kind == OperandKind.Register) predicate = Write(ins, result.Items[1], PtxType.Pred);
            result = result.Items[0];
        }

        return new Op
        {
            Run = &WarpOps.Shuffled, Flow = Flow.Converge,
            D = Write(ins, result, PtxType.B32),
            A = Read(ins, ins.Operands[1], PtxType.B32),
            B = Read(ins, ins.Operands[2], PtxType.B32),
            C = Read(ins, ins.Operands[4], PtxType.B32),
            More = _kernel.Keep([Read(ins, ins.Operands[3], PtxType.B32), predicate]),
            Count = (int)(ins.Has("up") ? Shuffle.Up : ins.Has("down") ? Shuffle.Down : ins.Has("bfly") ? Shuffle.Butterfly : Shuffle.Index),
        };
    }

    private Op Vote(Instruction ins)
    {
        Allow(ins, "sync", "ballot", "any", "all", "uni");
        if (!ins.Has("sync")) throw new PtxException(ins.Line, "a vote without .sync is no longer possible.");
        Count(ins, 3);
        bool ballot = ins.Has("ballot");
        int a = ReadPredicate(ins, ins.Operands[1], out uint flip);
        return new Op
        {
            Run = ballot ? &WarpOps.Ballot : ins.Has("any") ? &WarpOps.Any : ins.Has("all") ? &WarpOps.All : &WarpOps.Uniform,
            Flow = Flow.Converge,
            D = Write(ins, ins.Operands[0], ballot ? PtxType.B32 : PtxType.Pred),
            A = a,
            C = Read(ins, ins.Operands[2], PtxType.B32),
            Immediate = flip,
        };
    }

    private Op Reduction(Instruction ins)
    {
        Allow(ins, "sync", "add", "min", "max", "and", "or", "xor");
        Count(ins, 3);
        PtxType type = TypeOf(ins);
        return new Op
        {
            Run = (ins.Words[2], type) switch
            {
                ("add", PtxType.U32 or PtxType.S32) => &WarpOps.Reduce<uint, AtomicAdd<uint>>,
                ("min", PtxType.U32) => &WarpOps.Reduce<uint, AtomicMin<uint>>,
                ("max", PtxType.U32) => &WarpOps.Reduce<uint, AtomicMax<uint>>,
                ("min", PtxType.S32) => &WarpOps.Reduce<int, AtomicMin<int>>,
                ("max", PtxType.S32) => &WarpOps.Reduce<int, AtomicMax<int>>,
                ("and", PtxType.B32) => &WarpOps.Reduce<uint, AtomicAnd<uint>>,
                ("or", PtxType.B32) => &WarpOps.Reduce<uint, AtomicOr<uint>>,
                ("xor", PtxType.B32) => &WarpOps.Reduce<uint, AtomicXor<uint>>,
                _ => throw Unknown(ins),
            },
            Flow = Flow.Converge,
            D = Write(ins, ins.Operands[0], type),
            A = Read(ins, ins.Operands[1], type),
            C = Read(ins, ins.Operands[2], PtxType.B32),
        };
    }

    private Op Barrier(Instruction ins)
    {
        Allow(ins, "sync", "warp", "aligned", "cta");
        if (!ins.Has("sync")) throw Unknown(ins);
        if (ins.Has("warp"))
        {
            Count(ins, 1);
            return new Op { Run = &WarpOps.SyncWarp, Flow = Flow.Converge, C = Read(ins, ins.Operands[0], PtxType.B32) };
        }

        Count(ins, 1, 2);
        return new Op
        {
            Run = &WarpOps.Barrier, Flow = Flow.Barrier,
            A = Read(ins, ins.Operands[0], PtxType.U32),
            B = ins.Operands.Length > 1 ? Read(ins, ins.Operands[1], PtxType.U32) : -1,
        };
    }

    private Op LoadMatrix(Instruction ins)
    {
        Allow(ins, "sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta");
        Count(ins, 2);
        int count = ins.Has("x4") ? 4 : ins.Has("x2") ? 2 : ins.Has("x1") ? 1 : throw Unknown(ins);
        Operand[] registers = ins.Operands[0].Kind == OperandKind.Vector ? ins.Operands[0].Items : [ins.Operands[0]];
        if (registers.Length != count) throw new PtxException(ins.Line, $"'{ins.Opcode}' has {registers.Length} registers, {count} are expected.");
        Op op = Access(ins, ins.Operands[1], PtxType.B32, count);
        op.Run = &MatrixOps.LoadMatrix;
        op.Flow = Flow.Together;
        op.Size = 16;
        op.More = _kernel.Keep([.. registers.Select(r => Write(ins, r, PtxType.B32))]);
        op.D = ins.Has("trans") ? 1 : 0;
        return op;
    }

    private Op Matrix(Instruction ins)
    {
        Allow(ins, "sync", "aligned", "m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32", "row", "col", "satfinite");
        Count(ins, 4);
        PtxType c = TypeOf(ins), b = TypeOf(ins, 2), a = TypeOf(ins, 3), d = TypeOf(ins, 4);
        bool integer = c == PtxType.S32;
        int depth = ins.Has("m16n8k4") ? 4 : ins.Has("m16n8k8") ? 8 : ins.Has("m16n8k16") ? 16 : 32;
        if (d != c || (!integer && a != b)) throw Unknown(ins);
        int registersA = (a, depth) switch
        {
            (PtxType.F16 or PtxType.BF16, 16) when c == PtxType.F32 => 4,
            (PtxType.F16 or PtxType.BF16, 8) when c == PtxType.F32 => 2,
            (PtxType.TF32, 8) when c == PtxType.F32 => 4,
            (PtxType.TF32, 4) when c == PtxType.F32 => 2,
            (PtxType.S8 or PtxType.U8, 32) when integer => 4,
            (PtxType.S8 or PtxType.U8, 16) when integer => 2,
            _ => throw Unknown(ins),
        };
        var offsets = new List<int>();
        Fragment(ins, 0, 4, integer ? PtxType.B32 : PtxType.F32, offsets, write: true);
        Fragment(ins, 1, registersA, PtxType.B32, offsets, write: false);
        Fragment(ins, 2, registersA / 2, PtxType.B32, offsets, write: false);
        Fragment(ins, 3, 4, integer ? PtxType.B32 : PtxType.F32, offsets, write: false);
        return new Op
        {
            Run = a switch
            {
                PtxType.F16 => &MatrixOps.Float<HalfFragment<F16>>,
                PtxType.BF16 => &MatrixOps.Float<HalfFragment<BF16>>,
                PtxType.TF32 => &MatrixOps.Float<TF32Fragment>,
                _ => &MatrixOps.Integer,
            },
            Flow = Flow.Together,
            Count = registersA,
            More = _kernel.Keep(offsets),
            Immediate = (a == PtxType.U8 ? 1 : 0) | (b == PtxType.U8 ? 2 : 0) | (ins.Has("satfinite") ? 4 : 0),
        };
    }

    private void Fragment(Instruction ins, int operand, int count, PtxType type, List<int> offsets, bool write)
    {
        Operand[] items = ins.Operands[operand].Kind == OperandKind.Vector ? ins.Operands[operand].Items : [ins.Operands[operand]];
        if (items.Length != count) throw new PtxException(ins.Line, $"'{ins.Opcode}' has {items.Length} registers in operand {operand + 1}, {count} are expected.");
        foreach (Operand item in items) offsets.Add(write ? Write(ins, item, type) : Read(ins, item, type));
    }
}
