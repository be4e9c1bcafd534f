// C = alpha · op(A) · op(B) + beta · C, column-major, for the types that the backend uses. Sums are f32 (or int32), over k
// in eight interleaved chains: another order than the library's, so results behind it are compared with a tolerance.
using System.Runtime.Intrinsics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace CudaStandIn;

internal sealed unsafe class Gemm
{
    private const int F32 = 0, F16 = 2, I8 = 3, I32 = 10, BF16 = 14;

    public int TransA, TransB, M, N, K, TypeA, TypeB, TypeC, LdA, LdB, LdC, Compute, Batches;
    public ulong A, B, C;

    /// <summary>Address of a float32 number for each row of C; 0: there are none.</summary>
    public ulong Bias;

    public long StrideA, StrideB, StrideC;
    public float Alpha, Beta;
    public bool TF32;

    /// <summary>Whether 0 takes the place of what is not above it.</summary>
    public bool CutsOff;

    /// <summary>What is an invalid value, or null.</summary>
    public string? Problem()
    {
        if (M < 0 || N < 0 || K < 0 || Batches < 0) return $"the sizes are {M}, {N}, {K}, {Batches} batches";
        if (TransA is not (0 or 1 or 2) || TransB is not (0 or 1 or 2)) return $"the operations are {TransA} and {TransB}";
        int rowsA = TransA == 0 ? M : K, rowsB = TransB == 0 ? K : N;
        if (LdA < Math.Max(1, rowsA)) return $"the leading dimension of A is {LdA}, at least {rowsA} is expected";
        if (LdB < Math.Max(1, rowsB)) return $"the leading dimension of B is {LdB}, at least {rowsB} is expected";
        if (LdC < Math.Max(1, M)) return $"the leading dimension of C is {LdC}, at least {M} is expected";
        return null;
    }

    /// <summary>What the library does not do, or null.</summary>
    public string? Unsupported()
    {
        bool types = (TypeA, TypeB, TypeC, Compute) switch
        {
            (F32, F32, F32, 68 or 69 or 74 or 75 or 77) => true,
            (F16, F16, F16 or F32, 68) => true,
            (BF16, BF16, BF16 or F32, 68) => true,
            (I8, I8, I32, 72) => true,
            _ => false,
        };
        if (!types) return $"types {TypeA}, {TypeB} to {TypeC} with compute type {Compute}";
        if (Compute != 72) return null;
        if (Alpha is not (0 or 1) || Beta is not (0 or 1)) return $"alpha is {Alpha} and beta {Beta}, int8 products have only 0 and 1";
        if (TransA != 1 || TransB != 0) return "int8 products are T, N only";
        if (((A | B | C) & 3) != 0 || LdA % 4 != 0 || LdB % 4 != 0 || StrideA % 4 != 0 || StrideB % 4 != 0)
            return "addresses and leading dimensions of int8 products are multiples of 4";
        return null;
    }

    /// <summary>Throws where a matrix leaves its allocation.</summary>
    public void CheckRanges()
    {
        Range("A", A, TypeA, TransA == 0 ? M : K, TransA == 0 ? K : M, LdA, StrideA);
        Range("B", B, TypeB, TransB == 0 ? K : N, TransB == 0 ? N : K, LdB, StrideB);
        Range("C", C, TypeC, M, N, LdC, StrideC);
        if (Bias != 0) Range("bias", Bias, F32, M, 1, M, 0);
    }

    public void Run(WorkOrder? order)
    {
        for (int batch = 0; batch < Batches; batch++)
        {
            Use(order, A, TypeA, TransA == 0 ? M : K, TransA == 0 ? K : M, LdA, StrideA * batch, write: false);
            Use(order, B, TypeB, TransB == 0 ? K : N, TransB == 0 ? N : K, LdB, StrideB * batch, write: false);
            Use(order, C, TypeC, M, N, LdC, StrideC * batch, write: true);
            byte* a = Read("A", A, TypeA, TransA == 0 ? M : K, TransA == 0 ? K : M, LdA, StrideA * batch);
            byte* b = Read("B", B, TypeB, TransB == 0 ? K : N, TransB == 0 ? N : K, LdB, StrideB * batch);
            byte* c = Beta != 0
                ? Read("C", C, TypeC, M, N, LdC, StrideC * batch)
                : Place(C + (ulong)(StrideC * batch * Bytes(TypeC)), out _);
            byte* bias = null;
            if (Bias != 0)
            {
                Use(order, Bias, F32, M, 1, M, 0, write: false);
                bias = Read("bias", Bias, F32, M, 1, M, 0);
            }

            if (Compute == 72) MultiplyIntegers((sbyte*)a, (sbyte*)b, (int*)c);
            else Multiply(a, b, c, (float*)bias);
            for (int column = 0; column < N; column++) Mark(C + (ulong)(((StrideC * batch) + ((long)column * LdC)) * Bytes(TypeC)));
        }
    }

    private void Multiply(byte* a, byte* b, byte* c, float* bias)
    {
        // Both sides with k contiguous, so that an element of C is a dot product.
        float[] rows = Pack(a, TypeA, M, LdA, TransA != 0), columns = Pack(b, TypeB, N, LdB, TransB == 0);
        nint target = (nint)c, added = (nint)bias;
        Parallel.For(0, N, column =>
        {
            for (int row = 0; row < M; row++)
            {
                float sum = Alpha * Dot(rows.AsSpan(row * K, K), columns.AsSpan(column * K, K));
                long at = ((long)column * LdC) + row;
                if (Beta != 0) sum += Beta * Load((byte*)target, TypeC, at);
                if (added != 0) sum += ((float*)added)[row];
                if (CutsOff && !(sum > 0)) sum = 0;
                Store((byte*)target, at, sum);
            }
        });
    }

    private void MultiplyIntegers(sbyte* a, sbyte* b, int* c)
    {
        for (int column = 0; column < N; column++)
        {
            for (int row = 0; row < M; row++)
            {
                int sum = 0;
                sbyte* x = a + ((long)row * LdA), y = b + ((long)column * LdB);
                for (int i = 0; i < K; i++) sum += x[i] * y[i];
                int* at = c + ((long)column * LdC) + row;
                *at = (Alpha != 0 ? sum : 0) + (Beta != 0 ? *at : 0);
            }
        }
    }

    private float[] Pack(byte* matrix, int type, int outer, int ld, bool alongK)
    {
        float[] packed = new float[(long)outer * K];
        for (int o = 0; o < outer; o++)
        {
            for (int i = 0; i < K; i++)
            {
                float value = Load(matrix, type, alongK ? ((long)o * ld) + i : ((long)i * ld) + o);
                if (TF32) value = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + 0x1000) & 0xFFFF_E000);
                packed[((long)o * K) + i] = value;
            }
        }

        return packed;
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector256<float> sums = Vector256<float>.Zero;
        int i = 0;
        for (; i <= a.Length - 8; i += 8)
            sums = Vector256.FusedMultiplyAdd(Vector256.Create(a[i..]), Vector256.Create(b[i..]), sums);
        float sum = Vector256.Sum(sums);
        for (; i < a.Length; i++) sum = MathF.FusedMultiplyAdd(a[i], b[i], sum);
        return sum;
    }

    private static float Load(byte* matrix, int type, long at) => type switch
    {
        F32 => ((float*)matrix)[at],
        F16 => (float)((Half*)matrix)[at],
        _ => BitConverter.UInt32BitsToSingle((uint)((ushort*)matrix)[at] << 16),
    };

    private void Store(byte* matrix, long at, float value)
    {
        if (TypeC == F32) ((float*)matrix)[at] = value;
        else if (TypeC == F16) ((Half*)matrix)[at] = (Half)value;
        else ((ushort*)matrix)[at] = PtxMachine.Opcodes.BF16.FromSingle(value);
    }

    private void Range(string name, ulong start, int type, int rows, int columns, int ld, long stride)
    {
        if (rows == 0 || columns == 0) return;
        if (start % (ulong)Bytes(type) != 0) throw new StandInException(Code.InvalidValue, $"{name} at 0x{start:X} is not aligned");
        long elements = (stride * (Batches - 1)) + ((long)ld * (columns - 1)) + rows;
        try
        {
            DriverMemory.Range(start, (nuint)(elements * Bytes(type)));
        }
        catch (StandInException exception)
        {
            throw new StandInException(exception.Code, $"matrix {name}: {exception.Message}");
        }
    }

    // A matrix that is read must have been written, column by column; the gaps between columns need not.
    private static byte* Read(string name, ulong start, int type, int rows, int columns, int ld, long offset)
    {
        ulong first = start + (ulong)(offset * Bytes(type));
        if (rows == 0 || columns == 0) return null;
        byte* host = Place(first, out Allocation allocation);
        for (int column = 0; column < columns; column++)
        {
            ulong at = first - allocation.Start + ((ulong)column * (ulong)ld * (ulong)Bytes(type));
            long bad = allocation.FirstUnwritten(at, (ulong)rows * (ulong)Bytes(type));
            if (bad >= 0)
                throw new PtxFaultException(FaultKind.NeverWritten, $"matrix {name}: read of memory that was never written: offset {bad:N0} of {allocation}, column {column}");
        }

        return host;
    }

    // Column by column: what lies between them is not the product's.
    private static void Use(WorkOrder? order, ulong start, int type, int rows, int columns, int ld, long offset, bool write)
    {
        if (order == null || rows == 0) return;
        for (int column = 0; column < columns; column++)
        {
            ulong at = start + (ulong)((offset + ((long)column * ld)) * Bytes(type));
            Place(at, out Allocation allocation);
            DriverMemory.Use(order, allocation, at - allocation.Start, (ulong)rows * (ulong)Bytes(type), write);
        }
    }

    private static byte* Place(ulong address, out Allocation allocation)
    {
        allocation = DriverMemory.Range(address, 1);
        return allocation.Host + (address - allocation.Start);
    }

    private void Mark(ulong address)
    {
        Place(address, out Allocation allocation);
        allocation.MarkWritten(address - allocation.Start, (ulong)M * (ulong)Bytes(TypeC));
    }

    private static int Bytes(int type) => type switch
    {
        F32 or I32 => 4,
        I8 => 1,
        _ => 2,
    };
}
