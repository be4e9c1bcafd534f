// What a training is: read from a JSON file, where a key of the wrong type, or one that nobody knows, is an error that names it.
// Every key is in docs/training.md.
using Engine.Evaluation;
using Engine.Formats;
using Engine.Models;

namespace Engine.Training;

/// <summary>A training's configuration.</summary>
public sealed class TrainingConfig
{
    internal TrainingConfig(string file) => File = file;

    /// <summary>The file that it was read from.</summary>
    public string File { get; }

    /// <summary>The directory that everything is written to.</summary>
    public string Output { get; internal init; } = "";

    /// <summary>Decides all that is random: the same seed gives the same weights.</summary>
    public int Seed { get; internal init; }

    /// <summary>The keys of the file that weights depend on, and their values: what a checkpoint remembers.</summary>
    internal IReadOnlyDictionary<string, string> Settings { get; init; } = null!;

    /// <summary>Texts.</summary>
    internal DataSettings Data { get; init; } = null!;

    /// <summary>How texts become tokens.</summary>
    internal TokenizerSettings Tokenizer { get; init; } = null!;

    /// <summary>Shape of the model.</summary>
    internal ModelSettings Model { get; init; } = null!;

    /// <summary>The loop.</summary>
    internal LoopSettings Training { get; init; } = null!;

    /// <summary>What is looked at on the way.</summary>
    internal ValidationSettings Validation { get; init; } = null!;

    /// <summary>Checkpoints.</summary>
    internal CheckpointSettings Checkpoints { get; init; } = null!;

    /// <summary>Reads a configuration.</summary>
    /// <param name="file">A JSON file.</param>
    /// <param name="changes">Values instead of the file's, as in <c>training.steps=1000</c>; of equal keys the last.</param>
    /// <exception cref="ModelFormatException">The file is broken, or a key has a value that it cannot have.</exception>
    /// <exception cref="ArgumentException">A change is no <c>key=value</c>.</exception>
    public static TrainingConfig Load(string file, params IReadOnlyList<string> changes) =>
        TrainingConfigReader.Read(file, changes);
}

/// <summary>Two texts whose lines belong together: two files, or two columns of one.</summary>
/// <param name="Source">The file of the source; of two columns that of both.</param>
/// <param name="Target">The file of the target.</param>
/// <param name="SourceColumn">Which column of a file with tabs, from 1; 0: the whole line.</param>
/// <param name="TargetColumn">The target's.</param>
internal sealed record TextFiles(string Source, string Target, int SourceColumn = 0, int TargetColumn = 0)
{
    /// <summary>What is held out of it; null: nothing, it is one part.</summary>
    public HoldOutSettings? HoldOut { get; init; }

    /// <summary>Which part, where something is held out.</summary>
    public TextPart Part { get; init; }

    /// <summary>Whether both are columns of one file.</summary>
    public bool HasColumns => SourceColumn > 0;
}

/// <summary>Texts.</summary>
/// <param name="Train">What is learned.</param>
/// <param name="Validation">What is looked at; null: nothing.</param>
/// <param name="Test">What nobody looks at: it is written as two files; null: nothing.</param>
/// <param name="MaxLength">Tokens of the longest side, without those that the model adds.</param>
internal sealed record DataSettings(TextFiles Train, TextFiles? Validation, TextFiles? Test, int MaxLength);

/// <summary>How text becomes tokens.</summary>
internal enum TokenizerKind
{
    /// <summary>Tokens stand between spaces.</summary>
    Spaces,

    /// <summary>Every character is a token.</summary>
    Characters,

    /// <summary>SentencePiece models.</summary>
    SentencePiece,
}

/// <summary>How texts become tokens.</summary>
internal sealed record TokenizerSettings
{
    public required TokenizerKind Kind { get; init; }

    /// <summary>One vocabulary for both sides.</summary>
    public required bool IsJoint { get; init; }

    /// <summary>Spaces, characters: rarer tokens are unknown.</summary>
    public required int MinCount { get; init; }

    /// <summary>Most tokens of a vocabulary, special ones included; 0: all. SentencePiece: how many are learned.</summary>
    public required int Size { get; init; }

    /// <summary>SentencePiece: the models; null: they are learned first.</summary>
    public required string? SourceModel { get; init; }

    /// <summary>SentencePiece: the target's model; the source's where there is one for both.</summary>
    public required string? TargetModel { get; init; }

    /// <summary>SentencePiece that is learned: by pairs, else by a unigram model.</summary>
    public required bool IsBpe { get; init; }

    /// <summary>SentencePiece that is learned: share of the characters that become pieces.</summary>
    public required float CharacterCoverage { get; init; }

    /// <summary>What is removed before a translation is read, such as "@@ ".</summary>
    public required string Joiner { get; init; }
}

/// <summary>Which embeddings are one.</summary>
internal enum Tying
{
    /// <summary>Source, target and output.</summary>
    All,

    /// <summary>Target and output.</summary>
    Decoder,

    /// <summary>None.</summary>
    None,
}

/// <summary>Shape of the model.</summary>
internal sealed record ModelSettings
{
    public required int ModelDim { get; init; }

    public required StackConfig Encoder { get; init; }

    public required StackConfig Decoder { get; init; }

    public required Tying Tie { get; init; }

    /// <summary>Rows of a learned table of positions.</summary>
    public required int MaxPositions { get; init; }
}

/// <summary>How the rate goes after its warm-up.</summary>
internal enum ScheduleKind
{
    InverseSquareRoot,
    Cosine,
    Linear,
    Constant,
}

/// <summary>The loop.</summary>
internal sealed record LoopSettings
{
    /// <summary>Steps; 0: as many as the epochs have.</summary>
    public required int Steps { get; init; }

    /// <summary>Passes over the texts; 0: as many as the steps make.</summary>
    public required int Epochs { get; init; }

    public required int BatchTokens { get; init; }

    /// <summary>Most sentences of a batch; 0: any number.</summary>
    public required int BatchSentences { get; init; }

    /// <summary>Batches of a step.</summary>
    public required int Accumulate { get; init; }

    /// <summary>Whether results within sub-layers are computed again backward: less memory, the same bits.</summary>
    public required bool Recompute { get; init; }

    public required float Smoothing { get; init; }

    public required DropoutRates Dropout { get; init; }

    public required ScheduleKind Schedule { get; init; }

    public required float LearningRate { get; init; }

    public required float FinalLearningRate { get; init; }

    public required int Warmup { get; init; }

    /// <summary>Steps until the final rate; 0: all.</summary>
    public required int DecaySteps { get; init; }

    public required float Beta1 { get; init; }

    public required float Beta2 { get; init; }

    public required float Epsilon { get; init; }

    /// <summary>Decoupled decay of matrices; 0: Adam.</summary>
    public required float Decay { get; init; }

    /// <summary>Longest gradient; 0: any.</summary>
    public required float Clip { get; init; }

    public required int ReportEvery { get; init; }

    /// <summary>Loss above the lowest, both averaged, at which training has diverged; 0: never.</summary>
    public required float Divergence { get; init; }
}

/// <summary>By what checkpoints are compared.</summary>
internal enum Criterion
{
    Loss,
    Bleu,
}

/// <summary>What is looked at on the way.</summary>
internal sealed record ValidationSettings
{
    /// <summary>Steps between; 0: only at the end.</summary>
    public required int Every { get; init; }

    public required bool HasBleu { get; init; }

    public required BleuTokenizer Tokenizer { get; init; }

    public required bool Lowercase { get; init; }

    public required int Beam { get; init; }

    public required float LengthPenalty { get; init; }

    public required int BatchSize { get; init; }

    /// <summary>Sentences whose translations are shown.</summary>
    public required int Samples { get; init; }

    public required Criterion Criterion { get; init; }

    /// <summary>Validations without a better one until training ends; 0: it does not.</summary>
    public required int Patience { get; init; }
}

/// <summary>Checkpoints.</summary>
/// <param name="Every">Steps between.</param>
/// <param name="Keep">How many of the last are kept.</param>
/// <param name="Average">How many the model is the average of.</param>
/// <param name="AveragesBest">Whether those are the best by validation, not the last.</param>
internal sealed record CheckpointSettings(int Every, int Keep, int Average, bool AveragesBest);
