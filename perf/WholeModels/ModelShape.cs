// The shapes of whole models, and the least that a translation costs.
using Engine.Tensors;

namespace Engine.Perf.WholeModels;

/// <summary>A Transformer with three tables of its own (source, target, output), norms before the sub-layers.</summary>
internal sealed record ModelShape(
    string Name, int Width, int Hidden, int EncoderLayers, int DecoderLayers, int Heads, int Vocabulary = 32000)
{
    /// <summary>Transformer-base and -big (Vaswani et al. 2017, table 3), and a student as of Kim et al. 2019.</summary>
    public static ModelShape Base { get; } = new("base", 512, 2048, 6, 6, 8);

    public static ModelShape Big { get; } = new("big", 1024, 4096, 6, 6, 16);

    public static ModelShape Student { get; } = new("student", 256, 1024, 6, 2, 4);

    private double FeedForward => 2.0 * Width * Hidden;

    private double Square => (double)Width * Width;

    /// <summary>Weights that a source token meets; the memory's keys and values are the decoder's, but computed once.</summary>
    public double SourceWeights => (EncoderLayers * ((4 * Square) + FeedForward)) + (DecoderLayers * 2 * Square);

    /// <summary>Weights that each target token meets.</summary>
    public double TargetWeights => (DecoderLayers * ((6 * Square) + FeedForward)) + ((double)Width * Vocabulary);
}

/// <summary>What is translated: so many sentences at once, as many tokens out as in.</summary>
internal readonly record struct Translation(ModelShape Shape, DType Type, int Batch, int Beam, int Length)
{
    /// <summary>Multiply-adds, times two. Attention is left out: at this length it is less than a hundredth.</summary>
    public double Operations => 2.0 * Batch * Length * (Shape.SourceWeights + (Beam * Shape.TargetWeights));

    /// <summary>Bytes of weights that each step reads again.</summary>
    public double StepBytes => Type.Bytes() * Shape.TargetWeights;

    /// <summary>Bytes of weights that must be read: the encoder's once, the decoder's in every step.</summary>
    public double Bytes => (Type.Bytes() * Shape.SourceWeights) + (Length * StepBytes);
}
