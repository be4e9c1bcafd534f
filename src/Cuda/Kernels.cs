// The kernels of native/kernels by name: each is named once, when the backend is made, and loaded when it is first launched.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

/// <summary>All kernels of one backend.</summary>
/// <param name="find">Finds a kernel by its family, which is its file, and its name.</param>
internal sealed class Kernels(Func<string, string, Kernel> find)
{
    public readonly Kernel EmbedFloat32 = find("embed", "embed_f32");
    public readonly Kernel EmbedFloat16 = find("embed", "embed_f16");
    public readonly Kernel EmbedBFloat16 = find("embed", "embed_bf16");
    public readonly Kernel EmbedInt8 = find("embed", "embed_i8");
    public readonly Kernel EmbedInt16 = find("embed", "embed_i16");
    public readonly Kernel SelectOutputs = find("embed", "select_outputs");

    public readonly Kernel NormAny = find("norm", "norm");
    public readonly Kernel Norm512 = find("norm", "norm_512");
    public readonly Kernel Norm1024 = find("norm", "norm_1024");
    public readonly Kernel NormLong = find("norm", "norm_long");

    public readonly Kernel Add = find("pointwise", "add");
    public readonly Kernel Multiply = find("pointwise", "multiply");
    public readonly Kernel BiasActivation = find("pointwise", "bias_activation");
    public readonly Kernel SelectColumns = find("pointwise", "select_columns");
    public readonly Kernel Suppress = find("pointwise", "suppress");
    public readonly Kernel Penalize = find("pointwise", "penalize");

    public readonly Kernel LogSoftmax = find("softmax", "log_softmax");
    public readonly Kernel LogProbability = find("softmax", "log_probability");
    public readonly Kernel LogSoftmax512 = find("softmax", "log_softmax_512");
    public readonly Kernel LogSoftmax1024 = find("softmax", "log_softmax_1024");
    public readonly Kernel TopK = find("softmax", "top_k");
    public readonly Kernel TopK512 = find("softmax", "top_k_512");
    public readonly Kernel TopK1024 = find("softmax", "top_k_1024");

    public readonly Kernel Sample = find("sample", "sample");
    public readonly Kernel AdvanceBeams = find("beams", "advance_beams");

    public readonly Kernel AttentionDot1 = find("attention", "attention_dot_1");
    public readonly Kernel AttentionDot2 = find("attention", "attention_dot_2");
    public readonly Kernel AttentionDot4 = find("attention", "attention_dot_4");
    public readonly Kernel AttentionAdditive1 = find("attention", "attention_additive_1");
    public readonly Kernel AttentionAdditive2 = find("attention", "attention_additive_2");
    public readonly Kernel AttentionAdditive4 = find("attention", "attention_additive_4");

    public readonly Kernel WeightsDot = find("attention_weights", "weights_dot");
    public readonly Kernel WeightsAdditive = find("attention_weights", "weights_additive");

    public readonly Kernel Append = find("cache", "append");
    public readonly Kernel CopyBlocks = find("cache", "copy_blocks");
    public readonly Kernel CopyBlocksOfLayers = find("cache", "copy_blocks_of_layers");
    public readonly Kernel CachedDot1 = find("cache", "cached_dot_1");
    public readonly Kernel CachedDot2 = find("cache", "cached_dot_2");
    public readonly Kernel CachedDot4 = find("cache", "cached_dot_4");
    public readonly Kernel CachedAdditive1 = find("cache", "cached_additive_1");
    public readonly Kernel CachedAdditive2 = find("cache", "cached_additive_2");
    public readonly Kernel CachedAdditive4 = find("cache", "cached_additive_4");
    public readonly Kernel CachedPart1 = find("cache", "cached_part_1");
    public readonly Kernel CachedPart2 = find("cache", "cached_part_2");
    public readonly Kernel CachedPart4 = find("cache", "cached_part_4");
    public readonly Kernel JoinParts = find("cache", "join_parts");
    public readonly Kernel CachedWeightsDot = find("cache", "cached_weights_dot");
    public readonly Kernel CachedWeightsAdditive = find("cache", "cached_weights_additive");

    public readonly Kernel Unfold = find("sequence", "unfold");
    public readonly Kernel Depthwise = find("sequence", "depthwise");
    public readonly Kernel CachedUnfold = find("sequence", "cached_unfold");
    public readonly Kernel CachedDepthwise = find("sequence", "cached_depthwise");
    public readonly Kernel TakePosition = find("sequence", "take_position");
    public readonly Kernel PutPosition = find("sequence", "put_position");
    public readonly Kernel CellTanh = find("sequence", "cell_tanh");
    public readonly Kernel CellLstm = find("sequence", "cell_lstm");
    public readonly Kernel CellGru = find("sequence", "cell_gru");
    public readonly Kernel Cut = find("sequence", "cut");

    public readonly Kernel GemmFloat32 = find("gemm", "gemm_f32");
    public readonly Kernel GemmFloat16 = find("gemm", "gemm_f16");
    public readonly Kernel GemmBFloat16 = find("gemm", "gemm_bf16");
    public readonly Kernel GemmFewFloat32 = find("gemm", "gemm_few_f32");
    public readonly Kernel GemmFewFloat16 = find("gemm", "gemm_few_f16");
    public readonly Kernel GemmFewBFloat16 = find("gemm", "gemm_few_bf16");

    public readonly Kernel QuantiseInt8 = find("quantise", "quantise_i8");
    public readonly Kernel QuantiseInt16 = find("quantise", "quantise_i16");
    public readonly Kernel FinishSums = find("quantise", "finish_sums");
    public readonly Kernel GemmInt8 = find("quantise", "gemm_i8");
    public readonly Kernel GemmInt16 = find("quantise", "gemm_i16");
    public readonly Kernel RoundBFloat16 = find("quantise", "round_bf16");
    public readonly Kernel ToBFloat16 = find("quantise", "to_bf16");
    public readonly Kernel ToFloat16 = find("quantise", "to_f16");

    /// <summary>The embedding from a table of a type.</summary>
    public Kernel Embed(DType type) => type switch
    {
        DType.Float32 => EmbedFloat32,
        DType.Float16 => EmbedFloat16,
        DType.BFloat16 => EmbedBFloat16,
        DType.Int8 => EmbedInt8,
        _ => EmbedInt16,
    };

    /// <summary>The norm of rows of some columns.</summary>
    /// <param name="columns">Number of columns.</param>
    /// <param name="isPaired">Whether all rows begin at a multiple of two numbers, and have an even number.</param>
    public Kernel Norm(int columns, bool isPaired) => !isPaired ? NormAny : columns switch
    {
        <= 512 => Norm512,
        <= 1024 => Norm1024,
        _ => NormLong,
    };

    /// <summary>The product in float32 with a weight of a type.</summary>
    /// <param name="type">A float type.</param>
    /// <param name="isFew">Whether there are so few rows that small tiles are faster.</param>
    public Kernel Gemm(DType type, bool isFew) => type switch
    {
        DType.Float32 => isFew ? GemmFewFloat32 : GemmFloat32,
        DType.Float16 => isFew ? GemmFewFloat16 : GemmFloat16,
        _ => isFew ? GemmFewBFloat16 : GemmBFloat16,
    };

    /// <summary>Attention of sentences, for a number of value columns a lane: 1, 2 or 4.</summary>
    public Kernel Attention(bool isAdditive, int columns) => columns switch
    {
        1 => isAdditive ? AttentionAdditive1 : AttentionDot1,
        2 => isAdditive ? AttentionAdditive2 : AttentionDot2,
        _ => isAdditive ? AttentionAdditive4 : AttentionDot4,
    };

    /// <summary>Attention to a cache, for a number of value columns a lane: 1, 2 or 4.</summary>
    public Kernel Cached(bool isAdditive, int columns) => columns switch
    {
        1 => isAdditive ? CachedAdditive1 : CachedDot1,
        2 => isAdditive ? CachedAdditive2 : CachedDot2,
        _ => isAdditive ? CachedAdditive4 : CachedDot4,
    };

    /// <summary>A recurrent cell.</summary>
    public Kernel Cell(CellKind kind) => kind switch
    {
        CellKind.Tanh => CellTanh,
        CellKind.Lstm => CellLstm,
        _ => CellGru,
    };

    /// <summary>Attention to a part of a history, for a number of value columns a lane: 1, 2 or 4.</summary>
    public Kernel CachedPart(int columns) => columns switch
    {
        1 => CachedPart1,
        2 => CachedPart2,
        _ => CachedPart4,
    };
}
