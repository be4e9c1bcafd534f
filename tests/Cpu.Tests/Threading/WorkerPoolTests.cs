// The pool's promises: each tile once, failures arrive when nobody is at work any more, sleepers wake, Dispose returns.
using System.Diagnostics;
using Engine.Cpu.Threading;
using Xunit;

namespace Cpu.Tests.Threading;

public sealed unsafe class WorkerPoolTests
{
    public static TheoryData<int> ThreadCounts => [1, 2, 3, 8];

    [Theory, MemberData(nameof(ThreadCounts))]
    public void Every_tile_runs_exactly_once(int threads)
    {
        using var pool = new WorkerPool(threads);
        int[] sizes = [0, 1, 2, 7, 1000];
        int* counts = stackalloc int[1000];
        for (int repetition = 0; repetition < 2000; repetition++)
        {
            foreach (int tiles in sizes)
            {
                new Span<int>(counts, 1000).Clear();
                pool.Run(new Count(counts, threads), tiles);
                for (int tile = 0; tile < 1000; tile++)
                {
                    if (counts[tile] != (tile < tiles ? 1 : 0))
                        Assert.Fail($"Tile {tile} of {tiles} ran {counts[tile]} times in repetition {repetition}.");
                }
            }
        }
    }

    [Theory, MemberData(nameof(ThreadCounts))]
    public void A_failure_arrives_as_it_was_thrown_and_the_next_job_runs(int threads)
    {
        using var pool = new WorkerPool(threads);
        int* counts = stackalloc int[100];
        for (int failing = 0; failing < 100; failing++)
        {
            var found = Assert.Throws<ArithmeticException>(() => pool.Run(new FailAt(failing), 100));
            Assert.Equal("meant", found.Message);
            new Span<int>(counts, 100).Clear();
            pool.Run(new Count(counts, threads), 100);
            for (int tile = 0; tile < 100; tile++) Assert.Equal(1, counts[tile]);
        }
    }

    [Fact]
    public void A_failure_on_the_callers_thread_waits_for_the_workers()
    {
        using var pool = new WorkerPool(3);
        int inside = 0, callersFailures = 0;
        for (int repetition = 0; repetition < 50; repetition++)
        {
            try
            {
                pool.Run(new FailOnCaller(&inside), 3);
            }
            catch (ArithmeticException)
            {
                callersFailures++;
                Assert.Equal(0, Volatile.Read(ref inside));
            }
        }

        Assert.True(callersFailures > 0);
    }

    [Fact]
    public void A_failure_on_a_workers_thread_arrives()
    {
        using var pool = new WorkerPool(2);
        int* entered = stackalloc int[1];
        *entered = 0;
        Assert.Throws<ArithmeticException>(() => pool.Run(new FailOnWorker(entered), 2));
    }

    [Fact]
    public void Sleeping_workers_wake()
    {
        using var pool = new WorkerPool(3);
        for (int repetition = 0; repetition < 20; repetition++)
        {
            Thread.Sleep(5);   // fifty times longer than workers spin
            int met = 0;
            pool.Run(new Meet(&met, 3), 3);   // returns only if three threads are in it at once
            Assert.Equal(3, met);
        }
    }

    [Theory, MemberData(nameof(ThreadCounts))]
    public void Dispose_stops_workers_that_spin_and_workers_that_sleep(int threads)
    {
        int* counts = stackalloc int[10];
        foreach (int wait in new[] { 0, 0, 0, 1, 5 })
        {
            var pool = new WorkerPool(threads);
            pool.Run(new Count(counts, threads), 10);
            Thread.Sleep(wait);
            pool.Dispose();
            pool.Dispose();
        }
    }

    [Fact]
    public void More_threads_than_processors_are_no_disaster()
    {
        using var pool = new WorkerPool(4 * Environment.ProcessorCount);
        int* counts = stackalloc int[64];
        var clock = Stopwatch.StartNew();
        for (int repetition = 0; repetition < 1000; repetition++)
            pool.Run(new Count(counts, pool.Threads), 64);

        // A scheduler's time slice is some milliseconds: one for each job would take several seconds.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 2);
    }

    [Theory, MemberData(nameof(ThreadCounts))]
    public void A_job_allocates_nothing(int threads)
    {
        using var pool = new WorkerPool(threads);
        int* counts = stackalloc int[64];
        for (int i = 0; i < 100; i++) pool.Run(new Count(counts, threads), 64);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) pool.Run(new Count(counts, threads), 64);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private readonly struct Count(int* counts, int threads) : IJob
    {
        public void Execute(int tile, int worker)
        {
            if (worker < 0 || worker >= threads) throw new InvalidOperationException($"Worker {worker} of {threads}.");
            Interlocked.Increment(ref counts[tile]);
        }
    }

    private readonly struct FailAt(int failing) : IJob
    {
        public void Execute(int tile, int worker)
        {
            if (tile == failing) throw new ArithmeticException("meant");
        }
    }

    private readonly struct FailOnCaller(int* inside) : IJob
    {
        public void Execute(int tile, int worker)
        {
            if (worker == 0)
            {
                long began = Stopwatch.GetTimestamp();
                while (Volatile.Read(ref *inside) == 0 && Stopwatch.GetElapsedTime(began).TotalMilliseconds < 100) Thread.Yield();
                throw new ArithmeticException("meant");
            }

            Interlocked.Increment(ref *inside);
            Thread.Sleep(2);
            Interlocked.Decrement(ref *inside);
        }
    }

    private readonly struct FailOnWorker(int* entered) : IJob
    {
        public void Execute(int tile, int worker)
        {
            Interlocked.Increment(ref *entered);
            if (worker != 0) throw new ArithmeticException("meant");
            long began = Stopwatch.GetTimestamp();   // leaves the other tile to the worker
            while (Volatile.Read(ref *entered) < 2 && Stopwatch.GetElapsedTime(began).TotalSeconds < 10) Thread.Yield();
        }
    }

    private readonly struct Meet(int* met, int expected) : IJob
    {
        public void Execute(int tile, int worker)
        {
            Interlocked.Increment(ref *met);
            long began = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref *met) < expected && Stopwatch.GetElapsedTime(began).TotalSeconds < 10) Thread.Yield();
        }
    }
}
