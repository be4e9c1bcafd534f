// A tensor as a model file holds it: read when a backend packs it, so that a model is never in memory twice.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Engine.Formats;

namespace Engine.Tensors;

/// <summary>Bytes that tensors are read from: a file or memory.</summary>
public abstract class TensorSource
{
    /// <summary>The file, for messages.</summary>
    public abstract string File { get; }

    /// <summary>Fills <paramref name="destination"/> with the bytes from <paramref name="offset"/> on.</summary>
    /// <exception cref="ModelFormatException">The source ended or can no longer be read.</exception>
    public abstract void Read(long offset, Span<byte> destination);
}

/// <summary>A tensor in memory.</summary>
public sealed class MemorySource(string file, ReadOnlyMemory<byte> bytes) : TensorSource
{
    /// <inheritdoc />
    public override string File => file;

    /// <inheritdoc />
    public override void Read(long offset, Span<byte> destination) =>
        bytes.Span.Slice(checked((int)offset), destination.Length).CopyTo(destination);
}

/// <summary>A named tensor in a model file, row-major, little-endian, not yet in a backend's memory.</summary>
public sealed class HostTensor
{
    private readonly TensorSource _source;
    private readonly long _offset;

    /// <summary>Describes a tensor at a place of a source.</summary>
    /// <param name="name">The name in the file, for messages.</param>
    /// <param name="type">Type of the elements.</param>
    /// <param name="shape">[rows, columns]; a vector is [1, n].</param>
    /// <param name="source">Where the bytes are.</param>
    /// <param name="offset">Byte of the source where the first element is.</param>
    /// <param name="scales">
    /// For int8 a number for each row, for int16 one number: what the weights were multiplied by when they were quantised.
    /// </param>
    public HostTensor(string name, DType type, Shape shape, TensorSource source, long offset, float[]? scales = null)
    {
        Name = name;
        Type = type;
        Shape = shape;
        _source = source;
        _offset = offset;
        Scales = scales;
    }

    /// <summary>Makes a float32 tensor of values in memory.</summary>
    public static HostTensor FromValues(string name, Shape shape, ReadOnlySpan<float> values)
    {
        var bytes = new byte[checked((int)(shape.Count * sizeof(float)))];
        if (BitConverter.IsLittleEndian) MemoryMarshal.AsBytes(values).CopyTo(bytes);
        else for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), values[i]);
        return new HostTensor(name, DType.Float32, shape, new MemorySource("memory", bytes), 0);
    }

    /// <summary>The name in the file.</summary>
    public string Name { get; }

    /// <summary>The file, for messages.</summary>
    public string File => _source.File;

    /// <summary>Type of the elements.</summary>
    public DType Type { get; }

    /// <summary>[rows, columns].</summary>
    public Shape Shape { get; }

    /// <summary>
    /// For int8 a number for each row, for int16 one number, else null: the multiplier used when quantising, so that
    /// weight = element / scale.
    /// </summary>
    public float[]? Scales { get; }

    /// <summary>Bytes of the elements.</summary>
    public long Bytes => Shape.Count * Type.Bytes();

    /// <summary>Some rows. Nothing is read.</summary>
    public HostTensor RowRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + count, Shape.Rows, nameof(count));
        float[]? scales = Scales is { Length: > 1 } perRow ? perRow[start..(start + count)] : Scales;
        long offset = _offset + ((long)start * Shape.Columns * Type.Bytes());
        return new HostTensor(Name, Type, Shape with { Rows = count }, _source, offset, scales);
    }

    /// <summary>Reads the bytes of the rows from <paramref name="startRow"/> on, as many as fit.</summary>
    public void ReadBytes(int startRow, Span<byte> destination) =>
        _source.Read(_offset + ((long)startRow * Shape.Columns * Type.Bytes()), destination);

    /// <summary>Reads rows as float32: widened, or divided by their scale.</summary>
    /// <param name="startRow">First row.</param>
    /// <param name="destination">A whole number of rows.</param>
    /// <exception cref="ModelFormatException">A value is NaN or infinite, or the file cannot be read.</exception>
    public void ReadFloats(int startRow, Span<float> destination)
    {
        int size = Type.Bytes();
        byte[] bytes = new byte[(long)destination.Length * size];
        ReadBytes(startRow, bytes);
        for (int i = 0; i < destination.Length; i++)
        {
            ReadOnlySpan<byte> element = bytes.AsSpan(i * size, size);
            destination[i] = Type switch
            {
                DType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(element),
                DType.Float16 => (float)BinaryPrimitives.ReadHalfLittleEndian(element),
                DType.BFloat16 => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(element) << 16),
                DType.Int8 => (sbyte)element[0] / Scale(startRow + (i / Shape.Columns)),
                DType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(element) / Scale(0),
                DType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(element),
                _ => throw new InvalidOperationException($"{Name} has element type {Type}."),
            };
            if (!float.IsFinite(destination[i]))
            {
                int row = startRow + (i / Shape.Columns), column = i % Shape.Columns;
                throw new ModelFormatException(File, $"{Name}[{row}, {column}]", $"{destination[i]}", "a finite number");
            }
        }
    }

    /// <summary>Reads all elements as float32: widened, or divided by their scale.</summary>
    public float[] ReadFloats()
    {
        var values = new float[checked((int)Shape.Count)];
        ReadFloats(0, values);
        return values;
    }

    /// <inheritdoc />
    public override string ToString() => $"{Name} {Type.Word()} {Shape}";

    private float Scale(int row) => Scales is null ? 1f : Scales.Length == 1 ? Scales[0] : Scales[row];
}
