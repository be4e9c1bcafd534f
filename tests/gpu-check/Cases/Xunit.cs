// The words of xUnit that the shared cases use. A native executable has no test runner that looks for cases; with these the same files
// compile into a program that runs them by itself (CaseRunner).
using System.Collections;

namespace Xunit;

/// <summary>A case without data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FactAttribute : Attribute;

/// <summary>A case for each row of data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TheoryAttribute : Attribute;

/// <summary>A row of data.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class InlineDataAttribute(params object?[] data) : Attribute
{
    /// <summary>The arguments.</summary>
    public object?[] Data => data;
}

/// <summary>A static property with rows of data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MemberDataAttribute(string name) : Attribute
{
    /// <summary>The property.</summary>
    public string Name => name;
}

/// <summary>Rows of data, whatever the number of arguments.</summary>
public interface ITheoryData
{
    /// <summary>The arguments of each row.</summary>
    IEnumerable<object?[]> Rows { get; }
}

/// <summary>Rows of one argument.</summary>
public sealed class TheoryData<T> : List<T>, ITheoryData
{
    /// <inheritdoc />
    public IEnumerable<object?[]> Rows => this.Select(static one => new object?[] { one });
}

/// <summary>Rows of two arguments.</summary>
public sealed class TheoryData<T1, T2> : List<(T1, T2)>, ITheoryData
{
    /// <inheritdoc />
    public IEnumerable<object?[]> Rows => this.Select(static row => new object?[] { row.Item1, row.Item2 });

    /// <summary>Adds a row.</summary>
    public void Add(T1 one, T2 two) => Add((one, two));
}

/// <summary>Rows of three arguments.</summary>
public sealed class TheoryData<T1, T2, T3> : List<(T1, T2, T3)>, ITheoryData
{
    /// <inheritdoc />
    public IEnumerable<object?[]> Rows => this.Select(static row => new object?[] { row.Item1, row.Item2, row.Item3 });

    /// <summary>Adds a row.</summary>
    public void Add(T1 one, T2 two, T3 three) => Add((one, two, three));
}

/// <summary>Rows of four arguments.</summary>
public sealed class TheoryData<T1, T2, T3, T4> : List<(T1, T2, T3, T4)>, ITheoryData
{
    /// <inheritdoc />
    public IEnumerable<object?[]> Rows => this.Select(static row => new object?[] { row.Item1, row.Item2, row.Item3, row.Item4 });

    /// <summary>Adds a row.</summary>
    public void Add(T1 one, T2 two, T3 three, T4 four) => Add((one, two, three, four));
}

/// <summary>What a case found otherwise than it must be.</summary>
public sealed class AssertionException(string message) : Exception(message);

/// <summary>The comparisons that the cases use.</summary>
public static class Assert
{
    /// <summary>Something must hold.</summary>
    public static void True(bool holds, string? message = null)
    {
        if (!holds) throw new AssertionException(message ?? "a condition does not hold");
    }

    /// <summary>Something must not hold.</summary>
    public static void False(bool holds, string? message = null) => True(!holds, message ?? "a condition holds that must not");

    /// <summary>Two values, or the elements of two sequences, must be equal.</summary>
    public static void Equal<T>(T expected, T actual) =>
        True(AreEqual(expected, actual), $"found {Show(actual)}, expected {Show(expected)}");

    /// <summary>The elements of two sequences of different types must be equal.</summary>
    public static void Equal<T>(IEnumerable<T> expected, IEnumerable<T> actual) =>
        True(expected.SequenceEqual(actual), $"found {Show(actual)}, expected {Show(expected)}");

    /// <summary>Two values must not be equal.</summary>
    public static void NotEqual<T>(T expected, T actual) => True(!AreEqual(expected, actual), $"found {Show(actual)}, expected another");

    /// <summary>A value must be within bounds.</summary>
    public static void InRange<T>(T actual, T low, T high) where T : IComparable<T> =>
        True(actual.CompareTo(low) >= 0 && actual.CompareTo(high) <= 0, $"found {actual}, expected {low} to {high}");

    /// <summary>Something must hold for each.</summary>
    public static void All<T>(IEnumerable<T> all, Action<T> check)
    {
        foreach (T one in all) check(one);
    }

    /// <summary>An exception of this very type must be thrown.</summary>
    public static T Throws<T>(Action action) where T : Exception
    {
        try
        {
            action();
        }
        catch (Exception problem) when (problem.GetType() == typeof(T))
        {
            return (T)problem;
        }

        throw new AssertionException($"nothing was thrown, expected {typeof(T).Name}");
    }

    /// <summary>An exception of this very type must be thrown.</summary>
    public static T Throws<T>(Func<object?> function) where T : Exception => Throws<T>(() => { _ = function(); });

    private static bool AreEqual<T>(T expected, T actual) =>
        expected is IEnumerable one and not string && actual is IEnumerable other
            ? one.Cast<object?>().SequenceEqual(other.Cast<object?>())
            : EqualityComparer<T>.Default.Equals(expected, actual);

    private static string Show<T>(T value) => value is IEnumerable all and not string
        ? $"[{string.Join(", ", all.Cast<object?>().Take(20))}]"
        : $"{value}";
}
