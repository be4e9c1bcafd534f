// The thread that works for a translator: it takes what waits into the continuous batch, steps it, and tells the results. Where the
// device has no room, fewer sentences stand side by side, and some begin anew later; no result depends on that.
using System.Runtime.InteropServices;
using Engine.Explaining;
using Engine.Models;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>A queue and the one thread that empties it. Any thread may add to it.</summary>
internal sealed class BatchWorker : IDisposable
{
    private const int MillisecondsOfDrop = 50;

    private readonly Transformer _model;
    private readonly RequestReader _reader;
    private readonly Vocabulary _sourceVocabulary;
    private readonly Vocabulary _targetVocabulary;
    private readonly int _batchSize;
    private readonly LinkedList<Sentence> _waiting = [];
    private readonly Queue<ScoreJob> _waitingScores = [];
    private readonly Queue<ExplanationJob> _waitingExplanations = [];
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _work = new(0);
    private readonly Thread _thread;

    // Of the thread alone.
    private readonly BatchLimit _limit;
    private readonly List<Sentence> _admitted = [];
    private readonly List<Sentence> _finished = [];
    private readonly List<ScoreJob> _scores = [];
    private ExplanationJob? _explanation;
    private ContinuousBatch? _batch;
    private long _lastDrop;

    private bool _disposed;

    /// <summary>Starts the thread.</summary>
    /// <param name="model">The graph; nobody else runs it meanwhile.</param>
    /// <param name="reader">Makes answers.</param>
    /// <param name="sourceVocabulary">Tokens of the source.</param>
    /// <param name="targetVocabulary">Tokens of the target.</param>
    /// <param name="batchSize">Sentences that are decoded side by side, at least 1.</param>
    public BatchWorker(
        Transformer model, RequestReader reader, Vocabulary sourceVocabulary, Vocabulary targetVocabulary, int batchSize)
    {
        _model = model;
        _reader = reader;
        _sourceVocabulary = sourceVocabulary;
        _targetVocabulary = targetVocabulary;
        _batchSize = batchSize;
        _limit = new BatchLimit(batchSize);
        _thread = new Thread(Work) { IsBackground = true, Name = "Engine translator" };
        _thread.Start();
    }

    /// <summary>Adds a sentence to translate.</summary>
    public void Add(Sentence sentence)
    {
        lock (_gate)
        {
            ThrowIfDisposed();
            _waiting.AddLast(sentence);
            Wake();
        }
    }

    /// <summary>Adds a translation to score.</summary>
    public void Add(ScoreJob job)
    {
        lock (_gate)
        {
            ThrowIfDisposed();
            _waitingScores.Enqueue(job);
            Wake();
        }
    }

    /// <summary>Adds a translation to explain.</summary>
    public void Add(ExplanationJob job)
    {
        lock (_gate)
        {
            ThrowIfDisposed();
            _waitingExplanations.Enqueue(job);
            Wake();
        }
    }

    /// <summary>Ends the work; requests that are not done fail.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
        }

        _work.Release();
        _thread.Join();
        _work.Dispose();
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, typeof(Translator));

    private void Wake()
    {
        if (_work.CurrentCount == 0) _work.Release();
    }

    // An error of a step is told to every sentence in the batch, and the next ones begin with a fresh one.
    private void Work()
    {
        while (TakeWork())
        {
            try
            {
                if (_scores.Count > 0) Scorer.Run(_model, _targetVocabulary, _scores);
                if (_explanation is { } job) Explainer.Run(_model, _sourceVocabulary, _targetVocabulary, job);
                if (_admitted.Count > 0) Admit();
                if (_batch is { Count: > 0 }) Step(_batch);
            }
            catch (Exception failure)
            {
                FailAll(failure);
            }

            foreach (Sentence sentence in _finished) Complete(sentence);
            _admitted.Clear();
            _finished.Clear();
            _scores.Clear();
            _explanation = null;
        }

        foreach (Sentence sentence in _batch?.Sentences ?? []) Abandon(sentence.Completion);
        DropBatch();
    }

    private void Admit()
    {
        try
        {
            _batch ??= new ContinuousBatch(_model);
            _batch.Admit(CollectionsMarshal.AsSpan(_admitted));
        }
        catch (OutOfMemoryException failure)
        {
            PutBack([.. _admitted], staying: _batch?.Count ?? 0, _admitted.Count / 2, failure);
        }
    }

    private void Step(ContinuousBatch batch)
    {
        try
        {
            batch.Step(_finished);
            _limit.Finished(_finished.Count);
        }
        catch (OutOfMemoryException failure)
        {
            int staying = batch.Count / 2;
            PutBack(batch.TakeOut(batch.Count - staying), staying, 0, failure);
        }
    }

    // There was no room for sentences beside those that stay: they begin anew, at first fewer of them. For one alone the device is
    // made as empty as it gets; if that does not help either, the sentence is too long for it.
    private void PutBack(Sentence[] sentences, int staying, int together, OutOfMemoryException failure)
    {
        if (staying == 0 && sentences is [var only])
        {
            DropBatch();
            if (only.LackedRoomAlone)
            {
                only.Completion.TrySetException(failure);
                return;
            }

            only.LackedRoomAlone = true;
        }

        _limit.Lower(staying + together);
        lock (_gate)
        {
            for (int i = sentences.Length - 1; i >= 0; i--) _waiting.AddFirst(sentences[i]);
        }
    }

    private void FailAll(Exception failure)
    {
        foreach (ScoreJob job in _scores) job.Completion.TrySetException(failure);
        _explanation?.Completion.TrySetException(failure);
        foreach (Sentence sentence in _admitted) sentence.Completion.TrySetException(failure);
        foreach (Sentence sentence in _batch?.Sentences ?? []) sentence.Completion.TrySetException(failure);
        DropBatch();
    }

    private void DropBatch()
    {
        _batch?.Dispose();
        _batch = null;
    }

    private void Complete(Sentence sentence)
    {
        try
        {
            if (sentence.Search.IsFinished) sentence.Completion.TrySetResult(_reader.Answer(sentence));
            else sentence.Completion.TrySetCanceled(sentence.Cancellation);
        }
        catch (Exception failure)
        {
            sentence.Completion.TrySetException(failure);
        }
    }

    // Waits while there is nothing to do; false: it is over.
    private bool TakeWork()
    {
        while (true)
        {
            lock (_gate)
            {
                if (_disposed)
                {
                    foreach (Sentence sentence in _waiting) Abandon(sentence.Completion);
                    foreach (ScoreJob job in _waitingScores) Abandon(job.Completion);
                    foreach (ExplanationJob job in _waitingExplanations) Abandon(job.Completion);
                    return false;
                }

                while (_waitingScores.Count > 0 && _scores.Count < _batchSize) _scores.Add(_waitingScores.Dequeue());
                _waitingExplanations.TryDequeue(out _explanation);
                TakeSentences();
                DropCancelled();
            }

            if (_batch is { Count: > 0 } || _admitted.Count > 0 || _scores.Count > 0 || _explanation is not null) return true;
            _work.Wait();
        }
    }

    // A few free places wait for a few more, so that an encoder pass has enough rows, unless everybody who waits finds a place.
    private void TakeSentences()
    {
        int free = _limit.Sentences - (_batch?.Count ?? 0);
        if (free < Math.Min(_waiting.Count, Math.Max(1, _limit.Sentences / 4))) return;
        while (_waiting.First is { Value: var sentence } && _admitted.Count < free)
        {
            _waiting.RemoveFirst();
            if (!CancelIfAsked(sentence)) _admitted.Add(sentence);
        }
    }

    // Who waits for a place may give up. They can be many, so they are not asked at every step.
    private void DropCancelled()
    {
        long now = Environment.TickCount64;
        if (now - _lastDrop < MillisecondsOfDrop) return;
        _lastDrop = now;
        LinkedListNode<Sentence>? next;
        for (LinkedListNode<Sentence>? node = _waiting.First; node is not null; node = next)
        {
            next = node.Next;
            if (CancelIfAsked(node.Value)) _waiting.Remove(node);
        }
    }

    private static bool CancelIfAsked(Sentence sentence)
    {
        if (!sentence.Cancellation.IsCancellationRequested) return false;
        sentence.Completion.TrySetCanceled(sentence.Cancellation);
        return true;
    }

    private static void Abandon<T>(TaskCompletionSource<T> completion) =>
        completion.TrySetException(new ObjectDisposedException(nameof(Translator)));
}
