// Words, numbers and signs of a PTX text. Opcodes keep their dots, so that a statement is a word and its operands.
namespace PtxMachine.Parsing;

internal enum TokenKind { Word, Number, Sign, Text, End }

internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public bool Is(char sign) => Kind == TokenKind.Sign && Text[0] == sign;

    public bool Is(string word) => Kind == TokenKind.Word && Text == word;
}

internal static class Lexer
{
    public static List<Token> Read(string text)
    {
        var tokens = new List<Token>();
        int line = 1, i = 0;
        while (i < text.Length)
        {
            char c = text[i];
            if (c == '\n') line++;
            if (char.IsWhiteSpace(c) || c == '\0')
            {
                i++;
            }
            else if (c == '/' && Next(text, i) == '/')
            {
                while (i < text.Length && text[i] != '\n') i++;
            }
            else if (c == '/' && Next(text, i) == '*')
            {
                int end = text.IndexOf("*/", i + 2, StringComparison.Ordinal);
                if (end < 0) throw new PtxException(line, "a comment has no end.");
                for (; i < end + 2; i++) if (text[i] == '\n') line++;
            }
            else if (c == '"')
            {
                int end = text.IndexOf('"', i + 1);
                if (end < 0) throw new PtxException(line, "a string has no end.");
                tokens.Add(new Token(TokenKind.Text, text[(i + 1)..end], line));
                i = end + 1;
            }
            else if (char.IsAsciiDigit(c))
            {
                int start = i;
                while (i < text.Length && (char.IsAsciiLetterOrDigit(text[i])
                    || (text[i] == '.' && char.IsAsciiDigit(Next(text, i))))) i++;
                tokens.Add(new Token(TokenKind.Number, text[start..i], line));
            }
            else if (IsWord(c))
            {
                int start = i;
                while (i < text.Length && (IsWord(text[i]) || (text[i] == ':' && Next(text, i) == ':')))
                    i += text[i] == ':' ? 2 : 1;
                tokens.Add(new Token(TokenKind.Word, text[start..i], line));
            }
            else
            {
                tokens.Add(new Token(TokenKind.Sign, c.ToString(), line));
                i++;
            }
        }

        tokens.Add(new Token(TokenKind.End, "the end", line));
        return tokens;
    }

    private static char Next(string text, int i) => i + 1 < text.Length ? text[i + 1] : '\0';

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '%' or '.';
}
