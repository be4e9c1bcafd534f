// A driver that answers as a test wants.
using Engine.Cuda;
using Engine.Cuda.Driver;

namespace Cuda.Tests;

/// <summary>Answers every question, but for the one call that it is told to fail.</summary>
internal sealed class StubDriver : IDriverQuestions
{
    public string Library => "stub";

    public int Version { get; init; } = 13000;

    public int Devices { get; init; } = 1;

    public string? FailingCall { get; init; }

    public int Error { get; init; }

    public int Initialize() => Answer("cuInit");

    public int GetVersion(out int version)
    {
        version = Version;
        return Answer("cuDriverGetVersion");
    }

    public int GetDeviceCount(out int count)
    {
        count = Devices;
        return Answer("cuDeviceGetCount");
    }

    public int GetDevice(int number, out CudaDevice device)
    {
        device = new CudaDevice(number, $"stub GPU {number}", new Version(9, 0), 1L << 37);
        return Answer($"device {number}");
    }

    public string Describe(int error) => $"E{error}";

    private int Answer(string call) => call == FailingCall ? Error : 0;
}
