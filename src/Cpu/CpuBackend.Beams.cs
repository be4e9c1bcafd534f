// Steps of a beam search without the host.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cpu.Kernels;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc />
    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state)
    {
        state.Check(scores, tokens);
        Span<BeamSentence> sentences = MemoryMarshal.Cast<int, BeamSentence>(Numbers(state.Sentences));
        for (int s = 0; s < sentences.Length; s++)
        {
            if (sentences[s].Live == 0 || state.Holds(sentences[s], scores.Columns)) continue;
            throw new ArgumentException(
                $"Sentence {s} has {sentences[s].Live} of {sentences[s].Beams} rows from {sentences[s].FirstRow} on, "
                + $"{sentences[s].Candidates} candidates, {sentences[s].Length} of {sentences[s].MaxLength} tokens after "
                + $"{sentences[s].Taken} of {state.Steps} steps, expected rows of {state.Rows} and candidates of {scores.Columns}.",
                nameof(state));
        }

        var step = new BeamStep
        {
            Scores = Row<float>(scores, 0),
            ScoreStride = scores.Stride,
            Tokens = Row<int>(tokens, 0),
            TokenStride = tokens.Stride,
            Sums = MemoryMarshal.Cast<int, float>(Numbers(state.Sums)),
            Ids = Numbers(state.Ids),
            Positions = Numbers(state.Positions),
            Slots = Numbers(state.Slots),
            Lengths = Numbers(state.Lengths),
            Blocks = Numbers(state.Blocks),
            Copies = Numbers(state.Copies),
            Spare = Numbers(state.Spare),
            Moves = MemoryMarshal.Cast<int, BeamMove>(Numbers(state.Moves)),
            Rows = state.Rows,
            Steps = state.Steps,
        };
        ReadOnlySpan<int> ends = Numbers(state.Ends);
        for (int s = 0; s < sentences.Length; s++)
        {
            if (sentences[s].Live == 0) continue;
            step.Ends = ends.Slice(s * state.Ends.Columns, state.Ends.Columns);
            step.Run(ref sentences[s]);
        }
    }

    // The numbers of a table without gaps.
    private static Span<int> Numbers(in Tensor tensor) => new(Row<int>(tensor, 0), checked((int)tensor.Shape.Count));
}
