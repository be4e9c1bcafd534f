// PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(pos / 10000^(2i/d)) (Vaswani et al. 2017, 3.5), or a learned table.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>The vectors that tell a layer where a token stands.</summary>
public sealed class PositionTable : IDisposable
{
    // A longer sequence is rare; the table grows with the first one.
    private const int FirstRows = 256;

    // Rows that are computed, then written: a large array would stay in the host's memory for long.
    private const int RowsAtOnce = 32;

    private readonly IBackend _backend;
    private readonly PositionConfig _config;
    private readonly int _modelDim;
    private readonly bool _isShared;
    private Tensor _table;

    /// <summary>Makes a computed table, or none.</summary>
    /// <param name="backend">Holds it.</param>
    /// <param name="config">Kind and layout; not learned.</param>
    /// <param name="modelDim">Width.</param>
    public PositionTable(IBackend backend, PositionConfig config, int modelDim)
    {
        _backend = backend;
        _config = config;
        _modelDim = modelDim;
        if (config.Kind == PositionKind.Sinusoidal) Compute(FirstRows);
    }

    /// <summary>Takes over a learned table.</summary>
    /// <param name="backend">Holds it.</param>
    /// <param name="table">[positions, modelDim], allocated by the backend; freed with this object.</param>
    public PositionTable(IBackend backend, Tensor table)
    {
        _backend = backend;
        _config = new PositionConfig { Kind = PositionKind.Learned };
        _modelDim = table.Columns;
        _table = table;
    }

    private PositionTable(IBackend backend, PositionTable other)
        : this(backend, other._table) => _isShared = true;

    /// <summary>The longest sequence that it serves.</summary>
    public int Limit => _config.Kind == PositionKind.Learned ? _table.Rows : int.MaxValue;

    /// <summary>[positions, modelDim] with at least so many rows, or none where the model has no positions.</summary>
    /// <param name="positions">Positions that will be looked up: 0 .. positions − 1.</param>
    /// <exception cref="SequenceTooLongException">A learned table is shorter.</exception>
    public Tensor Rows(int positions)
    {
        if (_config.Kind == PositionKind.None) return Tensor.None;
        if (positions <= _table.Rows) return _table;
        if (_config.Kind == PositionKind.Learned) throw new SequenceTooLongException("A sequence", positions, _table.Rows);
        Compute(Math.Max(positions, 2 * _table.Rows));
        return _table;
    }

    /// <summary>
    /// A table of the same vectors for a backend that shares weights with this one's: a learned table is this, a computed one grows by
    /// itself.
    /// </summary>
    internal PositionTable Over(IBackend backend) => _config.Kind == PositionKind.Learned
        ? new PositionTable(backend, this)
        : new PositionTable(backend, _config, _modelDim);

    /// <summary>One row of a computed table.</summary>
    /// <param name="config">Layout.</param>
    /// <param name="index">Index of the token in its sentence, from 0.</param>
    /// <param name="row">[modelDim].</param>
    public static void ComputeRow(PositionConfig config, int index, Span<float> row) =>
        ComputeRow(config, index, Frequencies(config, row.Length), row);

    private static void ComputeRow(PositionConfig config, int index, double[] frequencies, Span<float> row)
    {
        int half = row.Length / 2;
        int position = index + config.Start;
        row.Clear();                                                      // an odd width ends in a zero
        for (int i = 0; i < half; i++)
        {
            (double sine, double cosine) = Math.SinCos(Angle(config, position, frequencies[i]));
            row[config.Interleaved ? 2 * i : i] = (float)sine;
            row[config.Interleaved ? (2 * i) + 1 : half + i] = (float)cosine;
        }

        if (config.Interleaved && row.Length % 2 == 1) row[^1] = (float)Math.Sin(Angle(config, position, frequencies[half]));
    }

    // OpenNMT computes in float32, and its models were trained with what comes out.
    private static double Angle(PositionConfig config, int position, double frequency) =>
        config.ReachesLongest ? position * (float)frequency : position * frequency;

    private static double[] Frequencies(PositionConfig config, int modelDim)
    {
        var frequencies = new double[(modelDim + 1) / 2];
        float step = MathF.Log(10000f) / Math.Max((modelDim / 2) - 1, 1);
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = config.ReachesLongest ? MathF.Exp(-step * i) : Math.Pow(10000, -2.0 * i / modelDim);
        return frequencies;
    }

    /// <summary>Frees the table.</summary>
    public void Dispose()
    {
        if (!_table.IsNone && !_isShared) _backend.Free(_table);
        _table = Tensor.None;
    }

    private void Compute(int positions)
    {
        double[] frequencies = Frequencies(_config, _modelDim);
        var values = new float[Math.Min(RowsAtOnce, positions) * _modelDim];
        Dispose();
        _table = _backend.Allocate(new Shape(positions, _modelDim), DType.Float32);
        for (int start = 0, count; start < positions; start += count)
        {
            count = Math.Min(RowsAtOnce, positions - start);
            for (int row = 0; row < count; row++)
                ComputeRow(_config, start + row, frequencies, values.AsSpan(row * _modelDim, _modelDim));
            _backend.Write(_table.RowRange(start, count), values.AsSpan(0, count * _modelDim));
        }
    }
}
