// The definition of dropout: which numbers stay is said by Dropout.Keeps.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Dropout of a table.</summary>
public static class DropoutReference
{
    /// <summary>What a number is multiplied by: 0 or the scale; 1 without dropout.</summary>
    public static double Factor(Dropout dropout, long row, int column) =>
        dropout.IsNone ? 1 : dropout.Keeps(row, column) ? dropout.Scale : 0;

    /// <summary>Each number times its factor.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="columns">Columns of x.</param>
    /// <param name="dropout">Which.</param>
    public static double[] Rows(ReadOnlySpan<double> x, int columns, Dropout dropout)
    {
        var y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            double factor = Factor(dropout, i / columns, i % columns);
            y[i] = factor == 0 ? 0 : x[i] * factor;
        }

        return y;
    }
}
