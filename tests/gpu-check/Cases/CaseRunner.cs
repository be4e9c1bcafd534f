// Runs the cases of a suite: each public method that is marked as one, for each row of its data, on an object of its own.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Xunit;

namespace Engine.GpuCheck.Cases;

/// <summary>Finds cases and runs them side by side.</summary>
internal static class CaseRunner
{
    private const int MostThreads = 8;   // each has a backend of its own, and computes the reference meanwhile

    /// <summary>Runs the cases of a suite, or every n-th of them.</summary>
    /// <param name="name">What the suite is called in the report.</param>
    /// <param name="make">Makes an object for a case.</param>
    /// <param name="every">1 for all.</param>
    /// <param name="deadline">Cases that would begin later are not run.</param>
    public static CaseGroup Run<[DynamicallyAccessedMembers(
        DynamicallyAccessedMemberTypes.PublicMethods | DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        string name, Func<T> make, int every, Deadline deadline) where T : IDisposable
    {
        List<(string Name, MethodInfo Method, object?[] Arguments)> all = [];
        foreach (MethodInfo method in typeof(T).GetMethods())
        {
            if (method.IsDefined(typeof(FactAttribute))) all.Add((method.Name, method, []));
            if (!method.IsDefined(typeof(TheoryAttribute))) continue;
            foreach (InlineDataAttribute row in method.GetCustomAttributes<InlineDataAttribute>()) Add(method, row.Data);
            if (method.GetCustomAttribute<MemberDataAttribute>() is not { } member) continue;
            PropertyInfo property = typeof(T).GetProperty(
                member.Name, BindingFlags.Public | BindingFlags.Static | BindingFlags.FlattenHierarchy)
                ?? throw new InvalidOperationException($"{typeof(T).Name} has no property {member.Name}, expected the data of {method.Name}.");
            foreach (object?[] row in ((ITheoryData)property.GetValue(null)!).Rows) Add(method, row);
        }

        void Add(MethodInfo method, object?[] row) => all.Add(($"{method.Name}({string.Join(", ", row)})", method, row));
        if (all.Count == 0) throw new InvalidOperationException($"{typeof(T).Name} has no cases.");

        var chosen = all.Where((_, i) => i % every == 0).ToList();
        var failures = new ConcurrentBag<string>();
        int passed = 0, late = 0;
        long start = Stopwatch.GetTimestamp();
        var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(MostThreads, Environment.ProcessorCount) };
        Parallel.ForEach(chosen, options, one =>
        {
            if (deadline.IsOver)
            {
                Interlocked.Increment(ref late);
                return;
            }

            if (Failure(make, one.Method, one.Arguments) is { } failure) failures.Add($"{one.Name}: {failure}");
            else Interlocked.Increment(ref passed);
        });
        return new CaseGroup(
            name, passed, failures.Count, late, Stopwatch.GetElapsedTime(start).TotalSeconds, [.. failures.Order(StringComparer.Ordinal)]);
    }

    private static string? Failure<T>(Func<T> make, MethodInfo method, object?[] arguments) where T : IDisposable
    {
        try
        {
            using T suite = make();
            method.Invoke(suite, BindingFlags.DoNotWrapExceptions, null, arguments, null);
            return null;
        }
        catch (AssertionException problem)
        {
            return problem.Message;
        }
        catch (Exception problem)
        {
            return $"{problem.GetType().Name}: {problem.Message}";
        }
    }
}
