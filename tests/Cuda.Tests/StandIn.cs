// What the stand-in has beside the driver's names: faults on demand, counters, and a report of what it found.
using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace Cuda.Tests;

internal static unsafe class StandIn
{
    /// <summary>Tests of this collection run alone: counts, faults and mutants are those of the whole process.</summary>
    public const string Alone = "Alone on the stand-in";

    private static readonly string[] Kinds = ["allocations", "streams", "events", "modules", "graphs", "host", "cublas", "cublaslt"];

    private static readonly Lazy<nint> Library = new(
        static () => NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libcuda.so.1")));

    /// <summary>Why there is none; null: there is one.</summary>
    public static string? Missing =>
        OperatingSystem.IsWindows() ? "The stand-in is built on Linux only." : Device.IsReal ? "The tests run on a real GPU." : null;

    /// <summary>Whether the tests run on it.</summary>
    public static bool IsThere => Missing is null;

    /// <summary>A test of what only the stand-in does is skipped where there is none.</summary>
    public static void IsNeeded() => Assert.SkipUnless(IsThere, Missing ?? "");

    /// <summary>A number by its word, as in <c>launches</c>, <c>waits</c>, <c>copies</c>.</summary>
    public static long Count(string word)
    {
        fixed (byte* text = Bytes(word))
        {
            long count = ((delegate* unmanaged[Cdecl]<byte*, long>)Entry("standin_count"))(text);
            return count >= 0 ? count : throw new ArgumentException($"The stand-in does not count {word}.", nameof(word));
        }
    }

    /// <summary>A new process, as far as the driver can tell; the test is skipped where there is no stand-in.</summary>
    public static void Start()
    {
        IsNeeded();
        Reset();
    }

    /// <summary>Everything as in a new process that has called cuInit, which a process does once.</summary>
    public static void Reset()
    {
        Arm("reset", 0);
        int code = ((delegate* unmanaged[Cdecl]<uint, int>)Entry("cuInit"))(0);
        if (code != 0) throw new InvalidOperationException($"cuInit is {code}.");
    }

    /// <summary>Changes a setting by its word, as in <c>fail_alloc</c>.</summary>
    public static void Arm(string word, long value)
    {
        fixed (byte* text = Bytes(word))
        {
            int code = ((delegate* unmanaged[Cdecl]<byte*, long, int>)Entry("standin_arm"))(text, value);
            Assert.True(code == 0, $"The stand-in does not know the word '{word}'.");
        }
    }

    /// <summary>What went wrong since the start, a line each.</summary>
    public static string Report()
    {
        var buffer = new byte[1 << 16];
        fixed (byte* at = buffer)
            ((delegate* unmanaged[Cdecl]<byte*, long, long>)Entry("standin_report"))(at, buffer.Length);
        return Encoding.UTF8.GetString(buffer, 0, Array.IndexOf(buffer, (byte)0));
    }

    /// <summary>Changes the n-th line of a kernel that reads so, counted from 1, in modules that are loaded from now on.</summary>
    public static void Mutate(string kernel, string line, int occurrence, string replacement)
    {
        fixed (byte* name = Bytes(kernel), old = Bytes(line), text = Bytes(replacement))
            ((delegate* unmanaged[Cdecl]<byte*, byte*, long, byte*, int>)Entry("standin_mutate"))(name, old, occurrence, text);
    }

    /// <summary>Nothing of the device is held any more.</summary>
    public static void AssertNothingIsHeld(string when)
    {
        string held = string.Join(", ", Kinds.Where(static kind => Count(kind) != 0).Select(static kind => $"{Count(kind)} {kind}"));
        Assert.True(held.Length == 0 && Count("leaks") == 0, $"{when}: {held} held, {Count("leaks")} leaks: {Report()}");
    }

    private static nint Entry(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
