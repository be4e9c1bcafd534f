// The CPU, taking some steps of a search at once as a device does.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Tests.Decoding;

/// <summary>Passes on to a backend, of which it is the owner.</summary>
/// <param name="inner">Does the work.</param>
/// <param name="steps">Steps between two looks of the host.</param>
/// <param name="fillsUp">Whether steps are filled up to equal ones.</param>
internal sealed class StepsBackend(IBackend inner, int steps, bool fillsUp) : DelegatingBackend(inner)
{
    public override int StepsAtOnce => steps;

    public override bool PrefersEqualSteps => fillsUp;

    /// <summary>Steps that were taken without the host.</summary>
    public int TakenAlone { get; private set; }

    /// <summary>Steps that the host took, and passes of the encoder.</summary>
    public int Reads { get; private set; }

    public override void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state)
    {
        TakenAlone++;
        base.AdvanceBeams(scores, tokens, state);
    }

    public override void Read(in Tensor source, Span<int> values)
    {
        Reads++;
        base.Read(source, values);
    }

    public override void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers)
    {
        Reads++;
        base.Read(floats, values, integers, numbers);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) Inner.Dispose();
        base.Dispose(disposing);
    }
}
