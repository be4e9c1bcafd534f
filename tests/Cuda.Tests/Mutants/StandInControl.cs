// What the stand-in does on demand beside its counters: a new process, faults, mutants, a report.
using System.Runtime.InteropServices;
using System.Text;

namespace Cuda.Tests.Mutants;

internal static unsafe class StandInControl
{
    private static readonly Lazy<nint> Library = new(
        static () => NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libcuda.so.1")));

    /// <summary>Why there is none; null: there is one.</summary>
    public static string? Missing =>
        OperatingSystem.IsWindows() ? "The stand-in is built on Linux only."
        : Environment.GetEnvironmentVariable("ENGINE_TEST_CUDA") == "real" ? "The tests run on a real GPU."
        : null;

    /// <summary>Everything as in a new process that has called cuInit, which a process does once.</summary>
    public static void Reset()
    {
        Arm("reset", 0);
        int code = ((delegate* unmanaged[Cdecl]<uint, int>)Entry("cuInit"))(0);
        if (code != 0) throw new InvalidOperationException($"cuInit is {code}.");
    }

    public static void Arm(string word, long value)
    {
        fixed (byte* text = Bytes(word))
        {
            if (((delegate* unmanaged[Cdecl]<byte*, long, int>)Entry("standin_arm"))(text, value) != 0)
                throw new ArgumentException($"The stand-in does not know '{word}'.", nameof(word));
        }
    }

    /// <summary>What the checks found, a line each; empty: nothing.</summary>
    public static string Report()
    {
        var report = (delegate* unmanaged[Cdecl]<byte*, long, long>)Entry("standin_report");
        var buffer = new byte[report(null, 0) + 1];
        fixed (byte* at = buffer) report(at, buffer.Length);
        return Encoding.UTF8.GetString(buffer, 0, buffer.Length - 1);
    }

    /// <summary>Changes the n-th line of a kernel that reads so, counted from 1, in modules that are loaded from now on.</summary>
    public static void Mutate(string kernel, string line, int occurrence, string replacement)
    {
        fixed (byte* name = Bytes(kernel), old = Bytes(line), text = Bytes(replacement))
            ((delegate* unmanaged[Cdecl]<byte*, byte*, long, byte*, int>)Entry("standin_mutate"))(name, old, occurrence, text);
    }

    private static nint Entry(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
