// One pool of threads for a backend: workers spin for the length of a step and sleep when idle. Threads take whole tiles;
// nothing is summed across threads, so the number of threads never shows in the bits.
using System.Runtime.CompilerServices;

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
internal sealed unsafe class WorkerPool : IDisposable
{
    // About 50 µs: longer than the gap between two operators of a step, shorter than a scheduler's time slice.
    private const int SpinsBeforeSleep = 2000;

    private readonly Thread[] _workers;
    private readonly SemaphoreSlim _wake = new(0);
    private delegate* managed<void*, int, int, void> _execute;
    private void* _job;
    private int _tiles;
    private int _next;
    private int _running;
    private int _sleeping;
    private int _round;
    private volatile bool _stopping;
    private Exception? _failure;

    /// <summary>Starts the workers.</summary>
    /// <param name="threads">Threads that compute, the caller's included: at least 1.</param>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
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

    /// <summary>Runs all tiles and returns when all are done. An exception of a tile is thrown here.</summary>
    public void Run<TJob>(in TJob job, int tiles) where TJob : unmanaged, IJob
    {
        TJob copy = job;
        if (Threads == 1 || tiles <= 1)
        {
            for (int tile = 0; tile < tiles; tile++) copy.Execute(tile, 0);
            return;
        }

        _execute = &Invoke<TJob>;
        _job = &copy;
        _tiles = tiles;
        _next = 0;
        _failure = null;
        Volatile.Write(ref _running, _workers.Length);
        Interlocked.Increment(ref _round);                       // full fence: workers see the job before the round
        int sleeping = Volatile.Read(ref _sleeping);
        if (sleeping > 0) _wake.Release(sleeping);
        TakeTiles(0);
        var spinner = new SpinWait();
        while (Volatile.Read(ref _running) != 0) spinner.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure) throw new InvalidOperationException("A tile failed: " + failure.Message, failure);
    }

    /// <summary>Stops the workers and waits for them.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        _wake.Release(_workers.Length + 1);
        foreach (Thread worker in _workers) worker.Join();
        _wake.Dispose();
    }

    private static void Invoke<TJob>(void* job, int tile, int worker) where TJob : unmanaged, IJob =>
        Unsafe.AsRef<TJob>(job).Execute(tile, worker);

    private void TakeTiles(int worker)
    {
        try
        {
            int tile;
            while ((tile = Interlocked.Increment(ref _next) - 1) < _tiles) _execute(_job, tile, worker);
        }
        catch (Exception failure) when (worker != 0)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
        }
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            if (!WaitForRound(ref seen)) return;
            TakeTiles(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    // A worker that decides to sleep says so first and looks once more, so that no round is missed. A permit too many only
    // wakes a worker that then finds nothing and sleeps again.
    private bool WaitForRound(ref int seen)
    {
        int spins = 0;
        while (true)
        {
            int round = Volatile.Read(ref _round);
            if (round != seen)
            {
                seen = round;
                return true;
            }

            if (_stopping) return false;
            if (++spins < SpinsBeforeSleep)
            {
                Thread.SpinWait(8);
                continue;
            }

            Interlocked.Increment(ref _sleeping);
            if (Volatile.Read(ref _round) == seen && !_stopping) _wake.Wait();
            Interlocked.Decrement(ref _sleeping);
            spins = 0;
        }
    }
}
