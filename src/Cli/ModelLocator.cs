// Which model to load where none is named: the variable, else a model that lies in a folder `models` here or above: the one that
// the file `models/default` names, or the first.
namespace Engine.Cli;

/// <summary>Finds the model.</summary>
internal static class ModelLocator
{
    public const string VariableName = "ENGINE_MODEL";
    public const string FolderName = "models";
    public const string DefaultName = "default";

    /// <summary>The directory of the model.</summary>
    /// <param name="shell">Variables, and the directories to begin at.</param>
    /// <param name="flag">What the command line says, if it does.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such model.</exception>
    public static string Find(Shell shell, string? flag)
    {
        if (flag is not null) return Check(shell.FullPath(flag), "--model");
        if (shell.Setting(VariableName) is { } variable) return Check(shell.FullPath(variable), VariableName);
        return FindShipped(shell) ?? throw new DirectoryNotFoundException(
            $"No model was found in a folder '{FolderName}' in or above {shell.CurrentDirectory} and "
            + $"{shell.ProgramDirectory}; name one with --model or {VariableName}.");
    }

    /// <summary>The model that is found without a name; null: there is none.</summary>
    public static string? FindShipped(Shell shell)
    {
        foreach (string start in (string[])[shell.CurrentDirectory, shell.ProgramDirectory])
        {
            for (DirectoryInfo? directory = new(start); directory is not null; directory = directory.Parent)
            {
                if (FirstModel(Path.Combine(directory.FullName, FolderName)) is { } model) return model;
            }
        }

        return null;
    }

    // A folder `models` may hold anything, such as source code; a model is a folder with a description.
    private static string? FirstModel(string folder)
    {
        try
        {
            if (!Directory.Exists(folder)) return null;
            string pointer = Path.Combine(folder, DefaultName);
            if (File.Exists(pointer)) return Named(folder, pointer);
            IEnumerable<string> models = Directory.EnumerateDirectories(folder)
                .Where(directory => File.Exists(Path.Combine(directory, "config.json")));
            return models.Order(StringComparer.Ordinal).FirstOrDefault();
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Named(string folder, string pointer)
    {
        string name = File.ReadAllText(pointer).Trim();
        string model = Path.Combine(folder, name);
        if (name.Length > 0 && File.Exists(Path.Combine(model, "config.json"))) return model;
        throw new DirectoryNotFoundException(
            $"{pointer} says '{name}', expected the name of a folder beside it that holds a config.json.");
    }

    private static string Check(string path, string origin)
    {
        if (Directory.Exists(path)) return path;
        throw new DirectoryNotFoundException($"{origin} is {path}, which is no directory.");
    }
}
