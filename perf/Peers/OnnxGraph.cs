// ONNX files without a library: protocol buffers are tags, lengths and bytes, and a graph needs a dozen of the fields.
// Field numbers are those of onnx.proto3 (github.com/onnx/onnx).
using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Perf.Peers;

/// <summary>Writes a message of protocol buffers.</summary>
internal sealed class ProtoWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public ProtoWriter Integer(int field, long value) => Varint((uint)field << 3).Varint((ulong)value);

    public ProtoWriter Single(int field, float value)
    {
        Varint(((uint)field << 3) | 5);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    public ProtoWriter Bytes(int field, ReadOnlySpan<byte> value)
    {
        Varint(((uint)field << 3) | 2).Varint((ulong)value.Length);
        _bytes.Write(value);
        return this;
    }

    public ProtoWriter Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public ProtoWriter Message(int field, ProtoWriter value) => Bytes(field, value.ToArray());

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    private ProtoWriter Varint(ulong value)
    {
        for (; value > 127; value >>= 7) _bytes.Write([(byte)(value | 128)]);
        _bytes.Write([(byte)value]);
        return this;
    }
}

/// <summary>A graph in the making: constants, nodes, one input and one output of float32.</summary>
internal sealed class OnnxGraph
{
    private const int Float = 1;
    private const int Int8 = 3;
    private const int Int64 = 7;

    private readonly ProtoWriter _graph = new ProtoWriter().Text(2, "graph");
    private int _names;

    public string Floats(float[] values, params long[] dimensions) =>
        Constant(Float, MemoryMarshal.AsBytes<float>(values), dimensions);

    public string Bytes(sbyte[] values, params long[] dimensions) =>
        Constant(Int8, MemoryMarshal.AsBytes<sbyte>(values), dimensions);

    public string Integers(params long[] values) => Constant(Int64, MemoryMarshal.AsBytes<long>(values), values.Length);

    /// <summary>A node with one output.</summary>
    public string Node(string type, string[] inputs, params (string Name, object Value)[] attributes) =>
        Nodes(type, inputs, 1, attributes)[0];

    /// <summary>A node with some outputs.</summary>
    public string[] Nodes(string type, string[] inputs, int outputs, params (string Name, object Value)[] attributes)
    {
        var node = new ProtoWriter().Text(4, type);
        foreach (string input in inputs) node.Text(1, input);
        string[] names = [.. Enumerable.Range(0, outputs).Select(_ => Name())];
        foreach (string name in names) node.Text(2, name);
        foreach ((string name, object value) in attributes)
        {
            ProtoWriter attribute = new ProtoWriter().Text(1, name);
            node.Message(5, value switch
            {
                float number => attribute.Single(2, number).Integer(20, 1),
                int number => attribute.Integer(3, number).Integer(20, 2),
                long[] numbers => numbers.Aggregate(attribute, static (all, number) => all.Integer(8, number)).Integer(20, 7),
                _ => throw new ArgumentException($"The attribute {name} is {value}, expected a number or whole numbers."),
            });
        }

        _graph.Message(1, node);
        return names;
    }

    /// <summary>The file.</summary>
    /// <param name="input">Name and extents of the input.</param>
    /// <param name="output">Name and extents of the output.</param>
    public byte[] ToModel((string Name, long[] Dimensions) input, (string Name, long[] Dimensions) output)
    {
        _graph.Message(11, Value(input.Name, input.Dimensions)).Message(12, Value(output.Name, output.Dimensions));
        return new ProtoWriter()
            .Integer(1, 8)                                             // ir_version
            .Message(7, _graph)
            .Message(8, new ProtoWriter().Text(1, "").Integer(2, 17))  // opset 17: LayerNormalization
            .ToArray();
    }

    private static ProtoWriter Value(string name, long[] dimensions)
    {
        var shape = new ProtoWriter();
        foreach (long extent in dimensions) shape.Message(1, new ProtoWriter().Integer(1, extent));
        ProtoWriter tensor = new ProtoWriter().Integer(1, Float).Message(2, shape);
        return new ProtoWriter().Text(1, name).Message(2, new ProtoWriter().Message(1, tensor));
    }

    private string Constant(int type, ReadOnlySpan<byte> data, params long[] dimensions)
    {
        string name = Name();
        var tensor = new ProtoWriter();
        foreach (long extent in dimensions) tensor.Integer(1, extent);
        _graph.Message(5, tensor.Integer(2, type).Text(8, name).Bytes(9, data));
        return name;
    }

    private string Name() => $"v{_names++}";
}
