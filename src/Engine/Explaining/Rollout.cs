// Attention rollout (Abnar and Zuidema 2020): how much of each input reaches each position, if half of every sub-layer's output is what
// came along the residual connection and half what attention mixed.
namespace Engine.Explaining;

/// <summary>Products of mean attention over heads, layer by layer.</summary>
internal static class Rollout
{
    /// <summary>A stack that looks at itself: R = (½ A + ½ I) R of the layer before, from R = I on.</summary>
    /// <param name="self">Its attention.</param>
    /// <returns>After each layer, [queries, queries].</returns>
    public static AttentionMap OfSelf(AttentionMap self)
    {
        int count = self.Queries;
        double[] reached = Identity(count);
        var layers = new float[self.Layers][];
        for (int layer = 0; layer < layers.Length; layer++)
        {
            reached = Half(reached, Product(self.Mean(layer, self.Heads), reached, count, count, count));
            layers[layer] = Narrow(reached);
        }

        return new AttentionMap(layers, 1, count, count);
    }

    /// <summary>
    /// The decoder, which mixes its own inputs with the memory: of both it keeps track. Cross attention takes the memory for what the
    /// encoder's rollout says that it is made of.
    /// </summary>
    /// <param name="self">Masked self-attention.</param>
    /// <param name="cross">Cross attention.</param>
    /// <param name="encoder">The encoder's rollout; without layers the memory is the source itself.</param>
    /// <returns>After each layer what comes from the target's inputs, and from the source; together the rows sum to 1.</returns>
    public static (AttentionMap Target, AttentionMap Source) OfDecoder(AttentionMap self, AttentionMap cross, AttentionMap encoder)
    {
        (int targets, int sources) = (self.Queries, cross.Keys);
        double[] memory = encoder.Layers == 0 ? Identity(sources) : LastOf(encoder);
        double[] fromTarget = Identity(targets), fromSource = new double[targets * sources];
        float[][] targetLayers = new float[self.Layers][], sourceLayers = new float[self.Layers][];
        for (int layer = 0; layer < self.Layers; layer++)
        {
            float[] own = self.Mean(layer, self.Heads);
            fromTarget = Half(fromTarget, Product(own, fromTarget, targets, targets, targets));
            fromSource = Half(fromSource, Product(own, fromSource, targets, targets, sources));
            fromTarget = Half(fromTarget, new double[fromTarget.Length]);
            fromSource = Half(fromSource, Product(cross.Mean(layer, cross.Heads), memory, targets, sources, sources));
            (targetLayers[layer], sourceLayers[layer]) = (Narrow(fromTarget), Narrow(fromSource));
        }

        return (new AttentionMap(targetLayers, 1, targets, targets), new AttentionMap(sourceLayers, 1, targets, sources));
    }

    private static double[] LastOf(AttentionMap map)
    {
        var last = new double[map.Queries * map.Keys];
        for (int i = 0; i < last.Length; i++) last[i] = map.Row(map.Layers - 1, 0, i / map.Keys)[i % map.Keys];
        return last;
    }

    private static double[] Identity(int count)
    {
        var identity = new double[count * count];
        for (int i = 0; i < count; i++) identity[(i * count) + i] = 1;
        return identity;
    }

    // weights [rows, inner] times values [inner, columns].
    private static double[] Product(float[] weights, double[] values, int rows, int inner, int columns)
    {
        var product = new double[rows * columns];
        for (int row = 0; row < rows; row++)
        {
            Span<double> sum = product.AsSpan(row * columns, columns);
            for (int k = 0; k < inner; k++)
            {
                double weight = weights[(row * inner) + k];
                if (weight == 0) continue;
                ReadOnlySpan<double> value = values.AsSpan(k * columns, columns);
                for (int j = 0; j < sum.Length; j++) sum[j] += weight * value[j];
            }
        }

        return product;
    }

    private static double[] Half(double[] kept, double[] mixed)
    {
        for (int i = 0; i < mixed.Length; i++) mixed[i] = (0.5 * kept[i]) + (0.5 * mixed[i]);
        return mixed;
    }

    private static float[] Narrow(double[] values) => Array.ConvertAll(values, static value => (float)value);
}
