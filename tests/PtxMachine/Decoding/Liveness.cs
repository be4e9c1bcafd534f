// How many registers a kernel keeps alive at once, in the order of its text: what a thread needs at least unless a compiler reorders,
// computes again or spills. What the driver's compiler really takes, only it says; this tells whether the text leaves it a chance.
using PtxMachine.Parsing;

namespace PtxMachine.Decoding;

internal static class Liveness
{
    // Instructions whose first operand is not written.
    private static readonly HashSet<string> WithoutResult =
    [
        "st", "red", "bra", "bar", "barrier", "ret", "exit", "trap", "brkpt", "membar", "fence", "cp", "prefetch", "prefetchu", "nanosleep",
        "pmevent", "discard", "applypriority", "griddepcontrol",
    ];

    /// <summary>The most registers of 32 bits that are alive at one place; predicates have a file of their own.</summary>
    public static int Count(Function function)
    {
        var numbers = new Dictionary<Register, int>();
        foreach (Register register in function.Registers)
            if (register.Type != PtxType.Pred) numbers.Add(register, numbers.Count);
        int[] units = [.. numbers.Keys.Select(static register => register.Type.Bytes() > 4 ? 2 : 1)];
        List<Instruction> instructions = function.Instructions;
        int words = (numbers.Count + 63) / 64;
        var (written, read) = (new List<int>[instructions.Count], new List<int>[instructions.Count]);
        var before = new ulong[instructions.Count + 1][];    // what is alive before each instruction; nothing after the last
        for (int i = 0; i <= instructions.Count; i++) before[i] = new ulong[words];
        for (int i = 0; i < instructions.Count; i++) (written[i], read[i]) = Operands(instructions[i], numbers);

        // Backwards until nothing changes: loops need more than one pass.
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = instructions.Count - 1; i >= 0; i--)
            {
                ulong[] alive = AliveAfter(function, i, before);
                if (instructions[i].Guard == null) foreach (int register in written[i]) alive[register / 64] &= ~(1UL << (register % 64));
                foreach (int register in read[i]) alive[register / 64] |= 1UL << (register % 64);
                if (alive.AsSpan().SequenceEqual(before[i])) continue;
                before[i] = alive;
                changed = true;
            }
        }

        int most = 0;
        for (int i = 0; i < instructions.Count; i++)
        {
            ulong[] alive = AliveAfter(function, i, before);
            foreach (int register in written[i]) alive[register / 64] |= 1UL << (register % 64);
            most = Math.Max(most, Math.Max(Units(alive, units), Units(before[i], units)));
        }

        return most;
    }

    private static ulong[] AliveAfter(Function function, int i, ulong[][] before)
    {
        Instruction instruction = function.Instructions[i];
        bool goesOn = instruction.Guard != null || instruction.Words[0] is not ("bra" or "ret" or "exit" or "trap");
        ulong[] alive = goesOn ? [.. before[i + 1]] : new ulong[before[i].Length];
        if (instruction.Words[0] != "bra") return alive;
        ulong[] target = before[function.Labels[instruction.Operands[0].Text]];
        for (int w = 0; w < alive.Length; w++) alive[w] |= target[w];
        return alive;
    }

    private static (List<int> Written, List<int> Read) Operands(Instruction instruction, Dictionary<Register, int> numbers)
    {
        var (written, read) = (new List<int>(), new List<int>());
        for (int i = 0; i < instruction.Operands.Length; i++)
        {
            bool isResult = i == 0 && !WithoutResult.Contains(instruction.Words[0]);
            Add(instruction.Operands[i], isResult && instruction.Operands[i].Kind != OperandKind.Address ? written : read, numbers);
        }

        return (written, read);
    }

    private static void Add(Operand operand, List<int> to, Dictionary<Register, int> numbers)
    {
        if (operand.Register != null && numbers.TryGetValue(operand.Register, out int number)) to.Add(number);
        foreach (Operand item in operand.Items) Add(item, to, numbers);
    }

    private static int Units(ulong[] alive, int[] units)
    {
        int sum = 0;
        for (int w = 0; w < alive.Length; w++)
            for (ulong rest = alive[w]; rest != 0; rest &= rest - 1) sum += units[(w * 64) + System.Numerics.BitOperations.TrailingZeroCount(rest)];
        return sum;
    }
}
