// A tensor as a model file holds it: read when a backend packs it, so that a model is never in memory twice.
using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
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
    // 64 KiB of floats: the second buffer that widening needs stays in the cache.
    private const int ChunkElements = 16 * 1024;

    private readonly TensorSource _source;
    private readonly long _offset;

    /// <summary>Describes a tensor at a place of a source.</summary>
    /// <param name="name">The name in the file, for messages.</param>
    /// <param name="type">Type of the elements.</param>
    /// <param name="shape">[rows, columns]; a vector is [1, n].</param>
    /// <param name="source">Where the bytes are.</param>
    /// <param name="offset">Byte of the source where the first element is.</param>
    /// <param name="scales">
    /// For int8 a number for each row, for int16 one number: what the weights were multiplied by before rounding.
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
        else
            for (int i = 0; i < values.Length; i++)
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), values[i]);
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

    /// <summary>
    /// The panels of a matrix that the model file holds in the layout <see cref="PanelLayout"/>, mapped to memory.
    /// </summary>
    /// <remarks>For whoever can use panels as they are. Numbers are not checked; padding may hold anything.</remarks>
    /// <param name="parts">Tensors that stand one under the other.</param>
    /// <param name="panels">Where they are, if the parts are all rows of one such matrix, in their order.</param>
    public static bool TryMapPanels(ReadOnlySpan<HostTensor> parts, out MappedPanels panels)
    {
        panels = default;
        if (parts.IsEmpty || parts[0]._source is not PanelSource source) return false;
        long offset = 0;
        foreach (HostTensor part in parts)
        {
            if (part._source != source || part._offset != offset) return false;
            offset += part.Bytes;
        }

        if (offset != source.Shape.Count * parts[0].Type.Bytes() || source.Map() is not { } mapped) return false;
        panels = mapped;
        return true;
    }

    /// <summary>Some elements of a vector, a tensor of one row. Nothing is read.</summary>
    public HostTensor ColumnRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + count, Shape.Columns, nameof(count));
        if (Shape.Rows != 1)
            throw new InvalidOperationException($"{this} has {Shape.Rows} rows: only a vector can be cut in columns.");
        return new HostTensor(Name, Type, new Shape(1, count), _source, _offset + ((long)start * Type.Bytes()), Scales);
    }

    /// <summary>Reads the bytes of the rows from <paramref name="startRow"/> on, as many as fit.</summary>
    public void ReadBytes(int startRow, Span<byte> destination) =>
        _source.Read(_offset + ((long)startRow * Shape.Columns * Type.Bytes()), destination);

    /// <summary>Reads the bytes from an element on, as many as fit.</summary>
    public void ReadBytes(int row, int column, Span<byte> destination) =>
        _source.Read(_offset + ((((long)row * Shape.Columns) + column) * Type.Bytes()), destination);

    /// <summary>Reads rows as float32: widened, or divided by their scale.</summary>
    /// <param name="startRow">First row.</param>
    /// <param name="destination">A whole number of rows.</param>
    /// <exception cref="ModelFormatException">A value is NaN or infinite, or the file cannot be read.</exception>
    public void ReadFloats(int startRow, Span<float> destination)
    {
        long first = (long)startRow * Shape.Columns;
        if (Type == DType.Float32 && BitConverter.IsLittleEndian)
        {
            _source.Read(_offset + (first * sizeof(float)), MemoryMarshal.AsBytes(destination));
        }
        else
        {
            int size = Type.Bytes();
            byte[] chunk = ArrayPool<byte>.Shared.Rent(Math.Min(destination.Length, ChunkElements) * size);
            try
            {
                for (int done = 0; done < destination.Length; done += ChunkElements)
                {
                    Span<float> values = destination[done..Math.Min(done + ChunkElements, destination.Length)];
                    Span<byte> bytes = chunk.AsSpan(0, values.Length * size);
                    _source.Read(_offset + ((first + done) * size), bytes);
                    Widen(bytes, first + done, values);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(chunk);
            }
        }

        int wrong = FirstNotFinite(destination);
        if (wrong < 0) return;
        var (row, column) = Math.DivRem(first + wrong, Shape.Columns);
        throw new ModelFormatException(File, $"{Name}[{row}, {column}]", $"{destination[wrong]}", "a finite number");
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

    private void Widen(ReadOnlySpan<byte> bytes, long first, Span<float> values)
    {
        switch (Type)
        {
            case DType.Float32:
                for (int i = 0; i < values.Length; i++)
                    values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]);
                break;
            case DType.Float16:
                for (int i = 0; i < values.Length; i++)
                    values[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]);
                break;
            case DType.BFloat16:
                for (int i = 0; i < values.Length; i++)
                {
                    int upper = BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]);
                    values[i] = BitConverter.Int32BitsToSingle(upper << 16);
                }
                break;
            case DType.Int8:
                for (int i = 0; i < values.Length;)
                {
                    var (row, column) = Math.DivRem(first + i, Shape.Columns);
                    int end = (int)Math.Min(values.Length, i + Shape.Columns - column);
                    for (float scale = Scale((int)row); i < end; i++) values[i] = (sbyte)bytes[i] / scale;
                }
                break;
            case DType.Int16:
                float only = Scale(0);
                for (int i = 0; i < values.Length; i++)
                    values[i] = BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]) / only;
                break;
            case DType.Int32:
                for (int i = 0; i < values.Length; i++)
                    values[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]);
                break;
            default:
                throw new InvalidOperationException($"{Name} has element type {Type}.");
        }
    }

    // x − x is 0 for every finite x, and NaN for the others.
    private static int FirstNotFinite(ReadOnlySpan<float> values)
    {
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var x = new Vector<float>(values[i..]);
            if (!Vector.EqualsAll(x - x, Vector<float>.Zero)) break;
        }
        for (; i < values.Length; i++) if (!float.IsFinite(values[i])) return i;
        return -1;
    }

    private float Scale(int row) => Scales is null ? 1f : Scales.Length == 1 ? Scales[0] : Scales[row];
}
