// What the driver or cuBLAS refused. After an error of a kernel the context is lost, so the backend says so once and clearly.
namespace Engine.Cuda;

/// <summary>A call of CUDA failed.</summary>
public sealed class CudaException : Exception
{
    private readonly string _description;

    /// <summary>Says which call failed, and how.</summary>
    /// <param name="call">What was done, as in <c>launch of layer_norm</c>.</param>
    /// <param name="code">The error's number.</param>
    /// <param name="description">The driver's name and text for it.</param>
    public CudaException(string call, int code, string description)
        : base($"CUDA: {call} failed with {description} ({code}).")
    {
        Call = call;
        Code = code;
        _description = description;
    }

    private CudaException(CudaException first)
        : base($"CUDA: the device cannot be used any more, because {first.Call} failed with {first._description} ({first.Code}).", first)
    {
        Call = first.Call;
        Code = first.Code;
        _description = first._description;
    }

    /// <summary>What was done.</summary>
    public string Call { get; }

    /// <summary>The error's number; cuBLAS has numbers of its own.</summary>
    public int Code { get; }

    /// <summary>What is said to all who ask for more after an error that left nothing usable.</summary>
    internal static CudaException After(CudaException first) => new(first);
}
