// Files in which Linux tells about itself. One that is not there, or may not be read, tells nothing.
namespace Engine.Cli;

/// <summary>Reads small files of the system.</summary>
internal static class SystemFiles
{
    /// <summary>Directories whose names fit a pattern, in order.</summary>
    public static IEnumerable<string> Directories(string path, string pattern)
    {
        try
        {
            return Directory.Exists(path) ? Directory.GetDirectories(path, pattern).Order(StringComparer.Ordinal) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The first line of a file; null: there is none.</summary>
    public static string? Line(string file) => Lines(file).FirstOrDefault()?.Trim();

    /// <summary>All lines of a file.</summary>
    public static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
