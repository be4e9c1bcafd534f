// Writes safetensors tensor by tensor: the header is known before the first byte of data, so nothing is collected.
using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Engine.Tensors;
using Microsoft.Win32.SafeHandles;

namespace Engine.Formats;

/// <summary>A tensor that is to be written.</summary>
/// <param name="Name">Name.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Dimensions">Extents, slowest first; none: a scalar.</param>
internal readonly record struct SafeTensorsItem(string Name, DType Type, params long[] Dimensions)
{
    /// <summary>Bytes of the elements.</summary>
    public long Bytes => checked(Dimensions.Aggregate((long)Type.Bytes(), (bytes, extent) => checked(bytes * extent)));

    /// <summary>Whether it should lie on a cache line: panels, which are used where the file is mapped.</summary>
    public bool IsPanels { get; init; }
}

/// <summary>A safetensors file that is being written.</summary>
internal sealed class SafeTensorsWriter : IDisposable
{
    private const int CacheLine = 64;
    private const int Page = 4096;

    private readonly SafeFileHandle _handle;
    private readonly Dictionary<string, (long Begin, long Length)> _places = [];
    private long _missing;

    /// <summary>Creates the file and writes its header.</summary>
    /// <remarks>
    /// Tensors are laid out by descending element size, so that each is aligned to its elements. Panels come first, from
    /// the begin of a page on; those that fill no whole cache lines, so that the next would not be aligned, are the last of them.
    /// </remarks>
    public SafeTensorsWriter(string file, IEnumerable<SafeTensorsItem> items)
    {
        SafeTensorsItem[] sorted = [.. items.OrderByDescending(item => item.IsPanels && item.Bytes % CacheLine == 0)
            .ThenByDescending(item => item.Type.Bytes()).ThenBy(item => item.Name, StringComparer.Ordinal)];
        byte[] header = Header(sorted, Array.Exists(sorted, item => item.IsPanels) ? Page : sizeof(ulong));
        long begin = sizeof(ulong) + header.Length;
        foreach (SafeTensorsItem item in sorted)
        {
            _places.Add(item.Name, (begin, item.Bytes));
            begin += item.Bytes;
            _missing += item.Bytes;
        }

        // The whole length at once, so that a full disk says so before hours of conversion.
        _handle = File.OpenHandle(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, preallocationSize: begin);
        try
        {
            Span<byte> prefix = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
            RandomAccess.Write(_handle, prefix, 0);
            RandomAccess.Write(_handle, header, sizeof(ulong));
        }
        catch
        {
            _handle.Dispose();
            throw;
        }
    }

    /// <summary>Writes some bytes of a tensor; every byte is to be written once, in any order.</summary>
    public void Write(string name, long offset, ReadOnlySpan<byte> bytes)
    {
        var (begin, length) = _places[name];
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, length - offset, nameof(bytes));
        RandomAccess.Write(_handle, bytes, begin + offset);
        _missing -= bytes.Length;
    }

    /// <summary>Makes sure that the file is whole and on the disk.</summary>
    /// <exception cref="InvalidOperationException">Not every tensor was written.</exception>
    public void Complete()
    {
        if (_missing != 0)
            throw new InvalidOperationException($"{_missing:N0} bytes were not written, expected every byte once.");
        RandomAccess.FlushToDisk(_handle);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    private static byte[] Header(SafeTensorsItem[] items, int alignment)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            long begin = 0;
            foreach (SafeTensorsItem item in items)
            {
                json.WriteStartObject(item.Name);
                json.WriteString("dtype", SafeTensorsFile.Word(item.Type));
                json.WriteStartArray("shape");
                foreach (long extent in item.Dimensions) json.WriteNumberValue(extent);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(begin);
                json.WriteNumberValue(begin += item.Bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        int end = (sizeof(ulong) + buffer.WrittenCount + alignment - 1) / alignment * alignment;
        var header = new byte[end - sizeof(ulong)];
        buffer.WrittenSpan.CopyTo(header);
        header.AsSpan(buffer.WrittenCount).Fill((byte)' ');
        return header;
    }
}
