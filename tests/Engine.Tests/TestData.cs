// Where the data of the tests is.
namespace Engine.Tests;

/// <summary>Finds test data that ships with the project.</summary>
internal static class TestData
{
    /// <summary>A file or directory under tests/data.</summary>
    public static string Path(string relative) => System.IO.Path.Combine(Root, "tests", "data", relative);

    /// <summary>The project's root.</summary>
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (string? at = AppContext.BaseDirectory; at is not null; at = System.IO.Path.GetDirectoryName(at))
        {
            if (File.Exists(System.IO.Path.Combine(at, "Engine.sln"))) return at;
        }

        throw new DirectoryNotFoundException($"No Engine.sln above {AppContext.BaseDirectory}.");
    }
}
