// placeholder until the formats branch lands
namespace Engine.Formats;
internal static class WeightConversion
{
    public static Engine.Tensors.HostTensor Convert(Engine.Tensors.HostTensor tensor, Engine.Tensors.DType type, Engine.Backends.ActivationRounding rounding) => throw new NotSupportedException($"{tensor} {type} {rounding}");
}
