// PTX text to a module. Statements end at semicolons, not at line ends; braces open scopes of register names.
using System.Buffers.Binary;
using System.Globalization;

namespace PtxMachine.Parsing;

internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private readonly Module _module = new();
    private readonly List<Dictionary<string, object>> _scopes = [[]];
    private int _at;

    private Parser(string text) => _tokens = Lexer.Read(text);

    public static Module Parse(string text)
    {
        var parser = new Parser(text);
        parser.ReadModule();
        return parser._module;
    }

    private Token Here => _tokens[_at];

    private void ReadModule()
    {
        while (Here.Kind != TokenKind.End)
        {
            Token token = Take();
            switch (token.Text)
            {
                case ".version":
                    Token version = Take();
                    string[] parts = version.Text.Split('.');
                    if (parts.Length != 2 || !int.TryParse(parts[0], out int major) || !int.TryParse(parts[1], out int minor))
                        throw new PtxException(version.Line, $".version is '{version.Text}', not major.minor.");
                    _module.Version = (major * 10) + minor;
                    break;
                case ".target":
                    ReadTarget();
                    break;
                case ".address_size":
                    if (Take().Text != "64") throw new PtxException(token.Line, "addresses of 64 bits are expected.");
                    break;
                case ".visible" or ".weak" or ".extern" or ".common":
                    break;
                case ".entry":
                    ReadEntry();
                    break;
                case ".func":
                    throw new PtxException(token.Line, "functions that are called are not supported: inline them.");
                case ".global" or ".const" or ".shared":
                    foreach (Variable variable in ReadVariables(token)) _module.Variables.Add(variable);
                    break;
                case ".file" or ".pragma" or ".section" or ".loc":
                    SkipDirective(token);
                    break;
                default:
                    throw new PtxException(token.Line, $"'{token.Text}' is not expected here.");
            }
        }

        if (_module.Version == 0) throw new PtxException(1, "the text has no .version.");
        if (_module.Target == 0) throw new PtxException(1, "the text has no .target.");
    }

    private void ReadTarget()
    {
        Token target = Take();
        string digits = target.Text.StartsWith("sm_", StringComparison.Ordinal) ? target.Text[3..] : "";
        _module.TargetIsExact = digits.EndsWith('a');
        if (!int.TryParse(digits.TrimEnd('a'), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            throw new PtxException(target.Line, $".target is '{target.Text}', not sm_NN.");
        _module.Target = number;
        while (TrySign(',')) Take();
    }

    private void ReadEntry()
    {
        Token name = Take();
        var function = new Function { Name = name.Text, Line = name.Line };
        _scopes.Add([]);
        if (TrySign('('))
        {
            while (!TrySign(')'))
            {
                function.Parameters.Add(ReadParameter());
                TrySign(',');
            }
        }

        while (!Here.Is('{')) ReadEntryDirective(function);
        Expect('{');
        ReadBody(function);
        _scopes.RemoveAt(_scopes.Count - 1);
        foreach (Instruction instruction in function.Instructions)
        {
            if (instruction.Words[0] == "bra" && !function.Labels.ContainsKey(instruction.Operands[0].Text))
                throw new PtxException(instruction.Line, $"there is no label '{instruction.Operands[0].Text}'.");
        }

        _module.Functions.Add(function);
    }

    private void ReadEntryDirective(Function function)
    {
        Token token = Take();
        switch (token.Text)
        {
            case ".maxntid" or ".reqntid":
                int threads = 1;
                do threads *= (int)TakeInteger();
                while (TrySign(','));
                function.MaxThreads = threads;
                function.ThreadsRequired = token.Text == ".reqntid";
                break;
            case ".minnctapersm" or ".maxnreg" or ".maxnctapersm":
                TakeInteger();
                break;
            case ".pragma":
                SkipDirective(token);
                break;
            default:
                throw new PtxException(token.Line, $"'{token.Text}' is not expected before a kernel's body.");
        }
    }

    private Variable ReadParameter()
    {
        Token start = Take();
        if (!start.Is(".param")) throw new PtxException(start.Line, $"'{start.Text}' is not expected among parameters.");
        return ReadVariables(start).Single();
    }

    private List<Variable> ReadVariables(Token start)
    {
        Space space = start.Text switch
        {
            ".global" => Space.Global,
            ".const" => Space.Const,
            ".shared" => Space.Shared,
            ".local" => Space.Local,
            _ => Space.Param,
        };
        int align = 0;
        PtxType type = PtxType.None;
        int vector = 1;
        while (Here.Kind == TokenKind.Word && Here.Text[0] == '.')
        {
            Token word = Take();
            if (word.Text == ".align") align = (int)TakeInteger();
            else if (word.Text is ".v2" or ".v4") vector = word.Text[2] - '0';
            else if (word.Text == ".ptr") SkipPointerAttributes();
            else if (!PtxTypes.TryParse(word.Text[1..], out type))
                throw new PtxException(word.Line, $"'{word.Text}' is not a type.");
        }

        if (type is PtxType.None or PtxType.Pred) throw new PtxException(start.Line, "a variable has no type.");
        var variables = new List<Variable>();
        do
        {
            Token name = Take();
            int count = vector;
            while (TrySign('['))
            {
                count = Here.Is(']') ? -1 : count * (int)TakeInteger();
                Expect(']');
            }

            byte[]? initial = TrySign('=') ? ReadInitial(type, count) : null;
            var variable = new Variable
            {
                Name = name.Text, Space = space, Type = type, Count = count, Initial = initial, Line = name.Line,
                Align = align > 0 ? align : type.Bytes() * vector,
            };
            Declare(name, variable);
            variables.Add(variable);
        }
        while (space != Space.Param && TrySign(','));

        if (space != Space.Param) Expect(';');
        return variables;
    }

    private void SkipPointerAttributes()
    {
        while (Here.Kind == TokenKind.Word && Here.Text is ".global" or ".const" or ".shared" or ".local" or ".align")
            if (Take().Text == ".align") TakeInteger();
    }

    private byte[] ReadInitial(PtxType type, int count)
    {
        var values = new List<ulong>();
        if (TrySign('{'))
        {
            while (!TrySign('}'))
            {
                values.Add(TakeOperand().Bits);
                TrySign(',');
            }
        }
        else
        {
            values.Add(TakeOperand().Bits);
        }

        int size = type.Bytes();
        byte[] bytes = new byte[Math.Max(count, values.Count) * size];
        Span<byte> eight = stackalloc byte[8];
        for (int i = 0; i < values.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(eight, values[i]);
            eight[..size].CopyTo(bytes.AsSpan(i * size));
        }

        return bytes;
    }

    private void SkipDirective(Token start)
    {
        if (start.Text is ".pragma")
        {
            while (!TrySign(';')) Take();
            return;
        }

        if (start.Text == ".section")
        {
            while (!TrySign('}')) Take();
            return;
        }

        while (Here.Kind != TokenKind.End && Here.Line == start.Line) Take();
    }

    private void Declare(Token name, object thing)
    {
        if (!_scopes[^1].TryAdd(name.Text, thing))
            throw new PtxException(name.Line, $"'{name.Text}' is declared twice.");
    }

    private object? Find(string name)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
            if (_scopes[i].TryGetValue(name, out object? thing)) return thing;
        return null;
    }

    private Token Take() => Here.Kind == TokenKind.End
        ? throw new PtxException(Here.Line, "the text ends too early.")
        : _tokens[_at++];

    private bool TrySign(char sign)
    {
        if (!Here.Is(sign)) return false;
        _at++;
        return true;
    }

    private void Expect(char sign)
    {
        if (!TrySign(sign)) throw new PtxException(Here.Line, $"'{Here.Text}' is found, '{sign}' is expected.");
    }

    private ulong TakeInteger() => Literal.Read(Take(), negative: false).Bits;
}
