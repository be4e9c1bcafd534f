// Where the repository's test data lies, from wherever the tests run.
namespace Cli.Tests;

internal static class TestData
{
    public static string Root { get; } = FindRoot();

    public static string Directory { get; } = Path.Combine(Root, "tests", "data");

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Engine.sln"))) directory = directory.Parent;
        return directory?.FullName ?? throw new DirectoryNotFoundException($"No Engine.sln above {AppContext.BaseDirectory}.");
    }
}
