// Sentences that are learned from together, ragged: ids and positions of all of them one after the other, without padding.
using System.Globalization;

namespace Engine.Training;

/// <summary>The arrays of a batch; used again for the next.</summary>
internal sealed class TrainingBatch
{
    private readonly List<int> _lines = [];

    /// <summary>Ids of the sources.</summary>
    public List<int> SourceIds { get; } = [];

    /// <summary>Place of each in its sentence.</summary>
    public List<int> SourcePositions { get; } = [];

    /// <summary>Tokens of each source.</summary>
    public List<int> SourceLengths { get; } = [];

    /// <summary>What the decoder is given: start token and target.</summary>
    public List<int> Inputs { get; } = [];

    /// <summary>Place of each in its sentence.</summary>
    public List<int> TargetPositions { get; } = [];

    /// <summary>What it is to say: target and end token.</summary>
    public List<int> Targets { get; } = [];

    /// <summary>Tokens of each target.</summary>
    public List<int> TargetLengths { get; } = [];

    /// <summary>Number of the epoch, from 0.</summary>
    public int Epoch { get; private set; }

    /// <summary>Number of the batch in its epoch, from 0.</summary>
    public int Number { get; private set; }

    /// <summary>Takes sentences.</summary>
    /// <param name="pairs">All sentences.</param>
    /// <param name="sentences">Which.</param>
    /// <param name="start">The decoder's start token.</param>
    /// <param name="epoch">Number of the epoch, for messages.</param>
    /// <param name="number">Number of the batch in it.</param>
    public void Fill(SentencePairs pairs, ReadOnlySpan<int> sentences, int start, int epoch, int number)
    {
        foreach (List<int> list in (List<int>[])
            [SourceIds, SourcePositions, SourceLengths, Inputs, TargetPositions, Targets, TargetLengths, _lines]) list.Clear();
        (Epoch, Number) = (epoch, number);
        foreach (int sentence in sentences)
        {
            ReadOnlySpan<int> source = pairs.Source(sentence), target = pairs.Target(sentence);
            SourceIds.AddRange(source);
            SourceLengths.Add(source.Length);
            for (int i = 0; i < source.Length; i++) SourcePositions.Add(i);
            Inputs.Add(start);
            Inputs.AddRange(target[..^1]);
            Targets.AddRange(target);
            TargetLengths.Add(target.Length);
            for (int i = 0; i < target.Length; i++) TargetPositions.Add(i);
            _lines.Add(pairs.Line(sentence));
        }
    }

    /// <summary>Which batch it is, for messages.</summary>
    public string Describe()
    {
        const int Named = 5;
        string lines = string.Join(", ", _lines.Take(Named)) + (_lines.Count > Named ? ", ..." : "");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"batch {Number + 1} of epoch {Epoch + 1}, {_lines.Count} sentences of lines {lines}");
    }
}
