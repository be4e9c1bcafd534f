// One word chooses the backend: the flag, else the variable, else the configuration file, else auto.
using System.Text.Json;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;

namespace Engine.Cli;

/// <summary>Finds the backend's word, and the backend of a word.</summary>
internal static class BackendChoice
{
    public const string VariableName = "ENGINE_BACKEND";
    public const string MachineCodeVariable = "ENGINE_MACHINE_CODE";
    public const string On = "on";
    public const string Off = "off";
    public const string NoMachineCode = "machine code is switched off";
    public const string FileName = "appsettings.json";
    public const string Section = "Engine";
    public const string Key = "Backend";

    /// <summary>The backends of this program, best first.</summary>
    public static IReadOnlyList<IBackendProvider> Providers { get; } = [CudaBackend.Provider, CpuBackend.Provider];

    /// <summary>The words that may be said.</summary>
    public static string[] Words =>
        [BackendSelector.Auto, .. Providers.Select(provider => provider.Word).Order(StringComparer.Ordinal)];

    /// <summary>The word that holds here.</summary>
    /// <param name="shell">Variables, and the directories where the file may lie.</param>
    /// <param name="flag">What the command line says, if it does.</param>
    /// <exception cref="ArgumentException">A word names no backend.</exception>
    /// <exception cref="InvalidDataException">The configuration file is broken.</exception>
    public static string Word(Shell shell, string? flag)
    {
        if (flag is not null) return Check(flag, "--backend");
        if (shell.Setting(VariableName) is { } variable) return Check(variable, VariableName);
        string[] directories = [shell.CurrentDirectory, shell.ProgramDirectory];
        foreach (string directory in directories)
        {
            string file = Path.Combine(directory, FileName);
            if (File.Exists(file) && ReadWord(file) is { } word) return Check(word, $"{file}: {Section}:{Key}");
        }

        return BackendSelector.Auto;
    }

    /// <summary>Whether the CPU backend may make machine code: the flag, else the variable, else yes.</summary>
    /// <exception cref="ArgumentException">The variable is neither <c>on</c> nor <c>off</c>.</exception>
    public static bool MachineCode(Shell shell, string? flag)
    {
        string word = flag ?? shell.Setting(MachineCodeVariable) ?? On;
        if (string.Equals(word, On, StringComparison.OrdinalIgnoreCase)) return true;
        if (string.Equals(word, Off, StringComparison.OrdinalIgnoreCase)) return false;
        throw new ArgumentException($"{MachineCodeVariable} is '{word}', expected '{On}' or '{Off}'.");
    }

    /// <summary>What is expected instead of a word that may not be said; null: it may.</summary>
    public static string? Refusal(string word) => BackendSelector.Refusal(word, [.. Providers]);

    /// <summary>Opens the backend of a word. Why <c>auto</c> chose is told in one line.</summary>
    public static IBackend Open(string word, BackendOptions options, Action<string>? log)
    {
        var reasons = new List<string>();
        IBackend backend = BackendSelector.Open(word, options, reasons.Add, [.. Providers]);
        Tell(reasons, options, log);
        return backend;
    }

    /// <summary>Opens so many backends of each word in a list; 0: as many as keep its device busy.</summary>
    public static IReadOnlyList<IBackend> OpenAll(string words, int replicas, BackendOptions options, Action<string>? log)
    {
        var reasons = new List<string>();
        IReadOnlyList<IBackend> backends = BackendSelector.OpenAll(words, replicas, options, reasons.Add, [.. Providers]);
        Tell(reasons, options, log);
        return backends;
    }

    private static void Tell(List<string> reasons, BackendOptions options, Action<string>? log)
    {
        if (reasons.Count == 0) return;
        if (!options.MachineCode) reasons.Add(NoMachineCode);
        log?.Invoke(string.Join("; ", reasons));
    }

    private static string Check(string word, string origin) => Refusal(word) is { } expected
        ? throw new ArgumentException($"{origin} is '{word}', expected {expected}.")
        : word;

    // Read as .NET hosts read it: comments and trailing commas are allowed, case does not matter, "Engine:Backend" is
    // the same as "Backend" inside "Engine".
    private static string? ReadWord(string file)
    {
        var options = new JsonDocumentOptions
        {
            CommentHandling = JsonCommentHandling.Skip,
            AllowTrailingCommas = true,
        };
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file), options);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new InvalidDataException($"{file}: the content is {JsonCases.Kind(root)}, expected an object.");
            if (Find(root, $"{Section}:{Key}") is { } flat) return Text(flat, file);
            if (Find(root, Section) is not { } section || section.ValueKind == JsonValueKind.Null) return null;
            if (section.ValueKind != JsonValueKind.Object)
                throw new InvalidDataException($"{file}: {Section} is {JsonCases.Kind(section)}, expected an object.");
            return Find(section, Key) is { } word ? Text(word, file) : null;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is no JSON: {e.Message}", e);
        }
    }

    private static JsonElement? Find(JsonElement element, string name)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (string.Equals(property.Name, name, StringComparison.OrdinalIgnoreCase)) return property.Value;
        }

        return null;
    }

    private static string? Text(JsonElement element, string file) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Null => null,
        _ => throw new InvalidDataException(
            $"{file}: {Section}:{Key} is {JsonCases.Kind(element)}, expected a string."),
    };
}
