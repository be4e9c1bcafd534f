// An answer other than success, with the sentence that standin_report shows.
namespace CudaStandIn;

internal sealed class StandInException(int code, string message) : Exception(message)
{
    public int Code { get; } = code;
}
