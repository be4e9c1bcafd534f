// Where test data are: in the repository, or, for data that may not be in it, in a folder beside the repository.
using Xunit;

namespace Engine.ModelCases;

/// <summary>Finds test data from wherever the tests run.</summary>
internal static class TestData
{
    /// <summary>A file or directory of the test data, null if it is not here.</summary>
    /// <param name="relative">As in <c>ct2/aren-v6-int8</c>.</param>
    public static string? TryFind(string relative)
    {
        string? directory = AppContext.BaseDirectory;
        for (; directory is not null; directory = Path.GetDirectoryName(directory))
        {
            foreach (string place in (string[])["tests/data", "shared/data"])
            {
                string path = Path.Combine(directory, place, relative);
                if (File.Exists(path) || Directory.Exists(path)) return path;
            }
        }
        return null;
    }

    /// <summary>A file or directory of the test data; the test is skipped where it is missing.</summary>
    public static string Find(string relative)
    {
        string? path = TryFind(relative);
        if (path is null) Assert.Skip($"The test data {relative} are not here.");
        return path;
    }

    /// <summary>Writes the Khmer model in the engine's own format; the test is skipped where its weights are missing.</summary>
    public static string WriteKhmerModel(string directory) =>
        KhmerModel.WriteOwnFormat(directory, Find(KhmerModel.Weights), Find(KhmerModel.Fixture));
}

/// <summary>A directory that is gone after the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("engine-tests-");

    public string Path => _directory.FullName;

    /// <summary>The path of a file or directory in it.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Makes a directory in it.</summary>
    public string Make(string name) => Directory.CreateDirectory(this[name]).FullName;

    public void Dispose() => _directory.Delete(recursive: true);
}
