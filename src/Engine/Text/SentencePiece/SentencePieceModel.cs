// A SentencePiece model as its file has it (google/sentencepiece, src/sentencepiece_model.proto), checked.
using System.Globalization;
using System.Text;
using Engine.Formats;

namespace Engine.Text.SentencePiece;

/// <summary>Pieces, scores, and how text is prepared and cut.</summary>
public sealed class SentencePieceModel
{
    internal const string StandardUnknownSurface = " \u2047 ";

    private const int ByteCount = 256;

    private readonly List<string> _pieces = [];
    private readonly List<float> _scores = [];
    private readonly List<PieceType> _types = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly int[] _bytePieces = new int[ByteCount];

    private SentencePieceModel(string path) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>How text is cut.</summary>
    public SegmentationType Segmentation { get; private set; } = SegmentationType.Unigram;

    /// <summary>Number of pieces.</summary>
    public int Count => _pieces.Count;

    /// <summary>The pieces in the order of their ids.</summary>
    public IReadOnlyList<string> Pieces => _pieces;

    /// <summary>Log-probability of each piece (Unigram), or minus its place among the merges (BPE).</summary>
    public IReadOnlyList<float> Scores => _scores;

    /// <summary>What each piece is for.</summary>
    public IReadOnlyList<PieceType> Types => _types;

    /// <summary>Id of the unknown piece.</summary>
    public int UnknownId { get; private set; } = -1;

    /// <summary>Whether characters that no piece matches become bytes.</summary>
    public bool HasByteFallback { get; private set; }

    /// <summary>What an unknown piece decodes to.</summary>
    public string UnknownSurface { get; private set; } = StandardUnknownSurface;

    /// <summary>Name of the normalisation, as in <c>nmt_nfkc</c>.</summary>
    public string Normalization { get; private set; } = "";

    internal bool HasSpaceAsSuffix { get; private set; }

    internal NormalizerRules Normalizer { get; private set; } = new();

    internal NormalizerRules? Denormalizer { get; private set; }

    internal ReadOnlySpan<int> BytePieces => _bytePieces;

    /// <summary>Reads a model.</summary>
    /// <exception cref="ModelFormatException">It is no SentencePiece model.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SentencePieceModel Load(string file) => Read(File.ReadAllBytes(file), file);

    /// <summary>Reads a model from memory.</summary>
    /// <param name="data">The file's bytes.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="ModelFormatException">It is no SentencePiece model.</exception>
    public static SentencePieceModel Read(ReadOnlySpan<byte> data, string name)
    {
        var model = new SentencePieceModel(name);
        var reader = new ProtobufReader(data, name);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: model.AddPiece(reader.Bytes()); break;
                case 2: model.ReadTrainer(reader.Bytes()); break;
                case 3: model.Normalizer = NormalizerRules.Read(reader.Bytes(), name, model); break;
                case 5: model.Denormalizer = NormalizerRules.Read(reader.Bytes(), name, null); break;
                default: reader.Skip(); break;
            }
        }

        model.Check();
        return model;
    }

    /// <summary>The id of a piece, or that of the unknown piece.</summary>
    public int Id(string piece) => _ids.GetValueOrDefault(piece, UnknownId);

    /// <summary>The id of a piece, if it is in the model.</summary>
    public bool TryGetId(string piece, out int id) => _ids.TryGetValue(piece, out id);

    internal void SetNormalization(string name) => Normalization = name;

    private void AddPiece(ReadOnlySpan<byte> message)
    {
        int id = Count;
        string field = $"pieces[{id}]";
        ReadOnlySpan<byte> text = default;
        float score = 0;
        int type = (int)PieceType.Normal;
        var reader = new ProtobufReader(message, Path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: text = reader.Bytes(); break;
                case 2: score = reader.Float(); break;
                case 3: type = reader.Int32(); break;
                default: reader.Skip(); break;
            }
        }

        if (text.IsEmpty) throw new ModelFormatException(Path, $"{field}.piece", "empty", "a string");
        if (!System.Text.Unicode.Utf8.IsValid(text))
            throw new ModelFormatException(Path, $"{field}.piece", Convert.ToHexString(text), "UTF-8");
        if (!Enum.IsDefined((PieceType)type))
            throw new ModelFormatException(Path, $"{field}.type", type.ToString(CultureInfo.InvariantCulture), "1 .. 6");
        if (!float.IsFinite(score))
            throw new ModelFormatException(
                Path, $"{field}.score", score.ToString(CultureInfo.InvariantCulture), "a finite number");
        _pieces.Add(Encoding.UTF8.GetString(text));
        _scores.Add(score);
        _types.Add((PieceType)type);
    }

    private void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(message, Path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3:
                    int type = reader.Int32();
                    if (!Enum.IsDefined((SegmentationType)type))
                        throw new ModelFormatException(
                            Path, "trainer_spec.model_type", type.ToString(CultureInfo.InvariantCulture),
                            "1 (unigram), 2 (BPE), 3 (word) or 4 (character)");
                    Segmentation = (SegmentationType)type;
                    break;
                case 24: HasSpaceAsSuffix = reader.Bool(); break;
                case 35: HasByteFallback = reader.Bool(); break;
                case 44: UnknownSurface = Encoding.UTF8.GetString(reader.Bytes()); break;
                default: reader.Skip(); break;
            }
        }
    }

    // Text is matched against normal, user-defined and unused pieces only, and each name may stand once among them and once among
    // the others; a name is looked up among the others first.
    private void Check()
    {
        if (Count is 0 or > PieceTrie.MostValues)
            throw new ModelFormatException(Path, "the number of pieces", $"{Count}", $"1 .. {PieceTrie.MostValues}");
        var texts = new HashSet<string>(StringComparer.Ordinal);
        var others = new HashSet<string>(StringComparer.Ordinal);
        _bytePieces.AsSpan().Fill(-1);
        for (int id = 0; id < Count; id++)
        {
            bool isText = _types[id] is PieceType.Normal or PieceType.UserDefined or PieceType.Unused;
            if (!(isText ? texts : others).Add(_pieces[id]))
                throw new ModelFormatException(Path, $"pieces[{id}].piece", $"'{_pieces[id]}' again", "each piece once");
            if (isText) _ids.TryAdd(_pieces[id], id);
            else _ids[_pieces[id]] = id;
            if (_types[id] == PieceType.Unknown)
            {
                if (UnknownId >= 0) throw new ModelFormatException(Path, $"pieces[{id}].type", "a second unknown piece", "one");
                UnknownId = id;
            }

            if (_types[id] == PieceType.Byte) AddByte(id);
        }

        if (UnknownId < 0) throw new ModelFormatException(Path, "pieces", "no unknown piece", "one");
        int missing = Array.IndexOf(_bytePieces, -1);
        if (HasByteFallback && missing >= 0)
            throw new ModelFormatException(Path, "pieces", $"no piece <0x{missing:X2}>", "all 256 bytes, for byte_fallback");
    }

    private void AddByte(int id)
    {
        if (!HasByteFallback)
            throw new ModelFormatException(Path, $"pieces[{id}].type", "BYTE", "no bytes without byte_fallback");
        for (int b = 0; b < ByteCount; b++)
        {
            if (_pieces[id] != $"<0x{b:X2}>") continue;
            _bytePieces[b] = id;
            return;
        }

        throw new ModelFormatException(Path, $"pieces[{id}].piece", $"'{_pieces[id]}'", "<0x00> .. <0xFF>");
    }
}
