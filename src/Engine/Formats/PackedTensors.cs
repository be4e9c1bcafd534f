// The tensors of a packed file: matrices are found by the configuration, as their shape in the file does not tell their rows.
using Engine.Models;
using Engine.Tensors;

namespace Engine.Formats;

/// <summary>Reads the list of tensors of a packed file.</summary>
internal sealed class PackedTensors
{
    private readonly SafeTensorsFile _file;
    private readonly IReadOnlyDictionary<string, string> _aliases;
    private readonly Dictionary<string, HostTensor> _tensors = [];
    private readonly Dictionary<string, PanelSource> _panels = [];
    private readonly Dictionary<(string Entry, int Row, int Rows), HostTensor> _parts = [];
    private readonly HashSet<string> _used = [];

    private PackedTensors(SafeTensorsFile file, IReadOnlyDictionary<string, string> aliases)
    {
        _file = file;
        _aliases = aliases;
    }

    /// <summary>Finds all tensors of a model, by the names that <see cref="TensorSpec"/> has.</summary>
    /// <param name="file">The file.</param>
    /// <param name="config">The model's shape, checked by itself.</param>
    /// <param name="aliases">Other names of tensors of the file.</param>
    public static Dictionary<string, HostTensor> Read(
        SafeTensorsFile file, TransformerConfig config, IReadOnlyDictionary<string, string> aliases)
    {
        var reader = new PackedTensors(file, aliases);
        foreach (TensorSpec spec in TensorSpec.Of(config))
            if (spec.Role != TensorRole.Weight) reader.ReadPlain(spec);
        foreach (PackedMatrix matrix in PackedMatrix.Of(config)) reader.ReadMatrix(matrix);
        foreach (string name in file.Entries.Keys.Concat(aliases.Keys))
            if (!reader._used.Contains(name))
                throw new ModelFormatException(file.File, Quote.Text(name), "there",
                    "no such tensor in a packed file, by the configuration");
        return reader._tensors;
    }

    private void ReadPlain(in TensorSpec spec)
    {
        if (Find(spec.Name) is not { } entry)
        {
            if (spec.IsOptional) return;
            throw new ModelFormatException(_file.File, spec.Name, "missing", "a tensor of the file, or an alias");
        }

        int rank = spec.Role == TensorRole.Vector ? 1 : 2;
        if (entry.Dimensions.Length != rank)
            throw new ModelFormatException(_file.File, $"the shape of {spec.Name}", entry.Shape,
                rank == 1 ? "one dimension" : "two dimensions");
        if (!_parts.TryGetValue((entry.Name, 0, 0), out HostTensor? tensor))
            _parts.Add((entry.Name, 0, 0), tensor = _file.Tensor(entry));
        _tensors.Add(spec.Name, tensor);
    }

    private void ReadMatrix(PackedMatrix matrix)
    {
        SafeTensorsEntry entry = Find(matrix.Name) ?? throw new ModelFormatException(
            _file.File, matrix.Name, "missing", "a tensor of the file, or an alias");
        PanelSource source = Panels(entry, matrix);
        float[]? scales = Scales(entry, matrix);
        DType type = entry.KnownType!.Value;
        int row = 0;
        for (int i = 0; i < matrix.Parts.Count; i++)
        {
            TensorSpec part = matrix.Parts[i];
            if (!_parts.TryGetValue((entry.Name, row, part.Rows), out HostTensor? tensor))
            {
                float[]? own = type switch
                {
                    DType.Int8 => scales![row..(row + part.Rows)],
                    DType.Int16 => [scales![i]],
                    _ => null,
                };
                tensor = new HostTensor(part.Name, type, new Shape(part.Rows, part.Columns), source,
                    (long)row * part.Columns * type.Bytes(), own);
                _parts.Add((entry.Name, row, part.Rows), tensor);
            }

            _tensors.Add(part.Name, tensor);
            row += part.Rows;
        }
    }

    // The panels of a matrix; under another name they must have the same shape.
    private PanelSource Panels(SafeTensorsEntry entry, PackedMatrix matrix)
    {
        DType type = entry.KnownType is { } known and not DType.Int32
            ? known
            : throw new ModelFormatException(
                _file.File, $"the element type of {matrix.Name}", entry.Type, "F32, F16, BF16, I8 or I16");
        if (matrix.Rows > int.MaxValue)
            throw new ModelFormatException(_file.File, $"the rows of {matrix.Name}", $"{matrix.Rows:N0}",
                $"at most {int.MaxValue:N0}");
        var shape = new Shape((int)matrix.Rows, matrix.Columns);
        long group = entry.Dimensions.Length == 4 ? entry.Dimensions[3] : 0;
        int expected = group is 1 or 2 or 4 ? (int)group : PanelLayout.Group(type);
        long[] dimensions =
        [
            PanelLayout.Panels(shape.Rows), PanelLayout.Groups(shape.Columns, expected), PanelLayout.PanelRows, expected,
        ];
        if (!entry.Dimensions.AsSpan().SequenceEqual(dimensions))
            throw new ModelFormatException(_file.File, $"the shape of {matrix.Name}", entry.Shape,
                $"[{string.Join(", ", dimensions)}], the panels of a matrix {shape}");
        if (!_panels.TryGetValue(entry.Name, out PanelSource? source))
            _panels.Add(entry.Name, source = _file.Panels(entry, type, shape, expected));
        return source.Shape == shape
            ? source
            : throw new ModelFormatException(_file.File, $"the shape of {matrix.Name}", $"{shape}",
                $"{source.Shape}, that of {entry.Name}, which it is an alias of");
    }

    private float[]? Scales(SafeTensorsEntry entry, PackedMatrix matrix)
    {
        if (entry.KnownType is not (DType.Int8 or DType.Int16)) return null;
        string name = $"{entry.Name}_scale";
        long count = entry.KnownType == DType.Int8 ? matrix.Rows : matrix.Parts.Count;
        string expected = $"F32 [{count}], one number a {(entry.KnownType == DType.Int8 ? "row" : "part")}";
        if (!_file.Entries.TryGetValue(name, out SafeTensorsEntry? scale))
            throw new ModelFormatException(_file.File, name, "missing", expected);
        if (scale.KnownType != DType.Float32 || !scale.Dimensions.AsSpan().SequenceEqual([count]))
            throw new ModelFormatException(_file.File, name, $"{scale.Type} {scale.Shape}", expected);
        _used.Add(name);
        return _file.Tensor(scale).ReadFloats();
    }

    private SafeTensorsEntry? Find(string name)
    {
        _used.Add(name);
        string target = _aliases.GetValueOrDefault(name, name);
        return _file.Entries.GetValueOrDefault(target);
    }
}
