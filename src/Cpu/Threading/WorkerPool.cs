// One pool of threads for a backend: workers spin for the length of a step and sleep when idle. Threads take whole tiles;
// nothing is summed across threads, so the number of threads never shows in the bits.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Engine.Cpu.Threading;

/// <summary>Work that is cut in tiles which may run in any order, on any thread. Plain bytes: it is shared by address.</summary>
internal interface IJob
{
    /// <summary>Computes one tile.</summary>
    /// <param name="tile">0 .. tiles − 1.</param>
    /// <param name="worker">0 .. threads − 1: whose scratch memory may be used.</param>
    void Execute(int tile, int worker);
}

/// <summary>Runs the tiles of one job at a time on the calling thread and its workers.</summary>
/// <remarks>
/// A job is a round. The caller opens the round, takes tiles like everyone, closes the round when no tile is left, and then
/// waits only for the workers that are inside. Each thread has a share of tiles that follow each other, so that what it asked
/// memory for ahead is what it needs next; who is done with its own helps the others. So a worker that is asleep, or that the
/// system does not run just now, costs nothing; and nobody can reach the job, which lies on the caller's stack, after the caller
/// has left.
/// </remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const long Open = 1L << 31;
    private const long NextRound = 1L << 32;
    private const long InsideMask = Open - 1;

    private const int LineInts = 128 / sizeof(int);    // two cache lines: processors fetch them in pairs

    private readonly Thread[] _workers;

    // The next tile of each thread's share, a pair of lines apart.
    private readonly int[] _next;

    private readonly SemaphoreSlim _wake = new(0);
    private readonly long _ticksBeforeSleep;
    private delegate* managed<void*, int, int, void> _execute;
    private void* _job;
    private int _tiles;
    private volatile bool _stopping;
    private Exception? _failure;
    private Lines _lines;

    /// <summary>Starts the workers.</summary>
    /// <param name="threads">Threads that compute, the caller's included: at least 1.</param>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;

        // Longer than the gap between two operators of a step. Where there are fewer processors than threads, a thread that
        // spins keeps one that has work from running, so nobody does.
        _ticksBeforeSleep = threads <= Environment.ProcessorCount ? Stopwatch.Frequency / 10_000 : 0;   // 100 µs
        _next = new int[(threads + 1) * LineInts];
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int worker = i + 1;
            _workers[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"Engine worker {worker}" };
            _workers[i].Start();
        }
    }

    /// <summary>Threads that compute, the caller's included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Runs all tiles and returns when all are done. The first exception of a tile is thrown here, when no thread is at work
    /// any more; tiles that had not begun by then are left out.
    /// </summary>
    public void Run<TJob>(in TJob job, int tiles) where TJob : unmanaged, IJob
    {
        TJob copy = job;
        if (Threads == 1 || tiles <= 1)
        {
            for (int tile = 0; tile < tiles; tile++) copy.Execute(tile, 0);
            return;
        }

        Debug.Assert((Volatile.Read(ref _lines.State) & Open) == 0, "A job runs already: the pool serves one caller at a time.");
        _execute = &Invoke<TJob>;
        _job = &copy;
        _tiles = tiles;
        _failure = null;
        for (int share = 0; share < Threads; share++) Next(share) = ShareStart(share);
        Interlocked.Add(ref _lines.State, NextRound | Open);   // full fence: the job is seen before the round
        try
        {
            Wake(tiles - 1);
            TakeTiles(0);
        }
        finally
        {
            Interlocked.Add(ref _lines.State, -Open);
            WaitForWorkers();
        }

        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Stops the workers and waits for them.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        Interlocked.MemoryBarrier();
        Wake(int.MaxValue);
        foreach (Thread worker in _workers) worker.Join();
        _wake.Dispose();
    }

    private static void Invoke<TJob>(void* job, int tile, int worker) where TJob : unmanaged, IJob =>
        Unsafe.AsRef<TJob>(job).Execute(tile, worker);

    private ref int Next(int share) => ref _next[(share + 1) * LineInts];

    private int ShareStart(int share) => (int)((long)_tiles * share / Threads);

    private void TakeTiles(int worker)
    {
        try
        {
            for (int i = 0; i < Threads; i++)
            {
                int share = worker + i < Threads ? worker + i : worker + i - Threads;
                int tile, end = ShareStart(share + 1);
                while ((tile = Interlocked.Increment(ref Next(share)) - 1) < end) _execute(_job, tile, worker);
            }
        }
#pragma warning disable CA1031 // Whatever a tile throws is thrown again on the caller's thread.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            for (int share = 0; share < Threads; share++) Volatile.Write(ref Next(share), _tiles);
        }
    }

    // Yields rather than sleeps: a sleep can be interrupted, and the stack must not unwind under the workers.
    private void WaitForWorkers()
    {
        int spins = 0;
        while ((Volatile.Read(ref _lines.State) & InsideMask) != 0)
        {
            if (++spins < 100) Thread.SpinWait(1);
            else Thread.Yield();
        }
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (Enter(ref seen))
        {
            TakeTiles(worker);
            Interlocked.Decrement(ref _lines.State);
        }
    }

    // Waits for an open round that this worker has not been in. False: the pool stops.
    private bool Enter(ref int seen)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            if (IsNews(seen))
            {
                // One addition enters; if the round has closed meanwhile, one takes it back. The caller may see the worker
                // inside for that moment, and waits it out.
                long state = Interlocked.Increment(ref _lines.State);
                if ((state & Open) != 0)
                {
                    seen = (int)(state >> 32);
                    return true;
                }

                Interlocked.Decrement(ref _lines.State);
            }

            if (_stopping) return false;
            for (int i = 0; i < 20 && !IsNews(seen); i++) Thread.SpinWait(1);
            if (IsNews(seen) || Stopwatch.GetTimestamp() - began < _ticksBeforeSleep) continue;
            Sleep(seen);
            began = Stopwatch.GetTimestamp();
        }
    }

    private bool IsNews(int seen)
    {
        long state = Volatile.Read(ref _lines.State);
        return (state & Open) != 0 && (int)(state >> 32) != seen;
    }

    // A worker says that it sleeps and then looks once more; a caller opens the round and then looks for sleepers: one of them
    // sees the other. Whoever takes a worker off the count of sleepers owes it a permit, so none is ever left over.
    private void Sleep(int seen)
    {
        Interlocked.Increment(ref _lines.Sleeping);
        if ((IsNews(seen) || _stopping) && TakeSleepers(1) == 1) return;
        _wake.Wait();
    }

    private void Wake(int most)
    {
        int count = TakeSleepers(most);
        if (count > 0) _wake.Release(count);
    }

    private int TakeSleepers(int most)
    {
        while (true)
        {
            int sleeping = Volatile.Read(ref _lines.Sleeping);
            int count = Math.Min(sleeping, most);
            if (count == 0 || Interlocked.CompareExchange(ref _lines.Sleeping, sleeping - count, sleeping) == sleeping)
                return count;
        }
    }

    // A cache line for each number that many threads write, so that taking a tile does not disturb those who wait.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Lines
    {
        // Round in the upper half; whether it is open; how many workers are inside.
        [FieldOffset(64)] public long State;
        [FieldOffset(128)] public int Sleeping;
    }
}
