// The sizes that a study tries: even steps on a logarithmic axis.
namespace Engine.Studies;

/// <summary>Makes sizes.</summary>
internal static class StudySizes
{
    /// <summary>The first size, twice that, and so on, up to the last.</summary>
    public static int[] Doubled(int first, int last)
    {
        List<int> sizes = [];
        for (int size = first; size <= last; size *= 2) sizes.Add(size);
        return [.. sizes];
    }
}
