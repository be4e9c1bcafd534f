// What operators did, in numbers that do not depend on the machine.
namespace Engine.Studies;

/// <summary>A count of work.</summary>
/// <param name="Calls">Calls of operators.</param>
/// <param name="MultiplyAdds">Multiplications that are added to a sum; those of functions are not among them.</param>
/// <param name="Functions">Values of exp, tanh and σ.</param>
/// <param name="Bytes">Bytes of arguments and results, each once a call: the least that moves where nothing stays in a cache.</param>
public readonly record struct OperationCount(long Calls, double MultiplyAdds, double Functions, double Bytes)
{
    /// <summary>Both together.</summary>
    public static OperationCount operator +(OperationCount x, OperationCount y) => new(
        x.Calls + y.Calls, x.MultiplyAdds + y.MultiplyAdds, x.Functions + y.Functions, x.Bytes + y.Bytes);

    /// <summary>Both together.</summary>
    public static OperationCount Add(OperationCount left, OperationCount right) => left + right;
}
