// Which file a library was loaded from: its name says little where several versions are installed.
using System.ComponentModel;
using System.Diagnostics;

namespace Engine.Cuda.Driver;

/// <summary>Finds files of loaded libraries.</summary>
internal static class LoadedLibrary
{
    /// <summary>The file that holds a function; null: the system does not tell.</summary>
    /// <param name="function">Its address.</param>
    public static string? PathOf(nint function)
    {
        try
        {
            using var process = Process.GetCurrentProcess();
            foreach (ProcessModule module in process.Modules)
            {
                long place = function - module.BaseAddress;
                if (place >= 0 && place < module.ModuleMemorySize) return module.FileName;
            }
        }
        catch (Exception e) when (e is Win32Exception or NotSupportedException)
        {
            // It is told to people only, who then have the name.
        }

        return null;
    }
}
