// Storage and frames.
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    [Fact]
    public void A_backend_says_what_it_is() => Assert.False(string.IsNullOrWhiteSpace(Backend.Description));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    [InlineData(1, 1)]
    [InlineData(7, 33)]
    [InlineData(64, 512)]
    public void What_is_written_is_read_and_new_storage_is_zero(int rows, int columns)
    {
        Tensor numbers = Backend.Allocate(new Shape(rows, columns), DType.Float32);
        Tensor integers = Backend.Allocate(new Shape(rows, columns), DType.Int32);
        Assert.All(Floats(Backend, numbers), static value => Assert.Equal(0f, value));
        Assert.All(Integers(Backend, integers), static value => Assert.Equal(0, value));

        float[] values = Values(rows * columns, seed: 1);
        int[] counts = [.. Enumerable.Range(-5, rows * columns)];
        Backend.Write(numbers, values);
        Backend.Write(integers, counts);
        AssertSameBits("read", values, Floats(Backend, numbers));
        Assert.Equal(counts, Integers(Backend, integers));
        Backend.Free(numbers);
        Backend.Free(integers);
    }

    [Fact]
    public void Writing_a_view_leaves_its_surroundings_alone()
    {
        InFrame(Backend, b =>
        {
            Tensor part = Surrounded(b, 5, 17, out Tensor whole);
            float[] values = Values(5 * 17, seed: 2);
            b.Write(part, values);
            AssertSameBits("view", values, Floats(b, part));
            AssertOnlyInside(Floats(b, whole), 5, 17);
            return true;
        });
    }

    [Fact]
    public void A_backend_that_is_disposed_has_freed_everything()
    {
        IBackend backend = Create();
        Tensor tensor = backend.Allocate(new Shape(3, 4), DType.Float32);
        KeyValueCache cache = backend.AllocateCache(2, 8, 8, 2);
        backend.Dispose();
        backend.Free(tensor);
        backend.FreeCache(cache);
        backend.Dispose();
        Assert.Throws<ObjectDisposedException>(() => backend.Allocate(new Shape(3, 4), DType.Float32));
        Assert.Throws<ObjectDisposedException>(() => backend.AllocateCache(2, 8, 8, 2));
        Assert.Throws<ObjectDisposedException>(backend.BeginFrame);
    }

    [Fact]
    public void Storage_that_is_allocated_outlives_frames()
    {
        Tensor tensor = Backend.Allocate(new Shape(3, 4), DType.Float32);
        float[] values = Values(12, seed: 3);
        Backend.Write(tensor, values);
        for (int frame = 0; frame < 3; frame++)
            InFrame(Backend, b => Put(b, 300, 400, new float[120_000]));
        AssertSameBits("kept", values, Floats(Backend, tensor));
        Backend.Free(tensor);
    }

    [Fact]
    public void Tensors_of_one_frame_do_not_overlap()
    {
        InFrame(Backend, b =>
        {
            var random = new Random(4);
            var tables = new List<(Tensor Tensor, float[] Values)>();
            for (int i = 0; i < 50; i++)
            {
                var shape = new Shape(random.Next(0, 40), random.Next(0, 200));
                float[] values = Values((int)shape.Count, seed: i);
                tables.Add((Put(b, shape.Rows, shape.Columns, values), values));
            }

            foreach ((Tensor tensor, float[] values) in tables) AssertSameBits("table", values, Floats(b, tensor));
            return true;
        });
    }

    [Fact]
    public void Frames_do_not_nest_and_only_an_open_one_ends_or_rents()
    {
        Assert.Throws<InvalidOperationException>(() => Backend.EndFrame());
        Assert.Throws<InvalidOperationException>(() => Backend.Rent(new Shape(1, 1), DType.Float32));
        Backend.BeginFrame();
        Assert.Throws<InvalidOperationException>(() => Backend.BeginFrame());
        Backend.EndFrame();
        Assert.Throws<InvalidOperationException>(() => Backend.EndFrame());
    }

    [Fact]
    public void A_thousand_frames_take_no_more_memory_than_a_few()
    {
        const int Megabyte = 1 << 20;
        var values = new float[512 * 512];
        for (int frame = 0; frame < 10; frame++) InFrame(Backend, b => Put(b, 512, 512, values));
        long before = Environment.WorkingSet;
        for (int frame = 0; frame < 1000; frame++) InFrame(Backend, b => Put(b, 512, 512, values));
        // Frames that were kept would be 1000 MiB; other tests run meanwhile and may take some.
        Assert.InRange(Environment.WorkingSet - before, long.MinValue, 700L * Megabyte);
    }

    [Fact]
    public void Storage_refuses_what_cannot_be()
    {
        Assert.Throws<ArgumentException>(() => Backend.Allocate(new Shape(-1, 2), DType.Float32));
        Assert.Throws<ArgumentException>(() => Backend.Allocate(new Shape(2, -1), DType.Int32));
        Tensor numbers = Backend.Allocate(new Shape(2, 3), DType.Float32);
        Tensor integers = Backend.Allocate(new Shape(2, 3), DType.Int32);
        Assert.Throws<ArgumentException>(() => Backend.Write(numbers, new float[5]));
        Assert.Throws<ArgumentException>(() => Backend.Write(numbers, new int[6]));
        Assert.Throws<ArgumentException>(() => Backend.Write(integers, new float[6]));
        Assert.Throws<ArgumentException>(() => Backend.Write(integers, new int[7]));
        Assert.Throws<ArgumentException>(() => Backend.Read(numbers, new float[7]));
        Assert.Throws<ArgumentException>(() => Backend.Read(numbers, new int[6]));
        Assert.Throws<ArgumentException>(() => Backend.Read(integers, new float[6]));
        Assert.Throws<ArgumentException>(() => Backend.Read(integers, new int[5]));
        Backend.Free(numbers);
        Backend.Free(integers);
    }
}
