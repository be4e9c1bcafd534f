// The definition of the linear layer: float weights in double precision; integer weights with the same integers as a
// backend.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>y = activation(x Wᵀ + b), by plain loops.</summary>
public static class LinearReference
{
    /// <summary>What an activation is multiplied by before it meets an int16 weight.</summary>
    public const float Int16ActivationScale = 1000f;

    /// <summary>Float weights.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="bias">[outputs], or empty.</param>
    /// <param name="inputs">Columns of x, at least 0.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="outputs">Rows of the weight.</param>
    /// <param name="activation">Applied last.</param>
    /// <returns>[rows, outputs].</returns>
    public static double[] Rows(
        ReadOnlySpan<double> x, ReadOnlySpan<double> weight, ReadOnlySpan<double> bias, int rows, int inputs,
        int outputs,
        Activation activation = Activation.None)
    {
        var y = new double[rows * outputs];
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < outputs; output++)
            {
                double sum = 0;
                for (int k = 0; k < inputs; k++) sum += x[(row * inputs) + k] * weight[(output * inputs) + k];
                if (!bias.IsEmpty) sum += bias[output];
                y[(row * outputs) + output] = ActivationReference.Invoke(activation, sum);
            }
        }

        return y;
    }

    /// <summary>
    /// Integer weights: weight = element / scale. The scaling after the exact integer sum is in double precision.
    /// </summary>
    /// <param name="x">[rows, inputs]; only the float32 nearest to each number counts.</param>
    /// <param name="weight">[outputs, inputs], the stored integers.</param>
    /// <param name="scales">[outputs]: what each row of the weight was multiplied by.</param>
    /// <param name="bias">[outputs], or empty.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Rows of the weight.</param>
    /// <param name="isInt8">int8, with a scale for each row of x; else int16, with the scale 1000.</param>
    /// <param name="rounding">How activations become integers.</param>
    /// <param name="activation">Applied last.</param>
    /// <returns>[rows, outputs].</returns>
    public static double[] QuantisedRows(
        ReadOnlySpan<double> x, ReadOnlySpan<int> weight, ReadOnlySpan<float> scales, ReadOnlySpan<double> bias,
        int rows,
        int inputs, int outputs, bool isInt8, ActivationRounding rounding, Activation activation = Activation.None)
    {
        var y = new double[rows * outputs];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<double> values = x.Slice(row * inputs, inputs);
            float scale = isInt8 ? Int8Scale(values) : Int16ActivationScale;
            int[] quantised = isInt8 ? QuantiseInt8(values, scale, rounding) : QuantiseInt16(values, rounding);
            for (int output = 0; output < outputs; output++)
            {
                long sum = 0;
                for (int k = 0; k < inputs; k++) sum += (long)quantised[k] * weight[(output * inputs) + k];
                double result = sum / ((double)scale * scales[output]);
                if (!bias.IsEmpty) result += bias[output];
                y[(row * outputs) + output] = ActivationReference.Invoke(activation, result);
            }
        }

        return y;
    }

    /// <summary>Numbers as bfloat16: to the nearest, ties to even.</summary>
    public static double[] ToBFloat16(ReadOnlySpan<double> x)
    {
        var rounded = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits((float)x[i]);
            rounded[i] = BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
        }

        return rounded;
    }

    /// <summary>127 / max|x| in float32, or 1 for a row of zeros.</summary>
    public static float Int8Scale(ReadOnlySpan<double> row)
    {
        float largest = 0;
        foreach (double value in row) largest = Math.Max(largest, Math.Abs((float)value));
        return largest == 0 ? 1f : 127f / largest;
    }

    /// <summary>x · scale + 128 in float32, to the nearest integer (ties to even) or down to the next, less 128.</summary>
    public static int[] QuantiseInt8(ReadOnlySpan<double> row, float scale, ActivationRounding rounding)
    {
        var quantised = new int[row.Length];
        for (int k = 0; k < row.Length; k++)
        {
            float scaled = (float)row[k] * scale;
            float shifted = scaled + 128f;
            quantised[k] = (int)(rounding == ActivationRounding.Nearest
                ? MathF.Round(shifted, MidpointRounding.ToEven)
                : MathF.Floor(shifted)) - 128;
        }

        return quantised;
    }

    /// <summary>x · 1000, the product in float32, to the nearest integer or toward zero, kept within 16 bits.</summary>
    public static int[] QuantiseInt16(ReadOnlySpan<double> row, ActivationRounding rounding)
    {
        var quantised = new int[row.Length];
        for (int k = 0; k < row.Length; k++)
        {
            float scaled = (float)row[k] * Int16ActivationScale;
            float whole = rounding == ActivationRounding.Nearest
                ? MathF.Round(scaled, MidpointRounding.ToEven)
                : MathF.Truncate(scaled);
            quantised[k] = (int)Math.Clamp(whole, short.MinValue, short.MaxValue);
        }

        return quantised;
    }
}
