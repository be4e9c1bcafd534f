// From the numbers of an axis to places in a picture, and where its ticks are.
using System.Globalization;

namespace Engine.Cli;

/// <summary>A scale, linear or logarithmic.</summary>
internal sealed class PlotScale
{
    private const int MostTicks = 7;
    private const double Margin = 0.04;   // of a logarithmic axis, beyond its numbers

    private readonly bool _isLogarithmic;
    private readonly double _low;
    private readonly double _high;
    private readonly double _start;
    private readonly double _end;

    /// <summary>Makes a scale on which all numbers have a place.</summary>
    /// <param name="values">The numbers; those that are not finite, and on a logarithmic axis those not above 0, have none.</param>
    /// <param name="isLogarithmic">Whether equal distances are equal factors.</param>
    /// <param name="start">Where the lowest number is.</param>
    /// <param name="end">Where the highest is.</param>
    public PlotScale(IEnumerable<double> values, bool isLogarithmic, double start, double end)
    {
        (_isLogarithmic, _start, _end) = (isLogarithmic, start, end);
        double[] shown = [.. values.Where(value => double.IsFinite(value) && (!isLogarithmic || value > 0))];
        if (shown.Length == 0) shown = isLogarithmic ? [1, 10] : [0, 1];
        double low = shown.Min(), high = shown.Max();
        if (isLogarithmic)
        {
            if (low == high) (low, high) = (low / 2, high * 2);
            double margin = Margin * Math.Log(high / low);
            (_low, _high) = (Math.Log(low) - margin, Math.Log(high) + margin);
            Ticks = LogarithmicTicks(shown);
            return;
        }

        if (low >= 0 && low < high / 2) low = 0;
        if (low == high) (low, high) = (low - 1, high + 1);
        double step = Step(high - low);
        (_low, _high) = (Math.Floor((low / step) + 1e-9) * step, Math.Ceiling((high / step) - 1e-9) * step);
        int first = (int)Math.Round(_low / step), last = (int)Math.Round(_high / step);
        Ticks = [.. Enumerable.Range(first, last - first + 1).Select(i => i * step)];
    }

    /// <summary>The numbers that are written at the axis.</summary>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>Whether a number has a place.</summary>
    public bool Shows(double value) => double.IsFinite(value) && (!_isLogarithmic || value > 0) && Of(value) >= _low - 1e-9 && Of(value) <= _high + 1e-9;

    /// <summary>The place of a number.</summary>
    public double Place(double value) => _start + ((Of(value) - _low) / (_high - _low) * (_end - _start));

    /// <summary>A number as it is written at an axis.</summary>
    public static string Write(double value)
    {
        double size = Math.Abs(value);
        string format = size >= 1e6 || (size > 0 && size < 1e-3) ? "0.##e0" : "#,##0.######";
        return (size < 1e-12 ? 0 : value).ToString(format, CultureInfo.InvariantCulture);
    }

    private double Of(double value) => _isLogarithmic ? Math.Log(value) : value;

    private static double Step(double range)
    {
        double rough = range / (MostTicks - 2), power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        foreach (double factor in (double[])[1, 2, 5])
            if (factor * power >= rough * 0.999) return factor * power;
        return 10 * power;
    }

    // Sizes that were doubled have ticks at powers of two, all else at powers of ten, or within one at 1, 2 and 5 times it.
    private double[] LogarithmicTicks(double[] shown)
    {
        if (shown.All(static value => double.IsInteger(Math.Log2(value))) && shown.Distinct().Count() > 1) return Powers(2, [1]);
        double[] tens = Powers(10, [1]);
        return tens.Length > 2 ? tens : Powers(10, [1, 2, 5]);
    }

    private double[] Powers(double root, double[] factors)
    {
        List<double> ticks = [];
        for (int power = (int)Math.Floor(_low / Math.Log(root)); power <= (int)Math.Ceiling(_high / Math.Log(root)); power++)
            ticks.AddRange(factors.Select(factor => factor * Math.Pow(root, power)).Where(Shows));
        int every = (ticks.Count + MostTicks - 1) / MostTicks;
        return [.. ticks.Where((_, i) => i % every == 0)];
    }
}
