// Runs encoder and decoder once over a sentence and its whole translation, while a recorder looks on.
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Explaining;

/// <summary>Makes explanations.</summary>
internal static class Explainer
{
    // Tokens that are told for each place.
    private const int MostCandidates = 5;

    /// <summary>Explains one translation. Where there is no room for it, it alone fails.</summary>
    public static void Run(Transformer model, Vocabulary source, Vocabulary target, ExplanationJob job)
    {
        if (job.Cancellation.IsCancellationRequested)
        {
            job.Completion.TrySetCanceled(job.Cancellation);
            return;
        }

        try
        {
            job.Completion.TrySetResult(Explain(model, source, target, job));
        }
        catch (Exception failure) when (failure is OutOfMemoryException or NotSupportedException)
        {
            job.Completion.TrySetException(failure);
        }
    }

    /// <summary>Refuses models with layers that have no weights to show.</summary>
    /// <exception cref="NotSupportedException">Something else than attention mixes positions.</exception>
    public static void Check(TransformerConfig config)
    {
        foreach ((string side, StackConfig stack) in new[] { ("encoder", config.Encoder), ("decoder", config.Decoder) })
        {
            if (stack.Mixing.Kind == MixingKind.Attention) continue;
            string word = OwnFormat.MixingKinds.First(kind => kind.Value == stack.Mixing.Kind).Word;
            throw new NotSupportedException(
                $"What mixes positions in the {side} is '{word}', expected 'attention': nothing else has weights to show.");
        }
    }

    private static Explanation Explain(Transformer model, Vocabulary source, Vocabulary target, ExplanationJob job)
    {
        Check(model.Config);
        Pass pass = RunGraph(model, job);
        (AttentionMap encoder, AttentionMap decoder, AttentionMap cross) = Maps(model, pass.Recorder, job);
        AttentionMap encoderRollout = Rollout.OfSelf(encoder);
        (AttentionMap fromTarget, AttentionMap fromSource) = Rollout.OfDecoder(decoder, cross, encoderRollout);
        float[] alignment = cross.Mean(model.Decoder.AlignmentLayer, model.Decoder.AlignmentHeads);
        int places = pass.Scores.Length, best = pass.BestTokens.Length / places;
        return new Explanation
        {
            SourceTokens = [.. job.SourceIds.Select(id => source[id])],
            InputTokens = [.. job.TargetIds[..^1].Select(id => target[id])],
            TargetTokens = [.. job.TargetIds[1..].Select(id => target[id])],
            TokenScores = pass.Scores,
            Candidates =
            [
                .. Enumerable.Range(0, places).Select(place => Enumerable.Range(place * best, best)
                    .Select(i => new Candidate(target[pass.BestTokens[i]], pass.BestScores[i])).ToArray()),
            ],
            Hypotheses = job.Hypotheses,
            Encoder = encoder,
            Decoder = decoder,
            Cross = cross,
            EncoderRollout = encoderRollout,
            TargetRollout = fromTarget,
            SourceRollout = fromSource,
            Alignment = new AttentionMap([alignment], 1, cross.Queries, cross.Keys),
        };
    }

    private static Pass RunGraph(Transformer model, ExplanationJob job)
    {
        IBackend backend = model.Backend;
        int places = job.TargetIds.Length - 1, best = Math.Min(MostCandidates, model.Config.TargetVocabulary);
        int[] inputs = job.TargetIds[..^1];
        if (model.Config.StartsFromZeroEmbedding) inputs[0] = -1;
        var pass = new Pass(new AttentionRecorder(backend), new float[places], new float[places * best], new int[places * best]);
        backend.BeginFrame();
        try
        {
            Ragged sources = Ragged.Create(backend, [job.SourceIds.Length]), targets = Ragged.Create(backend, [places]);
            Tensor memory = model.Encoder.Forward(
                pass.Recorder, Upload(backend, job.SourceIds), Upload(backend, Count(job.SourceIds.Length)), sources);
            Tensor logits = model.Decoder.Forward(
                pass.Recorder, Upload(backend, inputs), Upload(backend, Count(places)), targets, memory, sources);
            backend.Read(backend.LogProbability(logits, Upload(backend, job.TargetIds[1..])), pass.Scores);
            Tensor scores = backend.TopK(logits, best, out Tensor tokens);
            backend.Read(scores, pass.BestScores, tokens, pass.BestTokens);
        }
        finally
        {
            backend.EndFrame();
        }

        return pass;
    }

    // The graph is the encoder's layers, and then, for each of the decoder's, attention to itself and to the memory.
    private static (AttentionMap Encoder, AttentionMap Decoder, AttentionMap Cross) Maps(
        Transformer model, AttentionRecorder recorder, ExplanationJob job)
    {
        int encoderLayers = model.Config.Encoder.Layers, decoderLayers = model.Config.Decoder.Layers;
        IReadOnlyList<float[]> calls = recorder.Calls;
        if (calls.Count != encoderLayers + (2 * decoderLayers))
        {
            throw new InvalidOperationException(
                $"Attention was called {calls.Count} times, expected {encoderLayers} and twice {decoderLayers}.");
        }

        (int sources, int places) = (job.SourceIds.Length, job.TargetIds.Length - 1);
        float[][] self = new float[decoderLayers][], cross = new float[decoderLayers][];
        for (int layer = 0; layer < decoderLayers; layer++)
        {
            self[layer] = calls[encoderLayers + (2 * layer)];
            cross[layer] = calls[encoderLayers + (2 * layer) + 1];
        }

        int heads = model.Config.Decoder.Attention.Heads;
        return (
            new AttentionMap(
                [.. calls.Take(encoderLayers).Select(weights => OfSentence(weights, model.Config.Encoder.Attention, sources))],
                model.Config.Encoder.Attention.Heads, sources, sources),
            new AttentionMap(self, heads, places, places),
            new AttentionMap(cross, heads, places, sources));
    }

    // Attention within groups gives the weights of a group; the rest of the sentence has none.
    private static float[] OfSentence(float[] weights, AttentionConfig attention, int positions)
    {
        if (attention.Group is not { } size || size >= positions) return weights;
        var whole = new float[positions * attention.Heads * positions];
        for (int row = 0; row < positions * attention.Heads; row++)
        {
            int first = row / attention.Heads / size * size, count = Math.Min(size, positions - first);
            weights.AsSpan(row * size, count).CopyTo(whole.AsSpan((row * positions) + first));
        }

        return whole;
    }

    private static int[] Count(int length) => [.. Enumerable.Range(0, length)];

    private static Tensor Upload(IBackend backend, int[] values)
    {
        Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    // What the graph gave.
    private sealed record Pass(AttentionRecorder Recorder, float[] Scores, float[] BestScores, int[] BestTokens);
}
