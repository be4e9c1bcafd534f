// Numbers of a study on their way to a backend and back.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Studies;

/// <summary>Moves numbers.</summary>
internal static class StudyTensors
{
    /// <summary>A tensor of the frame with rows of a width.</summary>
    public static Tensor Upload(IBackend backend, float[] values, int width)
    {
        Tensor tensor = backend.Rent(new Shape(values.Length / width, width), DType.Float32);
        backend.Write(tensor, values);
        return tensor;
    }

    /// <summary>The whole numbers of a tensor.</summary>
    public static int[] Integers(IBackend backend, in Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }
}
