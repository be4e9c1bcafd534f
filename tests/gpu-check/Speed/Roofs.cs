// What the device can do, measured in the same run: figures of other runs and of data sheets are not compared with.
namespace Engine.GpuCheck.Speed;

/// <summary>The measured limits; 0: not measured.</summary>
internal sealed class Roofs
{
    /// <summary>Bytes a second that a copy within the device reads and writes.</summary>
    public double CopyBytes { get; set; }

    /// <summary>Operations a second of cuBLAS's best product, by type.</summary>
    public Dictionary<string, double> Operations { get; } = [];

    /// <summary>The share of the copy's bandwidth; null: it was not measured.</summary>
    public double? ShareOfCopy(double bytesPerSecond) => CopyBytes == 0 ? null : bytesPerSecond / CopyBytes;
}
