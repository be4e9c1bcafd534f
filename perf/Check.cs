// Nothing is timed that does not first agree with the reference in double precision.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf;

/// <summary>Compares a backend with the reference.</summary>
internal static class Check
{
    /// <summary>Runs one operator on two backends and compares the results.</summary>
    /// <param name="what">The operator, for the message.</param>
    /// <param name="tested">The backend that will be timed.</param>
    /// <param name="run">Places inputs, runs the operator inside a frame.</param>
    /// <param name="tolerance">The largest difference that rounding explains.</param>
    public static void Agrees(string what, IBackend tested, Func<IBackend, Tensor> run, double tolerance)
    {
        using var reference = new ReferenceBackend();
        float[] expected = Run(reference, run), found = Run(tested, run);
        double error = ErrorBound.LargestError(ErrorBound.Widen(expected), found);
        if (!(error <= tolerance))
        {
            throw new InvalidOperationException(
                $"{what} is off by {error:G3}, expected at most {tolerance:G3}: not timed.");
        }
    }

    private static float[] Run(IBackend backend, Func<IBackend, Tensor> run)
    {
        backend.BeginFrame();
        Tensor result = run(backend);
        var values = new float[result.Shape.Count];
        backend.Read(result, values);
        backend.EndFrame();
        return values;
    }
}
