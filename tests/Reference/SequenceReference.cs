// The definitions of convolutions and recurrent cells: plain loops over numbers of any kind, so that the same formula gives the value and,
// by running error analysis, how far float32 may be from it.
using System.Numerics;
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Convolutions over sentences and steps of recurrent layers.</summary>
public static class SequenceReference
{
    /// <summary>The row of a tap, or −1 where the sentence has none.</summary>
    public static int RowOf(ReadOnlySpan<int> offsets, int sentence, int row, Taps taps, int tap)
    {
        long at = row + taps.Offset(tap);
        return at >= offsets[sentence] && at < offsets[sentence + 1] ? (int)at : -1;
    }

    /// <summary>For each row and tap the row that the tap sees, −1: none; [rows · taps].</summary>
    public static int[] Seen(ReadOnlySpan<int> offsets, Taps taps)
    {
        var seen = new int[offsets[^1] * taps.Count];
        for (int sentence = 0; sentence + 1 < offsets.Length; sentence++)
            for (int row = offsets[sentence]; row < offsets[sentence + 1]; row++)
                for (int tap = 0; tap < taps.Count; tap++)
                    seen[(row * taps.Count) + tap] = RowOf(offsets, sentence, row, taps, tap);
        return seen;
    }

    /// <summary>What taps see, side by side.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="columns">Columns of x.</param>
    /// <param name="seen">As <see cref="Seen"/> gives it.</param>
    public static double[] Unfold(ReadOnlySpan<double> x, int columns, ReadOnlySpan<int> seen)
    {
        var y = new double[seen.Length * columns];
        for (int i = 0; i < seen.Length; i++)
            if (seen[i] >= 0) x.Slice(seen[i] * columns, columns).CopyTo(y.AsSpan(i * columns));
        return y;
    }

    /// <summary>Gradient of <see cref="Unfold"/>.</summary>
    public static double[] Fold(ReadOnlySpan<double> dy, int rows, int columns, ReadOnlySpan<int> seen)
    {
        var dx = new double[rows * columns];
        for (int i = 0; i < seen.Length; i++)
            for (int column = 0; column < columns && seen[i] >= 0; column++)
                dx[(seen[i] * columns) + column] += dy[(i * columns) + column];
        return dx;
    }

    /// <summary>A filter for each column.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="filter">[taps, columns].</param>
    /// <param name="bias">[columns], or empty.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="seen">As <see cref="Seen"/> gives it.</param>
    public static double[] Depthwise(
        ReadOnlySpan<double> x, ReadOnlySpan<double> filter, ReadOnlySpan<double> bias, int columns, ReadOnlySpan<int> seen)
    {
        int taps = filter.Length / Math.Max(columns, 1);
        var y = new double[x.Length];
        for (int row = 0; row * columns < y.Length; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double sum = bias.IsEmpty ? 0 : bias[column];
                for (int tap = 0; tap < taps; tap++)
                {
                    int at = seen[(row * taps) + tap];
                    if (at >= 0) sum += x[(at * columns) + column] * filter[(tap * columns) + column];
                }

                y[(row * columns) + column] = sum;
            }
        }

        return y;
    }

    /// <summary>Gradients of <see cref="Depthwise"/> by x and by the filter.</summary>
    public static (double[] OfX, double[] OfFilter) DepthwiseGradients(
        ReadOnlySpan<double> x, ReadOnlySpan<double> filter, ReadOnlySpan<double> dy, int columns, ReadOnlySpan<int> seen)
    {
        int taps = filter.Length / Math.Max(columns, 1);
        var (ofX, ofFilter) = (new double[x.Length], new double[filter.Length]);
        for (int i = 0; i < seen.Length; i++)
        {
            (int row, int tap) = (i / taps, i % taps);
            for (int column = 0; column < columns && seen[i] >= 0; column++)
            {
                (int at, int weight) = ((seen[i] * columns) + column, (tap * columns) + column);
                ofX[at] += dy[(row * columns) + column] * filter[weight];
                ofFilter[weight] += dy[(row * columns) + column] * x[at];
            }
        }

        return (ofX, ofFilter);
    }

    /// <summary>One column of a cell: the state after.</summary>
    /// <param name="kind">Which cell.</param>
    /// <param name="a">Gates of the input.</param>
    /// <param name="b">Gates of the state.</param>
    /// <param name="state">h, and for an LSTM c.</param>
    public static T[] Cell<T>(CellKind kind, ReadOnlySpan<T> a, ReadOnlySpan<T> b, ReadOnlySpan<T> state) where T : ICellNumber<T>
    {
        switch (kind)
        {
            case CellKind.Tanh: return [T.Tanh(a[0] + b[0])];
            case CellKind.Lstm:
                T i = T.Sigmoid(a[0] + b[0]), f = T.Sigmoid(a[1] + b[1]), g = T.Tanh(a[2] + b[2]), o = T.Sigmoid(a[3] + b[3]);
                T c = (f * state[1]) + (i * g);
                return [o * T.Tanh(c), c];
            default:
                T r = T.Sigmoid(a[0] + b[0]), z = T.Sigmoid(a[1] + b[1]), n = T.Tanh(a[2] + (r * b[2]));
                return [n + (z * (state[0] - n))];
        }
    }

    /// <summary>Gradients of one column: of the gates of the input, of those of the state, and of the state itself.</summary>
    public static (T[] Input, T[] Hidden, T[] State) CellGradients<T>(
        CellKind kind, ReadOnlySpan<T> a, ReadOnlySpan<T> b, ReadOnlySpan<T> state, ReadOnlySpan<T> d) where T : ICellNumber<T>
    {
        switch (kind)
        {
            case CellKind.Tanh:
                T[] gate = [d[0] * SlopeOfTanh(T.Tanh(a[0] + b[0]))];
                return (gate, gate, [T.Zero]);
            case CellKind.Lstm:
                T i = T.Sigmoid(a[0] + b[0]), f = T.Sigmoid(a[1] + b[1]), g = T.Tanh(a[2] + b[2]), o = T.Sigmoid(a[3] + b[3]);
                T t = T.Tanh((f * state[1]) + (i * g));
                T e = (d[0] * o * SlopeOfTanh(t)) + d[1];
                T[] gates = [e * g * SlopeOfSigmoid(i), e * state[1] * SlopeOfSigmoid(f), e * i * SlopeOfTanh(g), d[0] * t * SlopeOfSigmoid(o)];
                return (gates, gates, [T.Zero, e * f]);
            default:
                T r = T.Sigmoid(a[0] + b[0]), z = T.Sigmoid(a[1] + b[1]), n = T.Tanh(a[2] + (r * b[2]));
                T dn = d[0] * (T.One - z) * SlopeOfTanh(n);
                T dz = d[0] * (state[0] - n) * SlopeOfSigmoid(z), dr = dn * b[2] * SlopeOfSigmoid(r);
                return ([dr, dz, dn], [dr, dz, dn * r], [d[0] * z]);
        }
    }

    private static T SlopeOfTanh<T>(T t) where T : ICellNumber<T> => (T.One - t) * (T.One + t);

    private static T SlopeOfSigmoid<T>(T s) where T : ICellNumber<T> => s * (T.One - s);
}

/// <summary>A number that a cell is computed with.</summary>
public interface ICellNumber<T> : IAdditionOperators<T, T, T>, ISubtractionOperators<T, T, T>, IMultiplyOperators<T, T, T>
    where T : ICellNumber<T>
{
    /// <summary>0.</summary>
    static abstract T Zero { get; }

    /// <summary>1.</summary>
    static abstract T One { get; }

    /// <summary>σ.</summary>
    static abstract T Sigmoid(T x);

    /// <summary>tanh.</summary>
    static abstract T Tanh(T x);
}

/// <summary>
/// A number and how far the same formula in float32 may be from it (running error analysis: Wilkinson 1960; Higham 2002, 3.3): each
/// operation passes on the errors of its arguments and adds its own rounding, and functions of our own are 8u wrong.
/// </summary>
/// <param name="Value">In double precision.</param>
/// <param name="Error">The most that float32 may be away.</param>
public readonly record struct Rounded(double Value, double Error) : ICellNumber<Rounded>
{
    private const double U = ErrorBound.UnitRoundoff, FunctionError = 8 * U;

    /// <inheritdoc />
    public static Rounded Zero => new(0, 0);

    /// <inheritdoc />
    public static Rounded One => new(1, 0);

    /// <inheritdoc />
    public static Rounded operator +(Rounded x, Rounded y) => Of(x.Value + y.Value, x.Error + y.Error);

    /// <inheritdoc />
    public static Rounded operator -(Rounded x, Rounded y) => Of(x.Value - y.Value, x.Error + y.Error);

    /// <inheritdoc />
    public static Rounded operator *(Rounded x, Rounded y) => Of(
        x.Value * y.Value, (Math.Abs(x.Value) * y.Error) + (Math.Abs(y.Value) * x.Error) + (x.Error * y.Error));

    /// <summary>σ, whose slope is at most a quarter.</summary>
    public static Rounded Sigmoid(Rounded x)
    {
        double value = 1 / (1 + Math.Exp(-x.Value));
        return new(value, (x.Error / 4) + (FunctionError * (value + (x.Error / 4))) + ErrorBound.Underflow);
    }

    /// <summary>tanh, whose slope is at most 1.</summary>
    public static Rounded Tanh(Rounded x)
    {
        double value = Math.Tanh(x.Value);
        return new(value, x.Error + (FunctionError * (Math.Abs(value) + x.Error)) + ErrorBound.Underflow);
    }

    // One rounding of a result that is itself off by what came in.
    private static Rounded Of(double value, double error) =>
        new(value, error + (U * (Math.Abs(value) + error)) + ErrorBound.Underflow);
}

/// <summary>A number by itself.</summary>
/// <param name="Value">The number.</param>
public readonly record struct Exact(double Value) : ICellNumber<Exact>
{
    /// <inheritdoc />
    public static Exact Zero => new(0);

    /// <inheritdoc />
    public static Exact One => new(1);

    /// <inheritdoc />
    public static Exact operator +(Exact x, Exact y) => new(x.Value + y.Value);

    /// <inheritdoc />
    public static Exact operator -(Exact x, Exact y) => new(x.Value - y.Value);

    /// <inheritdoc />
    public static Exact operator *(Exact x, Exact y) => new(x.Value * y.Value);

    /// <inheritdoc />
    public static Exact Sigmoid(Exact x) => new(1 / (1 + Math.Exp(-x.Value)));

    /// <inheritdoc />
    public static Exact Tanh(Exact x) => new(Math.Tanh(x.Value));
}
