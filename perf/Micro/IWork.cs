// What a benchmark has to do at least: with it a time becomes a share of what the machine can do.
namespace Engine.Perf.Micro;

/// <summary>The shape of a benchmark, which knows its own work.</summary>
public interface IWork
{
    /// <summary>Threads that work.</summary>
    int Threads { get; }

    /// <summary>Arithmetic operations; a multiply-add is two.</summary>
    /// <param name="variant">Name of the benchmark's method.</param>
    double Operations(string variant);

    /// <summary>Bytes that must be read and written once.</summary>
    /// <param name="variant">Name of the benchmark's method.</param>
    double Bytes(string variant);

    /// <summary>Whether the operations are on small integers.</summary>
    /// <param name="variant">Name of the benchmark's method.</param>
    bool IsInteger(string variant) => false;
}
