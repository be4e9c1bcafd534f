// The questions that are asked of the driver before anything is computed. An interface, because a test has no driver.
namespace Engine.Cuda.Driver;

/// <summary>The CUDA driver, as it is looked at. Numbers returned are its error codes, 0: success.</summary>
internal interface IDriverQuestions
{
    /// <summary>The library that was loaded.</summary>
    string Library { get; }

    /// <summary>The file that it was loaded from; null: unknown.</summary>
    string? Path => null;

    /// <summary>Starts the driver: before every other call.</summary>
    int Initialize();

    /// <summary>The newest CUDA version served: 1000 · major + 10 · minor.</summary>
    int GetVersion(out int version);

    /// <summary>How many devices there are.</summary>
    int GetDeviceCount(out int count);

    /// <summary>Describes a device.</summary>
    /// <param name="number">0 .. count − 1.</param>
    /// <param name="device">The description; meaningless after an error.</param>
    int GetDevice(int number, out CudaDevice device);

    /// <summary>Name and text of an error code.</summary>
    string Describe(int error);
}
