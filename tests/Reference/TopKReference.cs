// The definition of the choice of tokens: by value, and of equal values the lower token.
namespace Engine.Reference;

/// <summary>The largest values of one row.</summary>
public static class TopKReference
{
    /// <summary>
    /// The places of the k largest values, best first; of values that are equal as float32, which is what a backend can
    /// see, the lower place first.
    /// </summary>
    public static int[] Row(ReadOnlySpan<double> values, int k)
    {
        float[] seen = Array.ConvertAll(values.ToArray(), static value => (float)value);
        return [.. Enumerable.Range(0, seen.Length).OrderByDescending(place => seen[place]).ThenBy(static place => place)
            .Take(k)];
    }
}
