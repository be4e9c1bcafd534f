// The definition of the gradients of a linear layer's parameters and of an embedding.
namespace Engine.Reference;

/// <summary>Gradients of parameters that are matrices.</summary>
public static class LinearGradientReference
{
    /// <summary>dyᵀ x.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="rows">Rows of both.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of dy.</param>
    /// <returns>[outputs, inputs].</returns>
    public static double[] Weight(
        ReadOnlySpan<double> x, ReadOnlySpan<double> dy, int rows, int inputs, int outputs)
    {
        var gradient = new double[outputs * inputs];
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < outputs; output++)
            {
                for (int k = 0; k < inputs; k++)
                    gradient[(output * inputs) + k] += dy[(row * outputs) + output] * x[(row * inputs) + k];
            }
        }

        return gradient;
    }

    /// <summary>The sums of the columns.</summary>
    /// <param name="dy">[rows, columns].</param>
    /// <param name="columns">Columns of dy.</param>
    /// <returns>[columns].</returns>
    public static double[] Bias(ReadOnlySpan<double> dy, int columns)
    {
        var sums = new double[columns];
        for (int i = 0; i < dy.Length; i++) sums[i % columns] += dy[i];
        return sums;
    }

    /// <summary>table[id] += dy · scale; nothing for an id of −1.</summary>
    /// <param name="ids">[rows].</param>
    /// <param name="dy">[rows, width].</param>
    /// <param name="width">Columns of dy.</param>
    /// <param name="scale">Factor on dy.</param>
    /// <param name="tableRows">Rows of the table.</param>
    /// <returns>[tableRows, width].</returns>
    public static double[] Table(ReadOnlySpan<int> ids, ReadOnlySpan<double> dy, int width, double scale, int tableRows)
    {
        var table = new double[tableRows * width];
        for (int row = 0; row < ids.Length; row++)
        {
            if (ids[row] < 0) continue;
            for (int column = 0; column < width; column++)
                table[(ids[row] * width) + column] += dy[(row * width) + column] * scale;
        }

        return table;
    }
}
