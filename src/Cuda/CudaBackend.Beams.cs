// Steps of a beam search without the host.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const uint ThreadsOfBeams = 128;

    // Of a step that is one graph a wait takes a few per cent, and a row that has ended costs as much as one that lives.
    private const int StepsBetweenLooks = 4;

    /// <inheritdoc />
    public int StepsAtOnce => StepsBetweenLooks;

    /// <inheritdoc />
    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state)
    {
        state.Check(scores, tokens);
        if (state.Sentences.Rows == 0) return;
        Launch(
            _kernels.AdvanceBeams, (uint)state.Sentences.Rows, 1, 1, ThreadsOfBeams, 0,
            Address(scores), (long)scores.Stride, Address(tokens), (long)tokens.Stride, scores.Columns, Address(state.Sentences),
            Address(state.Ends), state.Ends.Columns, Address(state.Sums), Address(state.Ids), Address(state.Positions),
            Address(state.Slots), Address(state.Lengths), Address(state.Blocks), state.Blocks.Columns, Address(state.Copies),
            Address(state.Spare), state.Spare.Columns, Address(state.Moves), state.Rows, state.Steps);
    }
}
