// The three recurrent cells, and how many numbers a column of each needs.
namespace Engine.Backends;

/// <summary>What a recurrent layer does from one position to the next.</summary>
public enum CellKind
{
    /// <summary>h′ = tanh(x + W h) (Elman 1990).</summary>
    Tanh,

    /// <summary>Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).</summary>
    Lstm,

    /// <summary>Gated recurrent unit (Cho et al. 2014), the reset gate after the product, as in cuDNN.</summary>
    Gru,
}

/// <summary>Widths of cells.</summary>
public static class CellKinds
{
    /// <summary>Gates: how many products with the input, and with the state, a column of the state takes.</summary>
    public static int Gates(this CellKind kind) => kind switch { CellKind.Tanh => 1, CellKind.Lstm => 4, _ => 3 };

    /// <summary>Numbers of a column that go from a position to the next: h, and for an LSTM c beside it.</summary>
    public static int States(this CellKind kind) => kind == CellKind.Lstm ? 2 : 1;
}
