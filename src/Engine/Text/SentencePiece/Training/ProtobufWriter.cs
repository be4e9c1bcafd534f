// Writes fields of a protocol-buffer message: as much of the wire format as a SentencePiece model needs.
using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Engine.Text.SentencePiece.Training;

/// <summary>A message that grows.</summary>
internal sealed class ProtobufWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What was written.</summary>
    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>An integer; a negative one has ten bytes.</summary>
    public void Int32(int field, int value)
    {
        Key(field, WireType.Varint);
        Raw(unchecked((ulong)(long)value));
    }

    /// <summary>A truth value.</summary>
    public void Bool(int field, bool value) => Int32(field, value ? 1 : 0);

    /// <summary>A float.</summary>
    public void Float(int field, float value)
    {
        Key(field, WireType.Fixed32);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    /// <summary>A string.</summary>
    public void String(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Bytes or a message.</summary>
    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Key(field, WireType.Bytes);
        Raw((ulong)value.Length);
        _bytes.Write(value);
    }

    private void Key(int field, WireType type) => Raw(((ulong)field << 3) | (ulong)type);

    private void Raw(ulong value)
    {
        for (; value >= 0x80; value >>= 7) _bytes.Write([(byte)(value | 0x80)]);
        _bytes.Write([(byte)value]);
    }
}
