// The stand-in's counters, asked by the names that it exports beside the driver's.
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Perf.Cuda;

/// <summary>What one kernel did.</summary>
internal sealed record KernelCounts(
    string Kernel, long Launches, long Instructions, long GlobalBytes, long Sectors, long IdealSectors, long SharedAccesses,
    long BankConflicts);

internal static unsafe class StandInCounts
{
    private const int RoomOfProfile = 1 << 20;

    private static readonly nint Library = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libcuda.so.1"));

    public static void Arm(string word, long value)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(word + '\0'))
        {
            int error = ((delegate* unmanaged[Cdecl]<byte*, long, int>)NativeLibrary.GetExport(Library, "standin_arm"))(text, value);
            if (error != 0) throw new InvalidOperationException($"The stand-in does not know {word}.");
        }
    }

    public static long Count(string word)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(word + '\0'))
            return ((delegate* unmanaged[Cdecl]<byte*, long>)NativeLibrary.GetExport(Library, "standin_count"))(text);
    }

    /// <summary>The kernels that ran since the profile was cleared.</summary>
    public static IReadOnlyList<KernelCounts> Profile()
    {
        var buffer = new byte[RoomOfProfile];
        long length;
        fixed (byte* first = buffer)
            length = ((delegate* unmanaged[Cdecl]<byte*, long, long>)NativeLibrary.GetExport(Library, "standin_profile"))(first, RoomOfProfile);
        string[] lines = Encoding.UTF8.GetString(buffer, 0, (int)length).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] names = lines[0].Split('\t');
        return [.. lines.Skip(1).Select(line =>
        {
            string[] values = line.Split('\t');
            long Of(string name) => long.Parse(values[Array.IndexOf(names, name)], CultureInfo.InvariantCulture);
            return new KernelCounts(
                values[0], Of("launches"), Of("instructions"), Of("global_bytes"), Of("sectors"), Of("ideal_sectors"),
                Of("shared_accesses"), Of("bank_conflicts"));
        })];
    }
}
