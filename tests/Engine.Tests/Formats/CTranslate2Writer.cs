// Builds model.bin files of any binary version, and remembers where each field lies so that tests can break it.
using System.Buffers.Binary;
using System.Text;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

/// <summary>What a range of bytes of a file is.</summary>
internal enum FieldKind
{
    Version,
    Length,
    Text,
    Number,
    Type,
    Data,
}

/// <summary>A field of a file.</summary>
internal readonly record struct Field(string Name, FieldKind Kind, int Offset, int Length);

/// <summary>A <c>model.bin</c> in the making.</summary>
internal sealed class CTranslate2Writer(int version, string spec = "TransformerSpec", int revision = 7)
{
    private readonly List<(string Name, DType Type, long[] Dims, byte[] Data)> _variables = [];
    private readonly List<(string Name, string Target)> _aliases = [];

    public int Version => version;

    public string Spec { get; set; } = spec;

    public int Revision { get; set; } = revision;

    /// <summary>Fields of the file that <see cref="ToBytes"/> made last.</summary>
    public List<Field> Fields { get; } = [];

    public string[] Names => [.. _variables.Select(variable => variable.Name)];

    public void Add(string name, DType type, long[] dims, byte[] data) => _variables.Add((name, type, dims, data));

    public void Add(string name, long[] dims, params float[] values) => Add(name, DType.Float32, dims, Bytes(values));

    public void AddText(string name, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Add(name, DType.Int8, [bytes.Length], bytes);
    }

    public void AddFlag(string name, bool value) => Add(name, DType.Int8, [], [value ? (byte)1 : (byte)0]);

    public void AddInteger(string name, short value)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteInt16LittleEndian(bytes, value);
        Add(name, DType.Int16, [], bytes);
    }

    public void Alias(string name, string target) => _aliases.Add((name, target));

    public void Remove(string name) => Assert.Equal(1, _variables.RemoveAll(variable => variable.Name == name));

    public void Replace(string name, Func<(DType Type, long[] Dims, byte[] Data), (DType, long[], byte[])> change)
    {
        int i = _variables.FindIndex(variable => variable.Name == name);
        var (_, type, dims, data) = _variables[i];
        (type, dims, data) = change((type, dims, data));
        _variables[i] = (name, type, dims, data);
    }

    public void Rename(Func<string, string> rename)
    {
        for (int i = 0; i < _variables.Count; i++)
            _variables[i] = _variables[i] with { Name = rename(_variables[i].Name) };
    }

    public byte[] ToBytes()
    {
        Fields.Clear();
        var bytes = new List<byte>();
        UInt32("binary version", FieldKind.Version, (uint)version);
        if (version >= 2)
        {
            String("spec", Spec);
            UInt32("revision", FieldKind.Version, (uint)Revision);
        }
        UInt32("variables", FieldKind.Number, (uint)_variables.Count);
        foreach (var (name, type, dims, data) in _variables)
        {
            String(name, name);
            Put($"{name} rank", FieldKind.Number, (byte)dims.Length);
            foreach (long extent in dims) UInt32($"{name} dimension", FieldKind.Number, (uint)extent);
            Put($"{name} type", FieldKind.Type, version >= 4 ? Code(type) : (byte)type.Bytes());
            UInt32($"{name} length", FieldKind.Number, (uint)(version >= 4 ? data.Length : data.Length / type.Bytes()));
            Put($"{name} data", FieldKind.Data, data);
        }
        if (version >= 3)
        {
            UInt32("aliases", FieldKind.Number, (uint)_aliases.Count);
            foreach (var (name, target) in _aliases)
            {
                String($"alias {name}", name);
                String($"alias target {target}", target);
            }
        }
        return [.. bytes];

        void Put(string name, FieldKind kind, params byte[] data)
        {
            Fields.Add(new Field(name, kind, bytes.Count, data.Length));
            bytes.AddRange(data);
        }

        void UInt32(string name, FieldKind kind, uint value) => Put(name, kind, BitConverter.GetBytes(value));

        void String(string name, string text)
        {
            byte[] data = [.. Encoding.UTF8.GetBytes(text), 0];
            Put($"{name} name length", FieldKind.Length, BitConverter.GetBytes((ushort)data.Length));
            Put($"{name} name", FieldKind.Text, data);
        }
    }

    public static byte[] Bytes(float[] values)
    {
        var bytes = new byte[4 * values.Length];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return bytes;
    }

    private static byte Code(DType type) => type switch
    {
        DType.Float32 => 0,
        DType.Int8 => 1,
        DType.Int16 => 2,
        DType.Int32 => 3,
        DType.Float16 => 4,
        _ => 5,
    };
}
