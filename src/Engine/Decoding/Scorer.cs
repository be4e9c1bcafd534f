// Log-probabilities of given translations: the decoder sees the whole target at once.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>A translation that waits to be scored.</summary>
internal sealed class ScoreJob
{
    /// <summary>Ids of the source as the encoder sees it.</summary>
    public required int[] SourceIds { get; init; }

    /// <summary>Start token, target, end token.</summary>
    public required int[] TargetIds { get; init; }

    /// <summary>Takes the result.</summary>
    public required TaskCompletionSource<ScoreResult> Completion { get; init; }

    /// <summary>Asks to stop.</summary>
    public required CancellationToken Cancellation { get; init; }
}

/// <summary>Scores translations.</summary>
internal static class Scorer
{
    // Logits of one pass: 64 MB of float32.
    private const long MostLogits = 16 << 20;

    /// <summary>Scores all jobs, several in a pass as far as their logits find room.</summary>
    public static void Run(Transformer model, Vocabulary vocabulary, List<ScoreJob> jobs)
    {
        long mostRows = MostLogits / model.Config.TargetVocabulary;
        int first = 0;
        while (first < jobs.Count)
        {
            long rows = jobs[first].TargetIds.Length - 1;
            int count = 1;
            while (first + count < jobs.Count && rows + jobs[first + count].TargetIds.Length - 1 <= mostRows)
                rows += jobs[first + count++].TargetIds.Length - 1;
            RunAsItFits(model, vocabulary, jobs.GetRange(first, count));
            first += count;
        }
    }

    // Where the device has no room for a pass, its halves may find some; a job alone that does not fails.
    private static void RunAsItFits(Transformer model, Vocabulary vocabulary, List<ScoreJob> jobs)
    {
        try
        {
            RunPass(model, vocabulary, jobs);
        }
        catch (OutOfMemoryException) when (jobs.Count > 1)
        {
            int half = jobs.Count / 2;
            RunAsItFits(model, vocabulary, jobs[..half]);
            RunAsItFits(model, vocabulary, jobs[half..]);
        }
        catch (OutOfMemoryException failure) when (jobs is [var only])
        {
            only.Completion.TrySetException(failure);
        }
    }

    private static void RunPass(Transformer model, Vocabulary vocabulary, List<ScoreJob> jobs)
    {
        jobs.RemoveAll(static job => job.Cancellation.IsCancellationRequested && job.Completion.TrySetCanceled(job.Cancellation));
        if (jobs.Count == 0) return;
        IBackend backend = model.Backend;
        int[] inputs = [.. jobs.SelectMany(static job => job.TargetIds[..^1])];
        int[] wanted = [.. jobs.SelectMany(static job => job.TargetIds[1..])];
        var scores = new float[wanted.Length];
        int[] targetPositions = [.. jobs.SelectMany(static job => Enumerable.Range(0, job.TargetIds.Length - 1))];
        int[] sourceIds = [.. jobs.SelectMany(static job => job.SourceIds)];
        int[] sourcePositions = [.. jobs.SelectMany(static job => Enumerable.Range(0, job.SourceIds.Length))];
        if (model.Config.StartsFromZeroEmbedding)
        {
            for (int i = 0; i < inputs.Length; i++) inputs[i] = targetPositions[i] == 0 ? -1 : inputs[i];
        }

        backend.BeginFrame();
        try
        {
            Ragged sources = Ragged.Create(backend, [.. jobs.Select(static job => job.SourceIds.Length)]);
            Ragged targets = Ragged.Create(backend, [.. jobs.Select(static job => job.TargetIds.Length - 1)]);
            Tensor memory = model.Encoder.Forward(backend, Upload(backend, sourceIds), Upload(backend, sourcePositions), sources);
            Tensor logits = model.Decoder.Forward(
                backend, Upload(backend, inputs), Upload(backend, targetPositions), targets, memory, sources);
            backend.Read(backend.LogProbability(logits, Upload(backend, wanted)), scores);
        }
        finally
        {
            backend.EndFrame();
        }

        int start = 0;
        foreach (ScoreJob job in jobs)
        {
            int count = job.TargetIds.Length - 1;
            job.Completion.TrySetResult(new ScoreResult(
                [.. job.TargetIds.Skip(1).Select(id => vocabulary[id])], scores[start..(start + count)]));
            start += count;
        }
    }

    private static Tensor Upload(IBackend backend, int[] values)
    {
        Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }
}
