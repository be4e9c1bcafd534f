// Operators that read and write tables, a row at a time.
namespace Engine.Perf.Micro.Cpu;

/// <summary>A table whose rows are worked on one by one: the bytes are the floor.</summary>
public sealed record RowWork(int Rows, int Columns, int Threads) : IWork
{
    public double Operations(string variant) => 0;

    // Tables of this shape that are read or written.
    public double Bytes(string variant) => sizeof(float) * (double)Rows * Columns * variant switch
    {
        nameof(LayerNormBench.AddNorm) => 3,
        nameof(SoftmaxBench.TopFour) => 1,
        _ => 2,
    };

    public override string ToString() => $"[{Rows}, {Columns}], {Threads} threads";
}
