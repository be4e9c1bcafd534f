// A kernel's body: declarations, labels, instructions and their operands.
namespace PtxMachine.Parsing;

internal sealed partial class Parser
{
    private void ReadBody(Function function)
    {
        while (!TrySign('}'))
        {
            Token token = Here;
            if (TrySign('{'))
            {
                _scopes.Add([]);
                ReadBody(function);
                _scopes.RemoveAt(_scopes.Count - 1);
            }
            else if (token.Is(".reg"))
            {
                ReadRegisters(function);
            }
            else if (token.Kind == TokenKind.Word && token.Text is ".shared" or ".local")
            {
                Take();
                function.Variables.AddRange(ReadVariables(token));
            }
            else if (token.Kind == TokenKind.Word && token.Text is ".pragma" or ".loc" or ".file")
            {
                SkipDirective(Take());
            }
            else if (token.Kind == TokenKind.Word && _tokens[_at + 1].Is(':'))
            {
                _at += 2;
                if (!function.Labels.TryAdd(token.Text, function.Instructions.Count))
                    throw new PtxException(token.Line, $"the label '{token.Text}' stands twice.");
            }
            else if (!TrySign(';'))
            {
                function.Instructions.Add(ReadInstruction());
            }
        }
    }

    private void ReadRegisters(Function function)
    {
        Take();
        Token word = Take();
        if (!PtxTypes.TryParse(word.Text.TrimStart('.'), out PtxType type))
            throw new PtxException(word.Line, $"'{word.Text}' is not a type.");
        do
        {
            Token name = Take();
            if (!TrySign('<'))
            {
                Add(name, name.Text);
                continue;
            }

            int count = (int)TakeInteger();
            Expect('>');
            for (int i = 0; i < count; i++) Add(name, name.Text + i);
        }
        while (TrySign(','));
        Expect(';');

        void Add(Token at, string name)
        {
            var register = new Register(name, type);
            function.Registers.Add(register);
            Declare(at with { Text = name }, register);
        }
    }

    private Instruction ReadInstruction()
    {
        Register? guard = null;
        bool negated = false;
        if (TrySign('@'))
        {
            negated = TrySign('!');
            Token name = Take();
            guard = Find(name.Text) as Register;
            if (guard is not { Type: PtxType.Pred })
                throw new PtxException(name.Line, $"the guard '{name.Text}' is not a predicate.");
        }

        Token opcode = Take();
        if (opcode.Kind != TokenKind.Word) throw new PtxException(opcode.Line, $"'{opcode.Text}' is not an opcode.");
        var operands = new List<Operand>();
        while (!TrySign(';'))
        {
            if (operands.Count > 0) Expect(',');
            operands.Add(TakeOperand());
        }

        return new Instruction(opcode.Line, opcode.Text, [.. operands], guard, negated);
    }

    private Operand TakeOperand()
    {
        Operand first = TakeSimple();
        if (!TrySign('|')) return first;
        return new Operand { Kind = OperandKind.Pair, Items = [first, TakeSimple()] };
    }

    private Operand TakeSimple()
    {
        Token token = Take();
        if (token.Is('[')) return TakeAddress();
        if (token.Is('-')) return Literal.Read(Take(), negative: true);
        if (token.Kind == TokenKind.Number) return Literal.Read(token, negative: false);
        if (token.Is('{')) return TakeVector();
        bool negated = token.Is('!');
        if (negated) token = Take();
        if (token.Kind != TokenKind.Word) throw new PtxException(token.Line, $"'{token.Text}' is not an operand.");
        if (token.Text == "_") return new Operand { Kind = OperandKind.Sink, Text = "_" };

        switch (Find(token.Text))
        {
            case Register register:
                return new Operand { Kind = OperandKind.Register, Register = register, Negated = negated };
            case Variable variable:
                long offset = TrySign('+') ? TakeOffset() : 0;
                return new Operand { Kind = OperandKind.Variable, Variable = variable, Offset = offset };
            default:
                OperandKind kind = Specials.Is(token.Text) ? OperandKind.Special : OperandKind.Label;
                if (kind == OperandKind.Label && token.Text[0] == '%')
                    throw new PtxException(token.Line, $"'{token.Text}' is not declared.");
                return new Operand { Kind = kind, Text = token.Text };
        }
    }

    private Operand TakeVector()
    {
        var items = new List<Operand>();
        do items.Add(TakeSimple());
        while (TrySign(','));
        Expect('}');
        return new Operand { Kind = OperandKind.Vector, Items = [.. items] };
    }

    private Operand TakeAddress()
    {
        Operand start = TakeSimple();
        long offset = TrySign('+') ? TakeOffset() : Here.Is('-') ? TakeOffset() : 0;
        Expect(']');
        return new Operand { Kind = OperandKind.Address, Items = [start], Offset = offset };
    }

    private long TakeOffset()
    {
        bool negative = TrySign('-');
        return (long)Literal.Read(Take(), negative).Bits;
    }
}
