// Numbers of PTX: decimal, 0x, 0b and octal integers with an optional U; floats only as bits, 0f and 0d.
using System.Globalization;

namespace PtxMachine.Parsing;

internal static class Literal
{
    public static Operand Read(Token token, bool negative)
    {
        string text = token.Text;
        if (text.Length == 10 && text[0] == '0' && text[1] is 'f' or 'F')
            return Float(token, text[2..], 4, negative);
        if (text.Length == 18 && text[0] == '0' && text[1] is 'd' or 'D')
            return Float(token, text[2..], 8, negative);

        string digits = text.EndsWith('U') ? text[..^1] : text;
        if (!TryInteger(digits, out ulong value)) throw new PtxException(token.Line, $"'{text}' is not a number.");
        return new Operand { Kind = OperandKind.Immediate, Bits = negative ? 0 - value : value, Text = text };
    }

    private static Operand Float(Token token, string digits, int bytes, bool negative)
    {
        if (!ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong bits))
            throw new PtxException(token.Line, $"'{token.Text}' is not a number.");
        if (negative) bits ^= bytes == 4 ? 0x8000_0000UL : 0x8000_0000_0000_0000UL;
        return new Operand { Kind = OperandKind.Immediate, Bits = bits, FloatBytes = bytes, Text = token.Text };
    }

    private static bool TryInteger(string digits, out ulong value)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            return ulong.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, culture, out value);
        if (digits.StartsWith("0b", StringComparison.OrdinalIgnoreCase))
            return ulong.TryParse(digits[2..], NumberStyles.AllowBinarySpecifier, culture, out value);
        if (digits.Length < 2 || digits[0] != '0')
            return ulong.TryParse(digits, NumberStyles.None, culture, out value);

        value = 0;
        foreach (char c in digits)
        {
            if (c is < '0' or > '7') return false;
            value = (value << 3) + (ulong)(c - '0');
        }

        return true;
    }
}
