// How matrices lie in a file of the engine's own format.
namespace Engine.Formats;

/// <summary>The order of the numbers of a matrix in <c>model.safetensors</c>.</summary>
public enum WeightLayout
{
    /// <summary>Row by row, as every other program writes and reads them.</summary>
    Rows,

    /// <summary>
    /// As the CPU backend computes with them (<see cref="Engine.Tensors.PanelLayout"/>), so that they are used where the file
    /// is mapped: loading copies nothing, and processes share the memory.
    /// </summary>
    Packed,
}
