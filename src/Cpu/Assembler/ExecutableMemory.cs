// Memory for machine code: written while it cannot run, then made so that it can run and can no longer be written.
using System.Runtime.InteropServices;

namespace Engine.Cpu.Assembler;

/// <summary>Pages that hold machine code. No page is ever writable and executable at once.</summary>
internal sealed unsafe partial class ExecutableMemory : IDisposable
{
    private readonly nuint _bytes;

    private ExecutableMemory(byte* address, nuint bytes)
    {
        Address = address;
        _bytes = bytes;
    }

    /// <summary>The first byte of the code.</summary>
    public byte* Address { get; private set; }

    /// <summary>Puts code into memory that can run.</summary>
    /// <returns>Null where the system refuses it, with the reason.</returns>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code, out string reason)
    {
        nuint bytes = (nuint)code.Length;
        bool isWindows = OperatingSystem.IsWindows();
        byte* address = isWindows ? Windows.Take(bytes) : Unix.Take(bytes);
        if (address == null)
        {
            reason = $"the system gave no memory for {code.Length:N0} bytes of machine code";
            return null;
        }

        var memory = new ExecutableMemory(address, bytes);
        code.CopyTo(new Span<byte>(address, code.Length));
        if (isWindows ? Windows.Seal(address, bytes) : Unix.Seal(address, bytes))
        {
            reason = "";
            return memory;
        }

        memory.Dispose();
        reason = "the system does not let memory become executable";
        return null;
    }

    /// <summary>Gives the pages back. No code in them may run any more.</summary>
    public void Dispose()
    {
        if (Address == null) return;
        if (OperatingSystem.IsWindows()) Windows.Give(Address);
        else Unix.Give(Address, _bytes);
        Address = null;
    }

    private static partial class Unix
    {
        private const int Read = 1, Write = 2, Execute = 4, Private = 2;

        // MAP_ANON has another number on macOS.
        private static int Anonymous => OperatingSystem.IsMacOS() ? 0x1000 : 0x20;

        public static byte* Take(nuint bytes)
        {
            nint address = Map(0, bytes, Read | Write, Private | Anonymous, -1, 0);
            return address == -1 ? null : (byte*)address;
        }

        public static bool Seal(byte* address, nuint bytes) => Protect((nint)address, bytes, Read | Execute) == 0;

        public static void Give(byte* address, nuint bytes) => _ = Unmap((nint)address, bytes);

        [LibraryImport("libc", EntryPoint = "mmap")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

        [LibraryImport("libc", EntryPoint = "mprotect")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        private static partial int Protect(nint address, nuint bytes, int protection);

        [LibraryImport("libc", EntryPoint = "munmap")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        private static partial int Unmap(nint address, nuint bytes);
    }

    private static partial class Windows
    {
        private const uint Commit = 0x1000, Reserve = 0x2000, Release = 0x8000, ReadWrite = 0x04, ExecuteRead = 0x20;

        public static byte* Take(nuint bytes) => (byte*)VirtualAlloc(0, bytes, Commit | Reserve, ReadWrite);

        public static bool Seal(byte* address, nuint bytes) =>
            VirtualProtect((nint)address, bytes, ExecuteRead, out _) != 0
            && FlushInstructionCache(-1, (nint)address, bytes) != 0;

        public static void Give(byte* address) => _ = VirtualFree((nint)address, 0, Release);

        [LibraryImport("kernel32")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static partial nint VirtualAlloc(nint address, nuint bytes, uint kind, uint protection);

        [LibraryImport("kernel32")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static partial int VirtualProtect(nint address, nuint bytes, uint protection, out uint before);

        [LibraryImport("kernel32")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static partial int VirtualFree(nint address, nuint bytes, uint kind);

        [LibraryImport("kernel32")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        private static partial int FlushInstructionCache(nint process, nint address, nuint bytes);
    }
}
