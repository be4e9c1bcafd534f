// A model in a few lines: shape, format, parameters and memory.
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Cli;

/// <summary>Tells about a model. Nothing is loaded but what describes it.</summary>
internal static class ModelReport
{
    /// <summary>Names and values.</summary>
    public static IEnumerable<(string Name, string Value)> Lines(string path)
    {
        using ModelData data = ModelReader.Open(path);
        TransformerConfig config = data.Config;

        // Weights that are shared stand under several names and are one.
        HostTensor[] weights = [.. data.Tensors.Values.Distinct(ReferenceEqualityComparer.Instance).Cast<HostTensor>()];
        IEnumerable<string> types = weights.GroupBy(weight => weight.Type)
            .OrderByDescending(group => group.Sum(weight => weight.Bytes))
            .Select(group => $"{group.Key.Word()} {MachineReport.Bytes(group.Sum(weight => weight.Bytes))}");
        yield return ("model", path);
        yield return ("format", data.Format);
        yield return ("encoder", Stack(config.Encoder));
        yield return ("decoder", Stack(config.Decoder));
        yield return ("width", $"{config.ModelDim:N0}");
        yield return (
            "vocabularies", $"{config.SourceVocabulary:N0} source tokens, {config.TargetVocabulary:N0} target tokens");
        yield return ("tokenizer", data.Tokenizer);
        yield return ("parameters", $"{weights.Sum(weight => weight.Shape.Count):N0}");
        string bytes = MachineReport.Bytes(weights.Sum(weight => weight.Bytes));
        yield return ("memory", $"{bytes} of weights as they are: {string.Join(", ", types)}");
    }

    private static string Stack(StackConfig stack)
    {
        AttentionConfig attention = stack.Attention;
        string kind = attention.Kind == AttentionKind.Additive ? ", additive attention" : "";
        string window = attention.WindowLeft is null && attention.WindowRight is null
            ? ""
            : $", window {Positions(attention.WindowLeft)} left, {Positions(attention.WindowRight)} right";
        string group = attention.Group is { } size ? $", groups of {size:N0}" : "";
        MixingConfig mixing = stack.Mixing;
        string mixes = mixing.Kind switch
        {
            MixingKind.Attention => "",
            MixingKind.Convolution or MixingKind.SeparableConvolution =>
                $"{(mixing.Kind == MixingKind.Convolution ? "" : "separable ")}convolutions of {mixing.Kernel:N0}"
                + $"{(mixing.Dilation > 1 ? $", dilation times {mixing.Dilation:N0} a layer" : "")}, ",
            _ => $"{mixing.Kind.ToString().ToLowerInvariant()} cells, ",
        };
        string activation = stack.Activation.ToString().ToLowerInvariant();
        string feedForward = stack.HiddenDim == 0
            ? "no feed-forward"
            : $"feed-forward {stack.HiddenDim:N0}, {activation}{(stack.Gated ? ", gated" : "")}";
        string norm = $"{(stack.RmsNorm ? "RMS" : "layer")} norm {(stack.PreNorm ? "before" : "after")} each block";
        return $"{stack.Layers:N0} layers, {mixes}{attention.Heads:N0} heads of {attention.HeadDim:N0}{kind}{window}{group}, "
            + $"{feedForward}, {norm}, positions {stack.Positions.Kind.ToString().ToLowerInvariant()}";
    }

    private static string Positions(int? count) => count is { } positions ? $"{positions:N0}" : "all";
}
