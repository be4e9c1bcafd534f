// Operators that read each element and write each element, a row at a time.
namespace Engine.Perf.Cpu;

/// <summary>A table whose rows are worked on one by one: the bytes are the floor.</summary>
public sealed record RowWork(int Rows, int Columns, int Threads) : IWork
{
    public double Operations(string variant) => 0;

    public double Bytes(string variant) => 2.0 * sizeof(float) * Rows * Columns;

    public override string ToString() => $"[{Rows}, {Columns}], {Threads} threads";
}
