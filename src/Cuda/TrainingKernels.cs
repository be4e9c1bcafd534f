// The kernels of training by name. Apart from the others, and asked for when training begins, so that a translator need not compile them.
using Engine.Backends;
using Engine.Cuda.Device;

namespace Engine.Cuda;

/// <summary>The kernels that only training needs.</summary>
/// <param name="find">Finds a kernel by its family, which is its file, and its name.</param>
internal sealed class TrainingKernels(Func<string, string, Kernel> find)
{
    public readonly Kernel ActivationGradient = find("training", "activation_gradient");
    public readonly Kernel Clear = find("training", "clear");
    public readonly Kernel PackFloat32 = find("training", "pack_f32");
    public readonly Kernel PackTurnedFloat32 = find("training", "pack_turned_f32");
    public readonly Kernel PackTurnedBFloat16 = find("training", "pack_turned_bf16");
    public readonly Kernel EmbedGradient = find("training", "embed_gradient");
    public readonly Kernel ColumnSums = find("training", "column_sums");
    public readonly Kernel GemmGradient = find("training", "gemm_gradient");
    public readonly Kernel BlockSquares = find("training", "block_squares");
    public readonly Kernel AdamStep = find("training", "adam_step");

    public readonly Kernel Dropout = find("dropout", "dropout");

    public readonly Kernel NormGradient = find("norm_gradient", "norm_gradient");
    public readonly Kernel NormPartials = find("norm_gradient", "norm_partials");
    public readonly Kernel NormGradient512 = find("norm_gradient", "norm_gradient_512");
    public readonly Kernel NormGradient1024 = find("norm_gradient", "norm_gradient_1024");

    public readonly Kernel UnfoldGradient = find("sequence_gradient", "unfold_gradient");
    public readonly Kernel DepthwiseGradient = find("sequence_gradient", "depthwise_gradient");
    public readonly Kernel FilterGradient = find("sequence_gradient", "filter_gradient");
    public readonly Kernel TakePositionGradient = find("sequence_gradient", "take_position_gradient");
    public readonly Kernel CellTanhGradient = find("sequence_gradient", "cell_tanh_gradient");
    public readonly Kernel CellLstmGradient = find("sequence_gradient", "cell_lstm_gradient");
    public readonly Kernel CellGruGradient = find("sequence_gradient", "cell_gru_gradient");

    public readonly Kernel CrossEntropy = find("cross_entropy", "cross_entropy");

    // Three modules are long, and not every model has both kinds of attention.
    private readonly Dictionary<(string Family, string Name, int Columns), Kernel> _attention = [];

    /// <summary>Attention of sentences with dropout, for a number of value columns a lane: 1, 2 or 4.</summary>
    public Kernel Attention(bool isAdditive, int columns) =>
        Find("attention_dropout", isAdditive ? "attention_dropout_additive" : "attention_dropout_dot", columns);

    /// <summary>The gradients of a recurrent cell.</summary>
    public Kernel CellGradient(CellKind kind) => kind switch
    {
        CellKind.Tanh => CellTanhGradient,
        CellKind.Lstm => CellLstmGradient,
        _ => CellGruGradient,
    };

    /// <summary>The gradient of queries, for a number of columns a lane: 1, 2 or, for dot products, 4.</summary>
    public Kernel GradientOfQueries(bool isAdditive, int columns) => isAdditive
        ? Find("additive_gradient", "gradient_of_queries_additive", columns)
        : Find("attention_gradient", "gradient_of_queries_dot", columns);

    /// <summary>The gradients of keys and values, for a number of columns a lane: 1, 2 or, for dot products, 4.</summary>
    public Kernel GradientOfKeys(bool isAdditive, int columns) => isAdditive
        ? Find("additive_gradient", "gradient_of_keys_additive", columns)
        : Find("attention_gradient", "gradient_of_keys_dot", columns);

    private Kernel Find(string family, string name, int columns)
    {
        if (!_attention.TryGetValue((family, name, columns), out Kernel? kernel))
            _attention.Add((family, name, columns), kernel = find(family, $"{name}_{columns}"));
        return kernel;
    }
}
