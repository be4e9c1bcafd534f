// Keeps many sentences in the air and their answers in order: a window of bounded size slides over the input, so that
// input of any length runs in flat memory, and an answer is written out before anything is waited for.
using System.Threading.Channels;

namespace Engine.Cli;

/// <summary>Runs items side by side and writes their answers in order.</summary>
internal static class OrderedWindow
{
    /// <summary>Reads, starts and writes until the items end.</summary>
    /// <param name="items">Read on a thread of its own, since a read may wait for a person to type.</param>
    /// <param name="start">Starts the work on an item; called in order, on that thread.</param>
    /// <param name="write">Writes the answer of an item, whose task is complete; called in order, one by one.</param>
    /// <param name="flush">Called before every wait, and at the end, whether that is good or bad.</param>
    /// <param name="weigh">Places of the window that an item takes, at least 1; more than there are is all.</param>
    /// <param name="capacity">Places of the window: what is started and not yet written has no more.</param>
    /// <param name="cancellation">Ends the work. What is complete and next in order is still written.</param>
    /// <exception cref="OperationCanceledException">The work was ended by <paramref name="cancellation"/>.</exception>
    public static async Task RunAsync<TItem, TAnswer>(
        IEnumerable<TItem> items, Func<TItem, CancellationToken, Task<TAnswer>> start,
        Action<TItem, Task<TAnswer>> write, Action flush, Func<TItem, int> weigh, int capacity,
        CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var places = new SemaphoreSlim(capacity);
        var window = Channel.CreateUnbounded<Entry<TItem, TAnswer>>(
            new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        CancellationToken stopped = stop.Token;   // taken here: the thread may outlive the source

        void Read()
        {
            try
            {
                foreach (TItem item in items)
                {
                    int weight = Math.Clamp(weigh(item), 1, capacity);
                    for (int i = 0; i < weight; i++) places.Wait(stopped);
                    window.Writer.TryWrite(new Entry<TItem, TAnswer>(item, weight, Start(start, item, stopped)));
                }

                window.Writer.Complete();
            }
            catch (Exception e)
            {
                window.Writer.Complete(e);
            }
        }

        // A background thread: where the work ends while a read waits, the process ends too.
        new Thread(Read) { IsBackground = true, Name = "input" }.Start();
        try
        {
            while (true)
            {
                if (!window.Reader.TryRead(out Entry<TItem, TAnswer> next))
                {
                    flush();
                    if (!await window.Reader.WaitToReadAsync(cancellation)) break;
                    continue;
                }

                if (!next.Answer.IsCompleted)
                {
                    flush();
                    Task ended = next.Answer;
                    await ended.WaitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                if (!next.Answer.IsCompletedSuccessfully) cancellation.ThrowIfCancellationRequested();
                write(next.Item, next.Answer);
                places.Release(next.Weight);
            }
        }
        catch
        {
            // Whatever ends the work, what is done is not lost; but why it ended is told, and not that nobody reads.
            try
            {
                flush();
            }
            catch (Exception e) when (e is IOException or OutputClosedException)
            {
            }

            throw;
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    private static Task<TAnswer> Start<TItem, TAnswer>(
        Func<TItem, CancellationToken, Task<TAnswer>> start, TItem item, CancellationToken cancellation)
    {
        try
        {
            return start(item, cancellation);
        }
        catch (Exception e)
        {
            return Task.FromException<TAnswer>(e);
        }
    }

    private readonly record struct Entry<TItem, TAnswer>(TItem Item, int Weight, Task<TAnswer> Answer);
}
