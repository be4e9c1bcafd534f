// Finds out what format a path holds, and reads it.
namespace Engine.Formats;

/// <summary>Reads a model of any format that the engine knows.</summary>
public static class ModelReader
{
    /// <summary>Reads shape, vocabularies and the list of weights; the weights themselves are read when they are packed.</summary>
    /// <param name="path">A directory.</param>
    /// <exception cref="ModelFormatException">It holds no model, or a broken one.</exception>
    public static ModelData Open(string path) => throw new NotSupportedException();
}
