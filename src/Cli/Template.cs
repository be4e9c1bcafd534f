// The pages that are written are files of the program, with a mark where something goes.
namespace Engine.Cli;

/// <summary>Reads a page that is a resource of this program.</summary>
internal static class Template
{
    /// <summary>The text of a page.</summary>
    /// <param name="name">Its file name.</param>
    public static string Read(string name)
    {
        using Stream resource = typeof(Template).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is missing.");
        using var reader = new StreamReader(resource);
        return reader.ReadToEnd();
    }
}
