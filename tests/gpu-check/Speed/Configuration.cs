// What is measured: a line for each way in which a host may run models.
using Engine.Backends;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

/// <summary>A type of weights and options of the backend.</summary>
/// <param name="Name">For the report.</param>
/// <param name="ComputeType">As in <see cref="TranslatorOptions.ComputeType"/>.</param>
/// <param name="Product">The product of cuBLAS that it is held against.</param>
/// <param name="Options">Options of the backend.</param>
internal sealed record Configuration(string Name, string ComputeType, string Product, BackendOptions Options)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Configuration> All { get; } =
    [
        new("float32", "float32", "float32", new()),
        new("float32, own products", "float32", "float32", new() { Deterministic = Determinism.Batch }),
        new("tf32", "float32", "tf32", new() { Arithmetic = Arithmetic.TensorFloat32 }),
        new("float16", "float16", "float16", new() { Arithmetic = Arithmetic.Float16 }),
        new("bfloat16", "bfloat16", "bfloat16", new() { Arithmetic = Arithmetic.BFloat16 }),
        new("int8", "int8", "int8", new()),
    ];

    /// <summary>Bytes of a weight.</summary>
    public int BytesOfWeight => ComputeType switch { "float16" or "bfloat16" => 2, "int8" => 1, _ => 4 };

    /// <summary>Whether attention is computed as in no configuration before it.</summary>
    public bool HasOwnAttention => Name == All[0].Name || Options.Arithmetic != Arithmetic.Float32;

    /// <summary>Opens the backend.</summary>
    public CudaBackend Open(CudaInfo info) => new(info, Options);

    /// <summary>A weight as a translator would pack it.</summary>
    public (HostTensor Weight, ActivationRounding Rounding) Convert(HostTensor values) => ComputeType switch
    {
        "float16" => (WeightConversion.Convert(values, DType.Float16), ActivationRounding.Nearest),
        "bfloat16" => (WeightConversion.Convert(values, DType.BFloat16), ActivationRounding.BFloat16),
        "int8" => (WeightConversion.Convert(values, DType.Int8), ActivationRounding.Nearest),
        _ => (values, ActivationRounding.Nearest),
    };
}
