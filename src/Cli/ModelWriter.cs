// Until the writer of the engine's own format is in the house, converting is refused.
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cli;

internal static class ModelWriter
{
    public static void Write(ModelData data, string directory, DType? weights) =>
        throw new NotSupportedException($"{data.Path} cannot be written to {directory} as {weights?.ToString() ?? "it is"}.");
}
