// Writes the tensors of a packed file: matrices as panels, those of one product one under the other.
using Engine.Tensors;

namespace Engine.Formats;

/// <summary>Writes <c>model.safetensors</c> in the layout <see cref="WeightLayout.Packed"/>.</summary>
internal sealed class PackedWriter
{
    private const int BufferBytes = 1 << 20;

    // Columns of a panel that are in memory at once.
    private const int ColumnsAtOnce = 4096;

    private readonly Dictionary<string, string> _aliases = [];
    private readonly Dictionary<string, string> _names = [];
    private readonly Dictionary<HostTensor, int> _ids = new(ReferenceEqualityComparer.Instance);
    private readonly List<SafeTensorsItem> _items = [];
    private readonly List<(string Name, HostTensor[] Parts, bool IsPanels)> _tensors = [];

    /// <summary>Writes all tensors of a model.</summary>
    /// <returns>Other names of what is shared.</returns>
    /// <exception cref="OperationCanceledException">The work was ended.</exception>
    public static Dictionary<string, string> Write(
        ModelData model, string file, DType? weights, CancellationToken cancellation)
    {
        var packed = new PackedWriter();
        foreach (PackedMatrix matrix in PackedMatrix.Of(model.Config))
            packed.Add(matrix, [.. matrix.Parts.Select(part => model.Tensors[part.Name])], weights);
        foreach (TensorSpec spec in TensorSpec.Of(model.Config))
            if (spec.Role != TensorRole.Weight && model.Tensors.TryGetValue(spec.Name, out HostTensor? tensor))
                packed.Add(spec, tensor);
        using var writer = new SafeTensorsWriter(file, packed._items);
        var buffer = new byte[BufferBytes];
        foreach (var (name, parts, isPanels) in packed._tensors)
        {
            if (isPanels) WritePanels(writer, name, parts, cancellation);
            else ModelWriter.WriteElements(writer, name, parts[0], ref buffer, cancellation);
            if (!isPanels || parts[0].Scales is null) continue;
            float[] all = [.. parts.SelectMany(part => part.Scales!)];
            HostTensor scales = HostTensor.FromValues(name, new Shape(1, all.Length), all);
            ModelWriter.WriteElements(writer, $"{name}_scale", scales, ref buffer, cancellation);
        }

        writer.Complete();
        return packed._aliases;
    }

    private void Add(PackedMatrix matrix, HostTensor[] parts, DType? weights)
    {
        if (IsShared(matrix.Name, "panels", parts)) return;

        // Parts of one product agree in type; where a file's do not, they are widened, as when they are loaded.
        DType type = weights ?? (parts.All(part => part.Type == parts[0].Type) ? parts[0].Type : DType.Float32);
        HostTensor[] converted = WeightConversion.Convert(parts, type);
        int group = PanelLayout.Group(type);
        long rows = matrix.Rows;
        _items.Add(new SafeTensorsItem(
            matrix.Name, type, (rows + PanelLayout.PanelRows - 1) / PanelLayout.PanelRows,
            PanelLayout.Groups(matrix.Columns, group), PanelLayout.PanelRows, group) { IsPanels = true });
        _tensors.Add((matrix.Name, converted, true));
        if (type is DType.Int8) _items.Add(new SafeTensorsItem($"{matrix.Name}_scale", DType.Float32, rows));
        if (type is DType.Int16) _items.Add(new SafeTensorsItem($"{matrix.Name}_scale", DType.Float32, parts.Length));
    }

    private void Add(in TensorSpec spec, HostTensor tensor)
    {
        if (IsShared(spec.Name, $"{spec.Role}", [tensor])) return;
        var (rows, columns) = tensor.Shape;
        _items.Add(spec.Role == TensorRole.Vector
            ? new SafeTensorsItem(spec.Name, tensor.Type, columns)
            : new SafeTensorsItem(spec.Name, tensor.Type, rows, columns));
        _tensors.Add((spec.Name, [tensor], false));
    }

    // What is made of the very same tensors is stored once.
    private bool IsShared(string name, string role, HostTensor[] parts)
    {
        string key = $"{role} {string.Join(' ', parts.Select(part => Id(part)))}";
        if (_names.TryAdd(key, name)) return false;
        _aliases.Add(name, _names[key]);
        return true;
    }

    private int Id(HostTensor tensor)
    {
        if (!_ids.TryGetValue(tensor, out int id)) _ids.Add(tensor, id = _ids.Count);
        return id;
    }

    private static void WritePanels(
        SafeTensorsWriter writer, string name, HostTensor[] parts, CancellationToken cancellation)
    {
        DType type = parts[0].Type;
        int columns = parts[0].Shape.Columns, size = type.Bytes(), group = PanelLayout.Group(type);
        int atOnce = Math.Min(ColumnsAtOnce, (int)PanelLayout.Groups(columns, group) * group);
        byte[] rows = new byte[PanelLayout.PanelRows * atOnce * size], panel = new byte[rows.Length];
        int part = 0, row = 0;
        long written = 0;
        while (part < parts.Length)
        {
            cancellation.ThrowIfCancellationRequested();

            // The next sixteen rows, wherever they are.
            var lanes = new List<(HostTensor Part, int Row)>(PanelLayout.PanelRows);
            while (lanes.Count < PanelLayout.PanelRows && part < parts.Length)
            {
                if (row < parts[part].Shape.Rows) lanes.Add((parts[part], row++));
                else (part, row) = (part + 1, 0);
            }

            for (int column = 0; column < columns && lanes.Count > 0; column += atOnce)
            {
                int count = Math.Min(atOnce, columns - column);
                int stride = (int)PanelLayout.Groups(count, group) * group * size;
                Span<byte> filled = panel.AsSpan(0, PanelLayout.PanelRows * stride);
                filled.Clear();
                for (int lane = 0; lane < lanes.Count; lane++)
                {
                    Span<byte> read = rows.AsSpan(0, count * size);
                    lanes[lane].Part.ReadBytes(lanes[lane].Row, column, read);
                    Scatter(read, filled, lane, group * size);
                }

                writer.Write(name, written, filled);
                written += filled.Length;
            }
        }
    }

    private static void Scatter(ReadOnlySpan<byte> row, Span<byte> panel, int lane, int unit)
    {
        for (int from = 0, to = lane * unit; from < row.Length; from += unit, to += PanelLayout.PanelRows * unit)
            row[from..Math.Min(from + unit, row.Length)].CopyTo(panel[to..]);
    }
}
