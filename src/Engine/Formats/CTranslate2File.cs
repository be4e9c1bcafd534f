// CTranslate2's model.bin byte by byte: header, variables, other names for them. What they mean is not known here.
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Engine.Tensors;

namespace Engine.Formats;

/// <summary>A variable of a <c>model.bin</c>.</summary>
/// <param name="Name">Name, as the engine knows it: renamed if the file is of the first revision.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Dimensions">Extents, slowest first; none: a scalar.</param>
/// <param name="Offset">First byte of the data in the file.</param>
/// <param name="Count">Elements.</param>
internal sealed record CTranslate2Variable(string Name, DType Type, long[] Dimensions, long Offset, long Count)
{
    /// <summary>The extents, for messages.</summary>
    public string Shape => $"[{string.Join(", ", Dimensions)}]";
}

/// <summary>An open <c>model.bin</c> whose structure holds.</summary>
internal sealed class CTranslate2File : IDisposable
{
    private const int NewestVersion = 6;
    private const int NewestRevision = 7;

    // Length of the name, the zero that ends it, rank, type, length: what a variable takes at least.
    private const int LeastVariableBytes = 2 + 1 + 1 + 1 + 4;
    private const int LeastAliasBytes = 2 * (2 + 1);

    private static readonly string[] Specs = ["TransformerSpec", "TransformerBase", "TransformerBig"];

    private readonly Dictionary<string, CTranslate2Variable> _variables = [];
    private readonly Dictionary<string, string> _aliases = [];

    private CTranslate2File(FileSource source) => Source = source;

    /// <summary>The file.</summary>
    public FileSource Source { get; }

    /// <summary>Binary version, 1 to 6.</summary>
    public int Version { get; private set; }

    /// <summary>Name of the specification; empty in version 1.</summary>
    public string Spec { get; private set; } = "";

    /// <summary>Revision of the specification, 1 to 7.</summary>
    public int Revision { get; private set; } = 1;

    /// <summary>All names: of the variables and, after them, the other names.</summary>
    public IEnumerable<string> Names => _variables.Keys.Concat(_aliases.Keys);

    /// <summary>Opens a file and checks all of its structure; data are read later.</summary>
    /// <exception cref="ModelFormatException">The file is broken, or of another kind or a newer version.</exception>
    public static CTranslate2File Open(string path)
    {
        var file = new CTranslate2File(FileSource.Open(path));
        try
        {
            file.Parse();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The variable of a name or of another name for it; null if there is none.</summary>
    public CTranslate2Variable? Find(string name) =>
        _variables.GetValueOrDefault(_aliases.TryGetValue(name, out string? target) ? target : name);

    /// <summary>The name under which the file holds the data: the target of an alias, else the name itself.</summary>
    public string Target(string name) => _aliases.GetValueOrDefault(name, name);

    /// <summary>Closes the file.</summary>
    public void Dispose() => Source.Dispose();

    private void Parse()
    {
        var cursor = new Cursor(Source);
        uint version = cursor.UInt32("the binary version");
        if (version is < 1 or > NewestVersion)
            throw Wrong("the binary version", $"{version:N0}", $"1 to {NewestVersion}");
        Version = (int)version;
        if (Version >= 2)
        {
            Spec = cursor.String("the name of the specification", FormatLimits.NameBytes);
            if (!Specs.Contains(Spec))
                throw Wrong("the specification", Quote.Text(Spec),
                    $"an encoder-decoder Transformer: {string.Join(", ", Specs)}");
            uint revision = cursor.UInt32("the revision of the specification");
            if (revision is < 1 or > NewestRevision)
                throw Wrong("the revision of the specification", $"{revision:N0}", $"1 to {NewestRevision}");
            Revision = (int)revision;
        }

        uint count = cursor.Count("the number of variables", LeastVariableBytes);
        for (uint i = 0; i < count; i++) ReadVariable(cursor, $"variable {i + 1} of {count}");
        if (Version >= 3)
        {
            uint aliases = cursor.Count("the number of aliases", LeastAliasBytes);
            for (uint i = 0; i < aliases; i++) ReadAlias(cursor, $"alias {i + 1} of {aliases}");
        }
        if (cursor.Remaining != 0)
            throw Wrong("the length", $"{Source.Length:N0} bytes",
                $"{cursor.Position:N0} bytes, where the content ends");
    }

    private void ReadVariable(Cursor cursor, string which)
    {
        string name = cursor.String($"the name of {which}", FormatLimits.NameBytes);
        string shown = Quote.Text(name);
        int rank = cursor.Byte($"the rank of {shown}");
        if (rank > FormatLimits.Rank) throw Wrong($"the rank of {shown}", $"{rank}", $"at most {FormatLimits.Rank}");
        var dimensions = new long[rank];
        for (int i = 0; i < rank; i++) dimensions[i] = cursor.UInt32($"dimension {i} of {shown}");
        DType type = Type(cursor.Byte($"the element type of {shown}"), shown);

        // Up to version 3 the length counts elements.
        long length = cursor.UInt32($"the length of {shown}");
        long bytes = Version >= 4 ? length : length * type.Bytes();
        long room = cursor.Remaining;
        if (bytes > room)
            throw Wrong($"the size of {shown}", $"{bytes:N0} bytes", $"at most {room:N0} bytes, the rest of the file");
        long count = Product(dimensions, room);
        if (count < 0 || count * type.Bytes() != bytes)
        {
            throw Wrong($"the size of {shown}", $"{bytes:N0} bytes",
                $"that of {type.Word()} [{string.Join(", ", dimensions)}]");
        }

        string known = Revision == 1 ? Rename(name) : name;
        if (!_variables.TryAdd(known, new CTranslate2Variable(known, type, dimensions, cursor.Position, count)))
            throw Wrong($"the variable {shown}", "there twice", "one variable of this name");
        cursor.Skip(bytes);
    }

    private void ReadAlias(Cursor cursor, string which)
    {
        string name = cursor.String($"the name of {which}", FormatLimits.NameBytes);
        string target = cursor.String($"the target of {which}", FormatLimits.NameBytes);
        if (_variables.ContainsKey(name))
            throw Wrong($"the alias {Quote.Text(name)}", "a variable too", "one or the other");
        if (!_variables.ContainsKey(target))
            throw Wrong($"the target of the alias {Quote.Text(name)}", Quote.Text(target), "a variable of the file");
        if (!_aliases.TryAdd(name, target)) throw Wrong($"the alias {Quote.Text(name)}", "there twice", "there once");
    }

    private DType Type(byte code, string shown)
    {
        DType? type = Version >= 4
            ? code switch
            {
                0 => DType.Float32,
                1 => DType.Int8,
                2 => DType.Int16,
                3 => DType.Int32,
                4 => DType.Float16,
                5 => DType.BFloat16,
                _ => null,
            }
            : code switch   // up to version 3 only the width is stored
            {
                4 => DType.Float32,
                2 => DType.Int16,
                1 => DType.Int8,
                _ => null,
            };
        return type ?? (Version >= 4
            ? throw Wrong($"the element type of {shown}", $"{code}", "0 to 5")
            : throw Wrong($"the element size of {shown}", $"{code} bytes", "1, 2 or 4 bytes"));
    }

    // −1: more than the file could hold.
    private static long Product(long[] dimensions, long most)
    {
        if (dimensions.Contains(0)) return 0;
        long count = 1;
        foreach (long extent in dimensions)
        {
            if (count > most / extent) return -1;
            count *= extent;
        }
        return count;
    }

    // The first revision has the names of OpenNMT-tf; each rule replaces the first place only, in this order.
    private static string Rename(string name)
    {
        string renamed = name;
        foreach (var (old, new_) in (ReadOnlySpan<(string, string)>)
            [("transformer/", ""), (":0", ""), ("w_embs", "embeddings/weight"), ("kernel", "weight"),
            ("LayerNorm", "layer_norm"), ("dense", "projection"), ("conv1d_", "linear_"), ("conv1d", "linear_0")])
            renamed = ReplaceFirst(renamed, old, new_);
        if (renamed.Contains("encoder", StringComparison.Ordinal))
            return ReplaceFirst(renamed, "multi_head", "self_attention");
        return ReplaceFirst(ReplaceFirst(renamed, "masked_multi_head", "self_attention"), "multi_head", "attention");
    }

    private static string ReplaceFirst(string text, string old, string replacement)
    {
        int at = text.IndexOf(old, StringComparison.Ordinal);
        return at < 0 ? text : string.Concat(text.AsSpan(0, at), replacement, text.AsSpan(at + old.Length));
    }

    private ModelFormatException Wrong(string what, string found, string expected) =>
        new(Source.File, what, found, expected);

    // Reads the small fields between the data through one small buffer.
    private sealed class Cursor(FileSource source)
    {
        private readonly byte[] _buffer = new byte[4096];
        private long _bufferStart;
        private int _bufferLength;

        public long Position { get; private set; }

        public long Remaining => source.Length - Position;

        public byte Byte(string what) => Take(1, what)[0];

        public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

        // How many follow: refused before anything is allocated for them.
        public uint Count(string what, int leastBytes)
        {
            uint count = UInt32(what);
            long most = Math.Min(Remaining / leastBytes, FormatLimits.Tensors);
            return count <= most
                ? count
                : throw new ModelFormatException(source.File, what, $"{count:N0}", $"at most {most:N0}");
        }

        // The length counts the zero byte at the end.
        public string String(string what, int mostBytes)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort), what));
            if (length < 1 || length > mostBytes)
                throw new ModelFormatException(source.File, $"the length of {what}", $"{length:N0} bytes",
                    $"1 to {mostBytes:N0} bytes");
            ReadOnlySpan<byte> bytes = Take(length, what);
            if (bytes[^1] != 0)
                throw new ModelFormatException(source.File, $"the last byte of {what}", $"{bytes[^1]}", "0");
            if (!Utf8.IsValid(bytes)) throw new ModelFormatException(source.File, what, "not UTF-8", "UTF-8");
            return Encoding.UTF8.GetString(bytes[..^1]);
        }

        public void Skip(long bytes) => Position += bytes;

        private ReadOnlySpan<byte> Take(int bytes, string what)
        {
            if (bytes > Remaining)
            {
                throw new ModelFormatException(source.File, what,
                    $"cut off by the end of the file at {source.Length:N0} bytes",
                    $"{bytes:N0} bytes at {Position:N0}");
            }
            if (Position < _bufferStart || Position + bytes > _bufferStart + _bufferLength)
            {
                _bufferLength = (int)Math.Min(_buffer.Length, Remaining);
                source.Read(Position, _buffer.AsSpan(0, _bufferLength));
                _bufferStart = Position;
            }
            ReadOnlySpan<byte> taken = _buffer.AsSpan((int)(Position - _bufferStart), bytes);
            Position += bytes;
            return taken;
        }
    }
}
