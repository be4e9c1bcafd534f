// The definition of the embedding of tokens.
namespace Engine.Reference;

/// <summary>Embedding of tokens and positions.</summary>
public static class EmbedReference
{
    /// <summary>y = table[id] · scale + positions[position]; the embedding of id −1 is zeros.</summary>
    /// <param name="ids">[rows].</param>
    /// <param name="table">[vocabulary, width].</param>
    /// <param name="width">Columns of the table.</param>
    /// <param name="scale">Factor on the embedding.</param>
    /// <param name="positions">[positions, width], or empty.</param>
    /// <param name="positionIds">[rows], or empty.</param>
    /// <returns>[rows, width].</returns>
    public static double[] Rows(
        ReadOnlySpan<int> ids, ReadOnlySpan<double> table, int width, double scale, ReadOnlySpan<double> positions,
        ReadOnlySpan<int> positionIds)
    {
        var y = new double[ids.Length * width];
        for (int row = 0; row < ids.Length; row++)
        {
            for (int column = 0; column < width; column++)
            {
                double embedding = ids[row] < 0 ? 0 : table[(ids[row] * width) + column] * scale;
                double position = positions.IsEmpty ? 0 : positions[(positionIds[row] * width) + column];
                y[(row * width) + column] = embedding + position;
            }
        }

        return y;
    }
}
