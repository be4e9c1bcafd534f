// hₜ = cell(W xₜ, U hₜ₋₁): a position learns of those before it one step at a time (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et
// al. 2014).
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>A recurrent layer, from the first position to the last.</summary>
/// <param name="kind">Its cell.</param>
/// <param name="input">W, b: [gates · modelDim, modelDim].</param>
/// <param name="hidden">U, b: [gates · modelDim, modelDim].</param>
public sealed class RecurrentLayer(CellKind kind, LinearWeights input, LinearWeights hidden) : MixingLayer
{
    private readonly int _width = hidden.Weight.Inputs;

    /// <inheritdoc />
    public override CacheColumns Cache => new(0, kind.States() * _width, 1);

    /// <inheritdoc />
    public override Tensor Self(IBackend backend, in Tensor x, in Ragged batch)
    {
        if (batch.Longest == 0) return x;
        Tensor gates = backend.Linear(x, input);                       // of all positions: only the state has to wait
        Tensor state = backend.TakePosition(gates.ColumnRange(0, kind.States() * _width), batch, -1);
        var positions = new Tensor[batch.Longest];
        for (int position = 0; position < positions.Length; position++)
        {
            state = Next(backend, backend.TakePosition(gates, batch, position), state);
            positions[position] = Output(state);
        }

        return backend.JoinPositions(positions, batch);
    }

    /// <inheritdoc />
    public override Tensor SelfStep(IBackend backend, in Tensor x, in KeyValueCache cache, in Tensor slots, in CacheView view)
    {
        Tensor gates = backend.Linear(x, input);
        Tensor state = Next(backend, gates, backend.CachedUnfold(cache, view, Taps.Previous));
        Remember(backend, cache, state, slots);
        return Output(state);
    }

    private Tensor Next(IBackend backend, in Tensor gates, in Tensor state) =>
        backend.RecurrentCell(gates, backend.Linear(Output(state), hidden), state, kind);

    private Tensor Output(in Tensor state) => state.ColumnRange(0, _width);
}
