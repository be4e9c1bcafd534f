// What the stand-in counts, asked by the names that it exports beside the driver's.
using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace Cuda.Tests;

internal static unsafe class StandIn
{
    /// <summary>Tests of this collection run alone: counts, faults and mutants are those of the whole process.</summary>
    public const string Alone = "Alone on the stand-in";

    private static readonly Lazy<nint> Library = new(
        static () => NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libcuda.so.1")));

    /// <summary>Whether the tests run on it.</summary>
    public static bool IsThere =>
        !OperatingSystem.IsWindows() && Environment.GetEnvironmentVariable("ENGINE_TEST_CUDA") != "real";

    /// <summary>A test that needs the counts is skipped where the machine's own GPU is what runs.</summary>
    public static void IsNeeded() => Assert.SkipUnless(IsThere, "Only the stand-in counts.");

    /// <summary>A number by its word, as in <c>launches</c>, <c>waits</c>, <c>copies</c>.</summary>
    public static long Count(string word)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(word + '\0'))
        {
            long count = ((delegate* unmanaged[Cdecl]<byte*, long>)NativeLibrary.GetExport(Library.Value, "standin_count"))(text);
            return count >= 0 ? count : throw new ArgumentException($"The stand-in does not count {word}.", nameof(word));
        }
    }
}
