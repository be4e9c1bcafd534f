// Products of the types that the backend uses against loops in double precision over what the library reads, single and batched; and what it
// answers 15 to. Bounds: a rounding of 2^-24 for each of the sum's steps, and the rounding of the result's type.
using System.Runtime.InteropServices;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class CublasTypeTests : DeviceTests
{
    private const int F32 = 0, F16 = 2, I8 = 3, I32 = 10, BF16 = 14;
    private const int Compute32F = 68, Compute32FastTF32 = 77, Compute32I = 72;

    public static TheoryData<int, int, int, int> Types => new()
    {
        // inputs, output, compute, math mode
        { F32, F32, Compute32F, 0 },
        { F32, F32, Compute32FastTF32, 0 },
        { F32, F32, Compute32F, 3 },            // the mode asks for tf32
        { BF16, F32, Compute32F, 16 },
        { BF16, BF16, Compute32F, 16 },
        { F16, F32, Compute32F, 16 },
        { F16, F16, Compute32F, 16 },
    };

    [Theory, MemberData(nameof(Types))]
    public void Products_of_floats(int type, int result, int compute, int mode)
    {
        foreach ((int transA, int transB) in new[] { (0, 0), (1, 0), (0, 1), (1, 1) })
        {
            foreach ((int m, int n, int k) in new[] { (1, 1, 1), (5, 3, 11), (17, 9, 64), (4, 6, 0) })
                CheckFloats(type, result, compute, mode, transA, transB, m, n, k, batches: 1);
            CheckFloats(type, result, compute, mode, transA, transB, 5, 3, 11, batches: 3);
        }
    }

    [Fact]
    public void TF32_rounds_what_it_reads()
    {
        // 1 + 2^-11 is halfway between 1 and 1 + 2^-10: away from zero. In f32 the square has more digits.
        float x = 1 + MathF.ScaleB(1, -11), rounded = 1 + MathF.ScaleB(1, -10);
        Assert.Equal(rounded * rounded, Square(x, Compute32FastTF32));
        Assert.Equal((float)((double)x * x), Square(x, Compute32F));
        Assert.Equal(1f, Square(1 + MathF.ScaleB(1, -12), Compute32FastTF32));
    }

    [Theory, InlineData(1, 0), InlineData(1, 1), InlineData(0, 1)]
    public void Products_of_bytes_are_exact(int alpha, int beta)
    {
        foreach ((int m, int n, int k, int batches) in new[] { (1, 1, 4, 1), (7, 5, 12, 1), (33, 3, 516, 1), (7, 5, 12, 3) })
        {
            (nint stream, nint handle) = Open(0);
            var random = new Random(m);
            sbyte[] a = [.. Enumerable.Range(0, batches * m * k).Select(_ => (sbyte)random.Next(-128, 128))];
            sbyte[] b = [.. Enumerable.Range(0, batches * n * k).Select(_ => (sbyte)random.Next(-128, 128))];
            int[] c = [.. Enumerable.Range(0, batches * m * n).Select(_ => random.Next(-1000, 1000))];
            nint pa = Upload(a, stream), pb = Upload(b, stream), pc = Upload(c, stream);
            Assert.Equal(0, Batched(
                handle, 1, 0, m, n, k, &alpha, pa, I8, k, m * k, pb, I8, k, n * k, &beta, pc, I32, m, m * n, batches, Compute32I));
            int[] found = Download<int>(pc, c.Length, stream);
            for (int i = 0; i < c.Length; i++)
            {
                (int batch, int row, int column) = (i / (m * n), i % m, i / m % n);
                long sum = 0;
                for (int j = 0; j < k; j++) sum += a[(((batch * m) + row) * k) + j] * b[(((batch * n) + column) * k) + j];
                Assert.Equal((alpha * sum) + (beta * c[i]), found[i]);
            }
        }
    }

    [Fact]
    public void Bytes_have_rules()
    {
        (nint stream, nint handle) = Open(0);
        nint a = Upload(new sbyte[256], stream), c = Upload(new int[256], stream);
        Assert.Equal(0, Bytes(1, 0, a, 8, 1, 0));
        Assert.Equal(15, Bytes(1, 0, a, 7, 1, 0, k: 7));         // a leading dimension that is no multiple of 4
        Assert.Equal(15, Bytes(1, 0, a + 2, 8, 1, 0));           // an address
        Assert.Equal(15, Bytes(0, 0, a, 8, 1, 0));               // operations other than T, N
        Assert.Equal(15, Bytes(1, 1, a, 8, 1, 0));
        Assert.Equal(15, Bytes(1, 0, a, 8, 2, 0));               // factors other than 0 and 1
        Assert.Equal(15, Bytes(1, 0, a, 8, 1, -1));
        Assert.Equal(15, Bytes(1, 0, a, 8, 1, 0, result: F32));
        Assert.Equal(15, Bytes(1, 0, a, 8, 1, 0, compute: Compute32F));
        Assert.Contains("multiples of 4", Driver.Report());
        Driver.Good("cuStreamSynchronize", stream);

        int Bytes(int transA, int transB, nint from, int ld, int alpha, int beta, int k = 8, int result = I32, int compute = Compute32I) =>
            Single(handle, transA, transB, 8, 8, k, &alpha, from, I8, ld, from, I8, ld, &beta, c, result, 8, compute);
    }

    [Fact]
    public void What_has_no_product()
    {
        (nint stream, nint handle) = Open(0);
        nint p = Upload(new float[256], stream);
        float one = 1, zero = 0;
        Assert.Equal(15, Single(handle, 0, 0, 8, 8, 8, &one, p, F16, 8, p, BF16, 8, &zero, p, F32, 8, Compute32F));
        Assert.Equal(15, Single(handle, 0, 0, 8, 8, 8, &one, p, F32, 8, p, F32, 8, &zero, p, BF16, 8, Compute32F));
        Assert.Equal(15, Single(handle, 0, 0, 8, 8, 8, &one, p, BF16, 8, p, BF16, 8, &zero, p, BF16, 8, 64));
        Assert.Equal(15, Single(handle, 0, 0, 8, 8, 8, &one, p, BF16, 8, p, BF16, 8, &zero, p, F32, 8, Compute32FastTF32));

        // The third of the batches ends behind the memory.
        Assert.Equal(0, Batched(handle, 0, 0, 8, 8, 8, &one, p, F32, 8, 64, p, F32, 8, 64, &zero, p, F32, 8, 64, 4, Compute32F));
        Assert.Equal(7, Batched(handle, 0, 0, 8, 8, 8, &one, p, F32, 8, 65, p, F32, 8, 64, &zero, p, F32, 8, 64, 4, Compute32F));
        Assert.Contains("matrix A", Driver.Report());
    }

    private static void CheckFloats(int type, int result, int compute, int mode, int transA, int transB, int m, int n, int k, int batches)
    {
        (nint stream, nint handle) = Open(mode);
        float alpha = 0.5f, beta = 2f;
        float[] a = Values(batches * m * k, 1), b = Values(k * n, 2), c = Values(batches * m * n, 3);   // all batches share b
        nint pa = Put(a, type, stream), pb = Put(b, type, stream), pc = Put(c, result, stream);
        int lda = Math.Max(1, transA == 0 ? m : k), ldb = Math.Max(1, transB == 0 ? k : n);
        Assert.Equal(0, batches == 1
            ? Single(handle, transA, transB, m, n, k, &alpha, pa, type, lda, pb, type, ldb, &beta, pc, result, m, compute)
            : Batched(
                handle, transA, transB, m, n, k, &alpha, pa, type, lda, m * k, pb, type, ldb, 0, &beta, pc, result, m, m * n, batches,
                compute));
        float[] found = Take(pc, result, c.Length, stream);
        bool isTF32 = compute == Compute32FastTF32 || (mode == 3 && type == F32);
        for (int i = 0; i < found.Length; i++)
        {
            (int batch, int row, int column) = (i / (m * n), i % m, i / m % n);
            double sum = 0, size = 0;
            for (int j = 0; j < k; j++)
            {
                double left = Read(a[(batch * m * k) + (transA == 0 ? (j * m) + row : (row * k) + j)], type, isTF32);
                double right = Read(b[transB == 0 ? (column * k) + j : (j * n) + column], type, isTF32);
                sum += left * right;
                size += Math.Abs(left * right);
            }

            double start = beta * Read(c[i], result, false), expected = (alpha * sum) + start;
            double unit = result == BF16 ? 1.0 / 256 : result == F16 ? 1.0 / 2048 : 0;
            double least = result == F16 ? Math.ScaleB(1, -25) : 0;     // half the step between the smallest numbers
            double bound = ((k + 3) * (size + Math.Abs(start)) / (1 << 24)) + (unit * Math.Abs(expected)) + least;
            Assert.InRange(found[i] - expected, -bound, bound);
        }
    }

    // What the library takes a number for: stored in its type, and, as tf32, with ten digits behind the point, halves away from zero.
    private static double Read(float value, int type, bool isTF32)
    {
        if (type == F16) return (double)(Half)value;
        if (type == BF16) return BitConverter.UInt32BitsToSingle((uint)Upper(value) << 16);
        if (!isTF32 || value == 0) return value;
        double unit = Math.ScaleB(1, Math.ILogB(value) - 10);
        return Math.Round(value / unit, MidpointRounding.AwayFromZero) * unit;
    }

    // Rounded to bfloat16, ties to even.
    private static ushort Upper(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static float Square(float x, int compute)
    {
        (nint stream, nint handle) = Open(0);
        nint p = Upload(new[] { x, 0f }, stream);
        float one = 1, zero = 0;
        Assert.Equal(0, Single(handle, 0, 0, 1, 1, 1, &one, p, F32, 1, p, F32, 1, &zero, p + 4, F32, 1, compute));
        return Driver.Download(p + 4, 1, stream)[0];
    }

    private static (nint Stream, nint Handle) Open(int mode)
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), handle = Driver.Made("cublasCreate_v2");
        Driver.Good("cublasSetStream_v2", handle, stream);
        Driver.Good("cublasSetMathMode", handle, mode);
        return (stream, handle);
    }

    private static nint Put(float[] values, int type, nint stream) => type switch
    {
        F16 => Upload(Array.ConvertAll(values, static value => (Half)value), stream),
        BF16 => Upload(Array.ConvertAll(values, Upper), stream),
        _ => Upload(values, stream),
    };

    private static float[] Take(nint pointer, int type, int count, nint stream) => type switch
    {
        F16 => Array.ConvertAll(Download<Half>(pointer, count, stream), static value => (float)value),
        BF16 => Array.ConvertAll(Download<ushort>(pointer, count, stream), static value => BitConverter.UInt32BitsToSingle((uint)value << 16)),
        _ => Download<float>(pointer, count, stream),
    };

    private static nint Upload<T>(T[] values, nint stream) where T : unmanaged
    {
        nint pointer = Driver.Made("cuMemAlloc_v2", Math.Max(16, values.Length * sizeof(T)));
        fixed (T* from = values)
            if (values.Length > 0) Driver.Good("cuMemcpyHtoDAsync_v2", pointer, (nint)from, values.Length * sizeof(T), stream);
        return pointer;
    }

    private static T[] Download<T>(nint pointer, int count, nint stream) where T : unmanaged
    {
        var values = new T[count];
        fixed (T* to = values) Driver.Good("cuMemcpyDtoHAsync_v2", (nint)to, pointer, count * sizeof(T), stream);
        return values;
    }

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    private static int Single(nint handle, int transA, int transB, int m, int n, int k, void* alpha, nint a, int typeA, int lda,
        nint b, int typeB, int ldb, void* beta, nint c, int typeC, int ldc, int compute) =>
        ((delegate* unmanaged[Cdecl]<nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)
            NativeLibrary.GetExport(Driver.Library, "cublasGemmEx"))(
            handle, transA, transB, m, n, k, alpha, a, typeA, lda, b, typeB, ldb, beta, c, typeC, ldc, compute, -1);

    private static int Batched(nint handle, int transA, int transB, int m, int n, int k, void* alpha, nint a, int typeA, int lda, long strideA,
        nint b, int typeB, int ldb, long strideB, void* beta, nint c, int typeC, int ldc, long strideC, int batches, int compute) =>
        ((delegate* unmanaged[Cdecl]<
            nint, int, int, int, int, int, void*, nint, int, int, long, nint, int, int, long, void*, nint, int, int, long, int, int, int, int>)
            NativeLibrary.GetExport(Driver.Library, "cublasGemmStridedBatchedEx"))(
            handle, transA, transB, m, n, k, alpha, a, typeA, lda, strideA, b, typeB, ldb, strideB, beta, c, typeC, ldc, strideC, batches,
            compute, -1);
}
