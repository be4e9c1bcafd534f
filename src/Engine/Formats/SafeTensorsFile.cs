// safetensors: a JSON header that says where each tensor lies, then the tensors. Reads and checks the header.
using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using Engine.Tensors;

namespace Engine.Formats;

/// <summary>A tensor of a safetensors file.</summary>
/// <param name="Name">Name.</param>
/// <param name="Type">Type of the elements, by the format's word: F32, BF16, ...</param>
/// <param name="Dimensions">Extents, slowest first; none: a scalar.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">Byte after the last one.</param>
internal sealed record SafeTensorsEntry(string Name, string Type, long[] Dimensions, long Begin, long End)
{
    /// <summary>The extents, for messages.</summary>
    public string Shape => $"[{string.Join(", ", Dimensions)}]";

    /// <summary>The engine's type of the elements, null if it has none.</summary>
    public DType? KnownType => SafeTensorsFile.KnownType(Type);
}

/// <summary>An open safetensors file whose header holds.</summary>
internal sealed class SafeTensorsFile : IDisposable
{
    private readonly FileSource _source;
    private readonly long _dataStart;

    private SafeTensorsFile(FileSource source, long dataStart, Dictionary<string, SafeTensorsEntry> entries)
    {
        _source = source;
        _dataStart = dataStart;
        Entries = entries;
    }

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafeTensorsEntry> Entries { get; }

    /// <summary>The file, for messages.</summary>
    public string File => _source.File;

    /// <summary>Opens a file and checks its header; tensors are read later.</summary>
    /// <exception cref="ModelFormatException">The file is not as the format says.</exception>
    public static SafeTensorsFile Open(string file)
    {
        FileSource source = FileSource.Open(file);
        try
        {
            byte[] header = ReadHeader(source);
            Dictionary<string, SafeTensorsEntry> entries = Parse(file, header);
            CheckOffsets(file, entries.Values, source.Length - sizeof(ulong) - header.Length);
            return new SafeTensorsFile(source, sizeof(ulong) + header.Length, entries);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>A tensor as a table: a vector is one row, a scalar one element.</summary>
    /// <exception cref="ModelFormatException">More than two dimensions, or a type that the engine lacks.</exception>
    public HostTensor Tensor(SafeTensorsEntry entry, float[]? scales = null)
    {
        DType type = entry.KnownType ?? throw new ModelFormatException(
            File, $"the element type of {entry.Name}", entry.Type, "F32, F16, BF16, I8, I16 or I32");
        long[] dims = entry.Dimensions;
        if (dims.Length > 2 || dims.Any(extent => extent > int.MaxValue))
            throw new ModelFormatException(File, $"the shape of {entry.Name}", entry.Shape, "a matrix or a vector");
        Shape shape = dims.Length switch
        {
            2 => new Shape((int)dims[0], (int)dims[1]),
            1 => new Shape(1, (int)dims[0]),
            _ => new Shape(1, 1),
        };
        return new HostTensor(entry.Name, type, shape, _source, _dataStart + entry.Begin, scales);
    }

    /// <summary>The panels of a tensor whose shape was checked.</summary>
    public PanelSource Panels(SafeTensorsEntry entry, DType type, Shape shape, int group) =>
        new(_source, _dataStart + entry.Begin, type, shape, group);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _source.Dispose();

    /// <summary>The engine's type for a word of the format.</summary>
    internal static DType? KnownType(string word) => word switch
    {
        "F32" => DType.Float32,
        "F16" => DType.Float16,
        "BF16" => DType.BFloat16,
        "I8" => DType.Int8,
        "I16" => DType.Int16,
        "I32" => DType.Int32,
        _ => null,
    };

    /// <summary>The format's word for a type.</summary>
    internal static string Word(DType type) => type switch
    {
        DType.Float32 => "F32",
        DType.Float16 => "F16",
        DType.BFloat16 => "BF16",
        DType.Int8 => "I8",
        DType.Int16 => "I16",
        DType.Int32 => "I32",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    private static int Bits(string type) => type switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "F16" or "BF16" or "I16" or "U16" => 16,
        "F32" or "I32" or "U32" => 32,
        "F64" or "I64" or "U64" or "C64" => 64,
        _ => 0,
    };

    private static byte[] ReadHeader(FileSource source)
    {
        if (source.Length < sizeof(ulong))
            throw new ModelFormatException(source.File, "the length", $"{source.Length:N0} bytes", "at least 8 bytes");
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        source.Read(0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        long room = Math.Min(source.Length - sizeof(ulong), FormatLimits.SafeTensorsHeaderBytes);
        if (length < 2 || length > (ulong)room)
        {
            throw new ModelFormatException(source.File, "the header length", $"{length:N0} bytes",
                $"2 to {room:N0} bytes (the file has {source.Length:N0})");
        }
        var header = new byte[length];
        source.Read(sizeof(ulong), header);
        if (header[0] != '{')
            throw new ModelFormatException(source.File, "the first byte of the header", $"{header[0]}", "123, a brace");
        if (!Utf8.IsValid(header))
            throw new ModelFormatException(source.File, "the encoding of the header", "not UTF-8", "UTF-8");
        return header;
    }

    private static Dictionary<string, SafeTensorsEntry> Parse(string file, byte[] header)
    {
        var entries = new Dictionary<string, SafeTensorsEntry>();
        bool hasMetadata = false;
        var reader = new Utf8JsonReader(header);
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = Name(file, ref reader);
                reader.Read();
                if (name == "__metadata__")
                {
                    if (hasMetadata) throw new ModelFormatException(file, name, "there twice", "there once");
                    hasMetadata = true;
                    CheckMetadata(file, ref reader);
                }
                else if (!entries.TryAdd(name, Entry(file, name, ref reader)))
                {
                    throw new ModelFormatException(file, name, "there twice", "one tensor of this name");
                }
                if (entries.Count > FormatLimits.Tensors)
                    throw new ModelFormatException(file, "the number of tensors", "larger",
                        $"at most {FormatLimits.Tensors:N0}");
            }
            reader.Read();   // throws if anything but blanks follows
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)   // the latter: \ud800 alone
        {
            throw new ModelFormatException(file, "the header", $"no JSON ({e.Message})", "a JSON object of tensors", e);
        }
        return entries;
    }

    private static string Name(string file, ref Utf8JsonReader reader)
    {
        int bytes = reader.ValueSpan.Length;
        return bytes <= FormatLimits.NameBytes
            ? reader.GetString()!
            : throw new ModelFormatException(file, "the length of a name", $"{bytes:N0} bytes",
                $"at most {FormatLimits.NameBytes} bytes");
    }

    // Nothing in it is used; a file whose metadata is not as the format says is no file of the format.
    private static void CheckMetadata(string file, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new ModelFormatException(file, "__metadata__", $"{reader.TokenType}", "an object of strings");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new ModelFormatException(file, "a value of __metadata__", $"{reader.TokenType}", "a string");
        }
    }

    private static SafeTensorsEntry Entry(string file, string name, ref Utf8JsonReader reader)
    {
        string shown = Quote.Text(name);
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new ModelFormatException(file, $"the entry of {shown}", $"{reader.TokenType}", "an object");
        string? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = Name(file, ref reader);
            string field = $"the {key} of {shown}";
            reader.Read();
            bool isNew = key switch
            {
                "dtype" => type is null,
                "shape" => shape is null,
                "data_offsets" => offsets is null,
                _ => throw new ModelFormatException(file, $"the entry of {shown}", $"one with a key {Quote.Text(key)}",
                    "dtype, shape, data_offsets"),
            };
            if (!isNew) throw new ModelFormatException(file, field, "there twice", "there once");
            if (key == "shape") shape = Numbers(file, field, ref reader);
            else if (key == "data_offsets") offsets = Numbers(file, field, ref reader);
            else if (reader.TokenType == JsonTokenType.String) type = reader.GetString()!;
            else throw new ModelFormatException(file, field, $"{reader.TokenType}", "a string");
        }

        if (type is null) throw new ModelFormatException(file, $"the dtype of {shown}", "missing", "a string");
        if (shape is null) throw new ModelFormatException(file, $"the shape of {shown}", "missing", "an array");
        if (offsets is null)
            throw new ModelFormatException(file, $"the data_offsets of {shown}", "missing", "an array");
        if (Bits(type) == 0)
            throw new ModelFormatException(file, $"the dtype of {shown}", Quote.Text(type), "a type of the format");
        if (offsets.Length != 2)
            throw new ModelFormatException(file, $"the data_offsets of {shown}", $"{offsets.Length} numbers",
                "2 numbers");
        return new SafeTensorsEntry(name, type, shape, offsets[0], offsets[1]);
    }

    private static long[] Numbers(string file, string field, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new ModelFormatException(file, field, $"{reader.TokenType}", "an array");
        Span<long> numbers = stackalloc long[FormatLimits.Rank];
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (count == FormatLimits.Rank)
                throw new ModelFormatException(file, field, "longer", $"at most {FormatLimits.Rank} numbers");
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw new ModelFormatException(file, field, $"one with {reader.TokenType}",
                    "whole numbers, at least 0");
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    // Tensors fill the data without a hole and without an overlap, so that nothing hides in a file.
    private static void CheckOffsets(string file, IEnumerable<SafeTensorsEntry> entries, long dataBytes)
    {
        long end = 0;
        foreach (SafeTensorsEntry entry in entries.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
        {
            string shown = Quote.Text(entry.Name);
            if (entry.Begin != end || entry.End < end || entry.End > dataBytes)
            {
                throw new ModelFormatException(file, $"the data_offsets of {shown}", $"[{entry.Begin}, {entry.End}]",
                    $"a range that begins at {end} and ends within the {dataBytes:N0} bytes of data");
            }
            long bytes = Bytes(entry);
            if (bytes != entry.End - entry.Begin)
            {
                throw new ModelFormatException(file, $"the size of {shown}", $"{entry.End - entry.Begin:N0} bytes",
                    $"that of {entry.Type} {entry.Shape}");
            }
            end = entry.End;
        }
        if (end != dataBytes)
            throw new ModelFormatException(file, "the length of the data", $"{dataBytes:N0} bytes",
                $"{end:N0} bytes, the end of the last tensor");
    }

    // −1: too many, or not a whole number of bytes.
    private static long Bytes(SafeTensorsEntry entry)
    {
        if (entry.Dimensions.Contains(0)) return 0;
        long bits = Bits(entry.Type);
        foreach (long extent in entry.Dimensions)
        {
            if (bits > long.MaxValue / extent) return -1;
            bits *= extent;
        }
        return bits % 8 == 0 ? bits / 8 : -1;
    }
}
