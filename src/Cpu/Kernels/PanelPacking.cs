// A model file's rows become panels, a panel at a time on all threads, so that a model is never in memory twice. What is not a
// finite number is refused here, once, so that no kernel need ask.
using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>Makes the panels of one weight, or looks through panels that are there already.</summary>
internal sealed unsafe class PanelPacking
{
    // Sixteen rows of so many bytes, and the panel that they become, stay in the second-level cache.
    private const int RowBytesAtOnce = 8 * 1024;
    private const int CacheLine = 64;

    private readonly HostTensor[] _parts;
    private readonly PackedWeight _weight;
    private readonly bool _isPacked;
    private readonly MappedPanels _panels;
    private readonly int _size;
    private readonly int _group;
    private readonly int _columnsAtOnce;
    private readonly byte[]?[] _buffers;

    private PanelPacking(HostTensor[] parts, PackedWeight weight, bool isPacked, int threads)
    {
        _parts = parts;
        _weight = weight;
        _isPacked = isPacked && HostTensor.TryMapPanels(parts, out _panels);
        _size = weight.Type.Bytes();
        _group = weight.GroupInputs;
        int padded = (weight.Inputs + _group - 1) / _group * _group;
        _columnsAtOnce = Math.Min(padded, RowBytesAtOnce / _size);
        _buffers = new byte[threads][];
    }

    /// <summary>Fills the panels from the rows of the parts; or, if they are filled, checks them.</summary>
    /// <exception cref="ModelFormatException">A number is not finite, or the file cannot be read.</exception>
    public static void Run(HostTensor[] parts, PackedWeight weight, bool isPacked, WorkerPool pool)
    {
        int panels = (int)(((long)weight.Outputs + Lanes.Count - 1) / Lanes.Count);
        var packing = new PanelPacking(parts, weight, isPacked, pool.Threads);
        GCHandle handle = GCHandle.Alloc(packing);
        try
        {
            pool.Run(new Job { Packing = GCHandle.ToIntPtr(handle) }, panels);
        }
        finally
        {
            handle.Free();
            foreach (byte[]? buffer in packing._buffers) if (buffer is not null) ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Execute(int panel, int worker)
    {
        if (_isPacked) Check(panel, worker);
        else Pack(panel, worker);
    }

    private void Pack(int panel, int worker)
    {
        int stride = _columnsAtOnce * _size;
        byte[] buffer = Buffer(worker);
        fixed (byte* start = buffer)
        {
            byte* rows = start + (-(nint)start & (CacheLine - 1));
            for (int column = 0; column < _weight.Inputs; column += _columnsAtOnce)
            {
                int columns = Math.Min(_columnsAtOnce, _weight.Inputs - column);
                Read(panel, column, columns, rows, stride);
                int units = (columns + _group - 1) / _group;
                byte* destination = _weight.Panels + (panel * _weight.PanelBytes) + ((nint)column * Lanes.Count * _size);
                switch (_group * _size)
                {
                    case 2: PanelTranspose.Halves((ushort*)rows, stride / 2, units, (ushort*)destination); break;
                    case 4: PanelTranspose.Words((uint*)rows, stride / 4, units, (uint*)destination); break;
                    default: PanelTranspose.Doubles((ulong*)rows, stride / 8, units, (ulong*)destination); break;
                }

                if (_weight.IsPaired) ChangePlaces((uint*)destination, (nint)units * Lanes.Count);
            }
        }
    }

    // The inputs of a pair: see PackedWeight.
    private static void ChangePlaces(uint* pairs, nint count)
    {
        for (nint i = 0; i < count; i++) pairs[i] = BitOperations.RotateLeft(pairs[i], 16);
    }

    // Sixteen rows, which may belong to several parts; missing rows and columns are zero.
    private void Read(int panel, int column, int columns, byte* rows, int stride)
    {
        int output = panel * Lanes.Count, bytes = columns * _size;
        for (int lane = 0; lane < Lanes.Count;)
        {
            byte* to = rows + ((nint)lane * stride);
            if (!TryFind(output + lane, out HostTensor? part, out int row))
            {
                new Span<byte>(to, (Lanes.Count - lane) * stride).Clear();
                break;
            }

            // Whole rows without padding are read at once.
            int count = columns == part.Shape.Columns && bytes == stride
                ? Math.Min(Lanes.Count - lane, part.Shape.Rows - row)
                : 1;
            var read = new Span<byte>(to, count * bytes);
            part.ReadBytes(row, column, read);
            if (!BitConverter.IsLittleEndian) ReverseEndianness(read);
            if (!AreFinite(read))
            {
                for (int i = 0; i < count * columns; i++)
                    if (!IsFinite(to, i)) throw NotFinite(part, row + (i / columns), column + (i % columns), to, i);
            }

            if (count == 1 && bytes < stride) new Span<byte>(to + bytes, stride - bytes).Clear();
            lane += count;
        }
    }

    // Panels of the file itself: numbers finite, padding zero, for sums over whole vectors read it. They are read, not looked
    // at where they are mapped: of a large table few pages will ever be touched.
    private void Check(int panel, int worker)
    {
        int missing = Math.Max(0, ((panel + 1) * Lanes.Count) - _weight.Outputs);
        long groupBytes = (long)_group * Lanes.Count * _size, groups = _weight.PanelBytes / groupBytes;
        long first = !_weight.IsInteger || missing > 0 ? 0 : _weight.Inputs % _group == 0 ? groups : groups - 1;
        byte[] buffer = Buffer(worker);
        for (long group = first, count; group < groups; group += count)
        {
            count = Math.Min(_columnsAtOnce / _group, groups - group);
            Span<byte> bytes = buffer.AsSpan(0, (int)(count * groupBytes));
            _panels.Source.Read(_panels.Offset + (panel * _weight.PanelBytes) + (group * groupBytes), bytes);
            bool isFull = missing == 0 && (group + count) * _group <= _weight.Inputs;
            if (!isFull || !AreFinite(bytes)) Check(panel, group, bytes);
        }
    }

    private void Check(int panel, long firstGroup, Span<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (int i = 0; i < bytes.Length / _size; i++)
            {
                int lane = i / _group % Lanes.Count, output = (panel * Lanes.Count) + lane;
                long k = ((firstGroup + (i / (_group * Lanes.Count))) * _group) + (i % _group);
                bool isNumber = TryFind(output, out HostTensor? part, out int row) && k < _weight.Inputs;
                if (isNumber && !IsFinite(start, i)) throw NotFinite(part!, row, (int)k, start, i);
                if (!isNumber && bytes.Slice(i * _size, _size).ContainsAnyExcept((byte)0))
                {
                    HostTensor last = _parts[^1];
                    throw new ModelFormatException(
                        last.File, $"the padding of {last.Name} at [{output}, {k}]", "not zero",
                        $"zero beyond [{_weight.Outputs}, {_weight.Inputs}]");
                }
            }
        }
    }

    private byte[] Buffer(int worker) => _buffers[worker] ??=
        ArrayPool<byte>.Shared.Rent((Lanes.Count * _columnsAtOnce * _size) + CacheLine);

    private bool TryFind(int output, [NotNullWhen(true)] out HostTensor? found, out int row)
    {
        row = output;
        foreach (HostTensor part in _parts)
        {
            found = part;
            if (row < part.Shape.Rows) return true;
            row -= part.Shape.Rows;
        }

        found = null;
        return false;
    }

    private ModelFormatException NotFinite(HostTensor part, int row, int column, byte* elements, long i)
    {
        uint bits = _size == 4 ? ((uint*)elements)[i] : ((ushort*)elements)[i], exponent = Exponent;
        uint fraction = bits & ((exponent & (0 - exponent)) - 1);   // the bits below the exponent
        return new ModelFormatException(
            part.File, $"{part.Name}[{row}, {column}]", fraction == 0 ? "infinite" : "NaN", "a finite number");
    }

    // The bits of infinity, all exponent bits; 0 for integers.
    private uint Exponent => _weight.Type switch
    {
        DType.Float32 => 0x7F800000,
        DType.Float16 => 0x7C00,
        DType.BFloat16 => 0x7F80,
        _ => 0,
    };

    private bool IsFinite(byte* elements, long i) => _weight.IsInteger ||
        ((_size == 4 ? ((uint*)elements)[i] : ((ushort*)elements)[i]) & Exponent) != Exponent;

    private bool AreFinite(Span<byte> bytes)
    {
        if (_weight.IsInteger) return true;
        return _size == 4
            ? AreFinite<uint>(MemoryMarshal.Cast<byte, uint>(bytes), Exponent)
            : AreFinite<ushort>(MemoryMarshal.Cast<byte, ushort>(bytes), (ushort)Exponent);
    }

    private static bool AreFinite<T>(ReadOnlySpan<T> elements, T exponent) where T : unmanaged, IBinaryInteger<T>
    {
        var mask = new Vector<T>(exponent);
        int i = 0, count = Vector<T>.Count;
        for (; i <= elements.Length - (4 * count); i += 4 * count)
        {
            ReadOnlySpan<T> four = elements.Slice(i, 4 * count);
            Vector<T> any = Vector.Equals(new Vector<T>(four) & mask, mask)
                | Vector.Equals(new Vector<T>(four[count..]) & mask, mask)
                | Vector.Equals(new Vector<T>(four[(2 * count)..]) & mask, mask)
                | Vector.Equals(new Vector<T>(four[(3 * count)..]) & mask, mask);
            if (any != Vector<T>.Zero) return false;
        }

        for (; i < elements.Length; i++) if ((elements[i] & exponent) == exponent) return false;
        return true;
    }

    private void ReverseEndianness(Span<byte> bytes)
    {
        if (_size == 4)
        {
            Span<uint> words = MemoryMarshal.Cast<byte, uint>(bytes);
            BinaryPrimitives.ReverseEndianness(words, words);
        }
        else if (_size == 2)
        {
            Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(bytes);
            BinaryPrimitives.ReverseEndianness(halves, halves);
        }
    }

    // A job is plain bytes; the object is named by its handle.
    private struct Job : IJob
    {
        public nint Packing;

        public readonly void Execute(int tile, int worker) =>
            ((PanelPacking)GCHandle.FromIntPtr(Packing).Target!).Execute(tile, worker);
    }
}
