// Fields of a protocol-buffer message, one after the other: as much of the wire format as a SentencePiece model needs.
using System.Buffers.Binary;
using System.Globalization;
using Engine.Formats;

namespace Engine.Text.SentencePiece;

/// <summary>How a field is written.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>Walks through a message.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message, string file)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _at;

    /// <summary>Number of the field that was read last.</summary>
    public int Field { get; private set; }

    private WireType Type { get; set; }

    /// <summary>Goes to the next field; its value must then be read or skipped.</summary>
    public bool Next()
    {
        if (_at == _message.Length) return false;
        ulong key = Raw();
        if (key >> 3 is 0 or > 0x1FFFFFFF) throw Wrong("number", Text(key >> 3), "1 .. 536870911");
        Field = (int)(key >> 3);
        Type = (WireType)(key & 7);
        if (!Enum.IsDefined(Type)) throw Wrong("wire type", Text(key & 7), "0, 1, 2 or 5");
        return true;
    }

    /// <summary>An integer.</summary>
    public ulong Varint()
    {
        Expect(WireType.Varint);
        return Raw();
    }

    /// <summary>An integer of 32 bits; a negative one has ten bytes.</summary>
    public int Int32() => unchecked((int)Varint());

    /// <summary>A truth value.</summary>
    public bool Bool() => Varint() != 0;

    /// <summary>A float.</summary>
    public float Float()
    {
        Expect(WireType.Fixed32);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(sizeof(float)));
    }

    /// <summary>A string or a message.</summary>
    public ReadOnlySpan<byte> Bytes()
    {
        Expect(WireType.Bytes);
        ulong length = Raw();
        if (length > (ulong)(_message.Length - _at))
            throw Wrong("length", Text(length), $"at most the {_message.Length - _at} bytes that are left");
        return Take((int)length);
    }

    /// <summary>Passes by the value.</summary>
    public void Skip()
    {
        switch (Type)
        {
            case WireType.Varint: Raw(); break;
            case WireType.Fixed64: Take(sizeof(ulong)); break;
            case WireType.Fixed32: Take(sizeof(uint)); break;
            default: Bytes(); break;
        }
    }

    private void Expect(WireType type)
    {
        if (Type != type) throw Wrong("wire type", Text((ulong)Type), Text((ulong)type));
    }

    private ulong Raw()
    {
        const int MostBytes = 10;
        ulong value = 0;
        for (int i = 0; i < MostBytes; i++)
        {
            byte b = Take(1)[0];
            value |= (ulong)(b & 0x7F) << (7 * i);
            if (b < 0x80) return value;
        }

        throw Wrong("integer", "longer than 10 bytes", "at most 10");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_message.Length - _at < count) throw Wrong("value", $"cut off after {_message.Length - _at} bytes", $"{count} bytes");
        _at += count;
        return _message.Slice(_at - count, count);
    }

    private readonly ModelFormatException Wrong(string what, string found, string expected) =>
        new(file, $"the {what} of field {Field} (byte {_at} of its message)", found, expected);

    private static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);
}
