// What is wrong with a model file: which file, which field, what was found, what was expected.
namespace Engine.Formats;

/// <summary>A model file is not what it should be.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>Says what was found and what was expected.</summary>
    /// <param name="file">The file or directory.</param>
    /// <param name="what">The field, as in <c>the header length</c>.</param>
    /// <param name="found">What is there.</param>
    /// <param name="expected">What could be there.</param>
    /// <param name="inner">The cause, if another error told.</param>
    public ModelFormatException(string file, string what, string found, string expected, Exception? inner = null)
        : base($"{file}: {what} is {found}, expected {expected}.", inner)
    {
        File = file;
        Field = what;
        Found = found;
        Expected = expected;
    }

    /// <summary>The file or directory.</summary>
    public string File { get; }

    /// <summary>The field of the file.</summary>
    public string Field { get; }

    /// <summary>What is there.</summary>
    public string Found { get; }

    /// <summary>What could be there.</summary>
    public string Expected { get; }
}
