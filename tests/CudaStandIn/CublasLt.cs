// cuBLASLt: descriptions, layouts, preferences, the choice of an algorithm, and the product. An algorithm remembers what it was chosen
// for, and a product that differs from it is refused: the library's own would fail, or read and write beside the matrices.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxMachine.Memory;

namespace CudaStandIn;

internal abstract class LtThing;

internal sealed class LtHandle : LtThing;

internal sealed class LtDescription : LtThing
{
    public int Compute { get; init; }

    public int Scale { get; init; }

    public int TransA { get; set; }

    public int TransB { get; set; }

    public uint Epilogue { get; set; } = 1;

    public ulong Bias { get; set; }
}

internal sealed class LtLayout : LtThing
{
    public int Type { get; init; }

    public ulong Rows { get; init; }

    public ulong Columns { get; init; }

    public long Leading { get; init; }
}

internal sealed class LtPreference : LtThing
{
    public ulong WorkspaceBytes { get; set; }

    public uint Reductions { get; set; } = 7;

    /// <summary>Of A, B, C and D.</summary>
    public uint[] Alignments { get; } = [256, 256, 256, 256];
}

internal static unsafe class CublasLt
{
    private const int AllocationFailed = 3, InvalidValue = 7, NotSupported = 15;
    private const int WordsOfChoice = 12, WordsOfAlgorithm = 8;
    private const ulong Magic = 0x7472_6F67_6C61_746C;
    private const uint Default = 1, CutOff = 2, AddBias = 4;
    private const uint InComputeType = 2;

    [UnmanagedCallersOnly(EntryPoint = "cublasLtCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int Create(nint* handle) => Cublas.Call("cublasLtCreate", () =>
    {
        DriverGraphs.Unsafe("cublasLtCreate");
        return Make("cublasLtCreate", handle, new LtHandle());
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int Destroy(nint handle) => Drop<LtHandle>("cublasLtDestroy", handle);

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulDescCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int CreateDescription(nint* description, int compute, int scale) => OnHost("cublasLtMatmulDescCreate", () =>
    {
        if (scale != (compute == 72 ? 10 : 0)) return InvalidValue;
        return Make("cublasLtMatmulDescCreate", description, new LtDescription { Compute = compute, Scale = scale });
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulDescSetAttribute", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetDescription(nint description, int attribute, void* value, nuint bytes) =>
        OnHost("cublasLtMatmulDescSetAttribute", () =>
        {
            LtDescription found = Machine.Handles.Get<LtDescription>(description);
            Expect(attribute, value, bytes, attribute switch { 3 or 4 or 7 => 4, 8 => 8, _ => 0 });
            switch (attribute)
            {
                case 3: found.TransA = *(int*)value; break;
                case 4: found.TransB = *(int*)value; break;
                case 7:
                    uint epilogue = *(uint*)value;
                    if (epilogue is not (Default or CutOff or AddBias or (CutOff | AddBias)))
                        throw new StandInException(NotSupported, $"the epilogue is {epilogue}");
                    found.Epilogue = epilogue;
                    break;
                default: found.Bias = *(ulong*)value; break;
            }

            return 0;
        });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulDescDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int DestroyDescription(nint description) => Drop<LtDescription>("cublasLtMatmulDescDestroy", description);

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatrixLayoutCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int CreateLayout(nint* layout, int type, ulong rows, ulong columns, long leading) =>
        OnHost("cublasLtMatrixLayoutCreate", () =>
        {
            if (rows > int.MaxValue || columns > int.MaxValue || leading < (long)rows || leading > int.MaxValue)
                throw new StandInException(InvalidValue, $"the layout is {rows} × {columns} with {leading} to the next column");
            return Make(
                "cublasLtMatrixLayoutCreate", layout, new LtLayout { Type = type, Rows = rows, Columns = columns, Leading = leading });
        });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatrixLayoutDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int DestroyLayout(nint layout) => Drop<LtLayout>("cublasLtMatrixLayoutDestroy", layout);

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulPreferenceCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int CreatePreference(nint* preference) => OnHost(
        "cublasLtMatmulPreferenceCreate", () => Make("cublasLtMatmulPreferenceCreate", preference, new LtPreference()));

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulPreferenceSetAttribute", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetPreference(nint preference, int attribute, void* value, nuint bytes) =>
        OnHost("cublasLtMatmulPreferenceSetAttribute", () =>
        {
            LtPreference found = Machine.Handles.Get<LtPreference>(preference);
            Expect(attribute, value, bytes, attribute switch { 1 => 8, 3 or 5 or 6 or 7 or 8 => 4, _ => 0 });
            if (attribute == 1) found.WorkspaceBytes = *(ulong*)value;
            else if (attribute == 3) found.Reductions = *(uint*)value;
            else
            {
                uint alignment = *(uint*)value;
                if (!ulong.IsPow2(alignment)) throw new StandInException(InvalidValue, $"the alignment is {alignment}, no power of two");
                found.Alignments[attribute - 5] = alignment;
            }

            return 0;
        });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulPreferenceDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int DestroyPreference(nint preference) => Drop<LtPreference>("cublasLtMatmulPreferenceDestroy", preference);

    // Two choices where sums may be cut in parts, which takes workspace; otherwise one.
    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmulAlgoGetHeuristic", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetHeuristic(
        nint handle, nint description, nint a, nint b, nint c, nint d, nint preference, int asked, ulong* choices, int* found) =>
        Cublas.Call("cublasLtMatmulAlgoGetHeuristic", () =>
        {
            DriverGraphs.Unsafe("cublasLtMatmulAlgoGetHeuristic");
            Machine.Handles.Get<LtHandle>(handle);
            LtDescription what = Machine.Handles.Get<LtDescription>(description);
            LtPreference preferred = Machine.Handles.Get<LtPreference>(preference);
            if (asked < 1 || choices == null || found == null) return InvalidValue;
            *found = 0;
            Gemm gemm = Describe(what, Layout(a), Layout(b), Layout(c), Layout(d));
            (gemm.Alpha, gemm.Beta) = (1, 0);
            if (gemm.Problem() is { } invalid) throw new StandInException(InvalidValue, invalid);
            if (Machine.Settings.LtFindsNothing || gemm.Unsupported() is not null || (gemm.Compute == 72 && what.Epilogue != Default))
                return NotSupported;
            if ((what.Epilogue & AddBias) != 0 && what.Bias == 0)
                throw new StandInException(InvalidValue, "a bias is to be added, and no address says how it is aligned");
            ulong parts = Round256(2UL * (ulong)gemm.M * (ulong)gemm.N * sizeof(float));
            bool cuts = gemm.K >= 64 && (preferred.Reductions & InComputeType) != 0 && parts <= preferred.WorkspaceBytes;
            if (cuts) Choose(choices + (WordsOfChoice * (*found)++), gemm, what, preferred, parts);
            if (*found < asked) Choose(choices + (WordsOfChoice * (*found)++), gemm, what, preferred, 0);
            return 0;
        });

    [UnmanagedCallersOnly(EntryPoint = "cublasLtMatmul", CallConvs = [typeof(CallConvCdecl)])]
    public static int Multiply(
        nint handle, nint description, void* alpha, ulong a, nint layoutA, ulong b, nint layoutB, void* beta, ulong c, nint layoutC,
        ulong d, nint layoutD, ulong* algorithm, ulong workspace, nuint workspaceBytes, nint stream) =>
        Cublas.Call("cublasLtMatmul", () =>
        {
            Machine.Handles.Get<LtHandle>(handle);
            LtDescription what = Machine.Handles.Get<LtDescription>(description);
            if (alpha == null || beta == null || algorithm == null || c != d) return InvalidValue;
            Gemm gemm = Describe(what, Layout(layoutA), Layout(layoutB), Layout(layoutC), Layout(layoutD));
            (gemm.A, gemm.B, gemm.C) = (a, b, c);
            if (gemm.Compute == 72) (gemm.Alpha, gemm.Beta) = (*(int*)alpha, *(int*)beta);
            else (gemm.Alpha, gemm.Beta) = (*(float*)alpha, *(float*)beta);
            if (gemm.Problem() is { } invalid) throw new StandInException(InvalidValue, invalid);
            if (gemm.Unsupported() is { } unsupported) throw new StandInException(NotSupported, unsupported);
            if (gemm.M == 0 || gemm.N == 0) return 0;
            gemm.CheckRanges();
            ulong needed = Check(algorithm, gemm, what);
            if (workspaceBytes < needed)
                throw new StandInException(InvalidValue, $"the workspace has {workspaceBytes:N0} bytes, the algorithm needs {needed:N0}");
            if ((workspace & 255) != 0) throw new StandInException(InvalidValue, "the workspace is not aligned to 256 bytes");
            if (needed > 0) DriverMemory.Range(workspace, workspaceBytes);
            Machine.Counters.Products++;
            Machine.Counters.LtProducts++;
            DriverStreams.Enqueue(DriverStreams.Get(stream, "cublasLtMatmul"), new Work("gemm", "cublasLtMatmul", order =>
            {
                UseWorkspace(order, workspace, needed);
                gemm.Run(order);
            }));
            return 0;
        });

    private static LtLayout Layout(nint layout) => Machine.Handles.Get<LtLayout>(layout);

    // Without addresses; throws where the matrices do not fit each other.
    private static Gemm Describe(LtDescription what, LtLayout a, LtLayout b, LtLayout c, LtLayout d)
    {
        (ulong m, ulong k) = what.TransA == 0 ? (a.Rows, a.Columns) : (a.Columns, a.Rows);
        (ulong otherK, ulong n) = what.TransB == 0 ? (b.Rows, b.Columns) : (b.Columns, b.Rows);
        if (k != otherK || c.Rows != m || c.Columns != n || (d.Type, d.Rows, d.Columns, d.Leading) != (c.Type, c.Rows, c.Columns, c.Leading))
            throw new StandInException(InvalidValue, $"op(A) is {m} × {k}, op(B) {otherK} × {n}, C {c.Rows} × {c.Columns}, D {d.Rows} × {d.Columns}");
        return new Gemm
        {
            TransA = what.TransA, TransB = what.TransB, M = (int)m, N = (int)n, K = (int)k, TypeA = a.Type, TypeB = b.Type,
            TypeC = c.Type, LdA = (int)a.Leading, LdB = (int)b.Leading, LdC = (int)c.Leading, Compute = what.Compute, Batches = 1,
            TF32 = what.Compute == 77, Bias = (what.Epilogue & AddBias) != 0 ? what.Bias : 0, CutsOff = (what.Epilogue & CutOff) != 0,
        };
    }

    // The algorithm's eight words, then the workspace, the state, and what is not looked at.
    private static void Choose(ulong* choice, Gemm gemm, LtDescription what, LtPreference preferred, ulong workspaceBytes)
    {
        new Span<ulong>(choice, WordsOfChoice).Clear();
        choice[0] = Magic;
        choice[1] = Identity(gemm, what);
        choice[2] = workspaceBytes;
        for (int i = 0; i < preferred.Alignments.Length; i++) choice[3] |= (ulong)preferred.Alignments[i] << (16 * i);
        choice[4] = gemm.Bias & (0 - gemm.Bias);
        choice[WordsOfAlgorithm] = workspaceBytes;
    }

    // Gives the bytes of workspace that the algorithm needs.
    private static ulong Check(ulong* algorithm, Gemm gemm, LtDescription what)
    {
        if (algorithm[0] != Magic) throw new StandInException(InvalidValue, "the algorithm is none that was found here");
        if (algorithm[1] != Identity(gemm, what)) throw new StandInException(InvalidValue, "the algorithm was found for another product");
        ulong[] addresses = [gemm.A, gemm.B, gemm.C, gemm.C];
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong promised = (algorithm[3] >> (16 * i)) & 0xFFFF;
            if (addresses[i] % promised != 0)
                throw new StandInException(InvalidValue, $"{"ABCD"[i]} at 0x{addresses[i]:X} was said to be aligned to {promised} bytes");
        }

        if (gemm.Bias % Math.Clamp(algorithm[4], 1, 256) != 0)
            throw new StandInException(InvalidValue, $"the bias at 0x{gemm.Bias:X} was said to be aligned to {algorithm[4]} bytes");
        return algorithm[2];
    }

    private static ulong Identity(Gemm gemm, LtDescription what)
    {
        ulong hash = 14695981039346656037;
        foreach (int part in (int[])[
            gemm.TransA, gemm.TransB, gemm.M, gemm.N, gemm.K, gemm.TypeA, gemm.TypeB, gemm.TypeC, gemm.LdA, gemm.LdB, gemm.LdC,
            gemm.Compute, (int)what.Epilogue])
            hash = (hash ^ (uint)part) * 1099511628211;
        return hash;
    }

    // Products of two streams must not share it.
    private static void UseWorkspace(WorkOrder? order, ulong workspace, ulong bytes)
    {
        if (bytes == 0) return;
        Allocation allocation = DriverMemory.Range(workspace, (nuint)bytes);
        DriverMemory.Use(order, allocation, workspace - allocation.Start, bytes, write: true);
    }

    private static void Expect(int attribute, void* value, nuint bytes, int expected)
    {
        if (expected == 0) throw new StandInException(InvalidValue, $"the attribute {attribute} is not known");
        if (value == null || bytes != (nuint)expected)
            throw new StandInException(InvalidValue, $"attribute {attribute} has {bytes} bytes, expected {expected}");
    }

    private static int Make(string call, nint* handle, LtThing thing)
    {
        if (handle == null) return InvalidValue;
        if (Machine.Settings.FailsAllocation())
        {
            Machine.Note($"{call}: this allocation was told to fail");
            return AllocationFailed;
        }

        *handle = Machine.Handles.Add(thing);
        return 0;
    }

    private static int Drop<T>(string call, nint handle) where T : LtThing => OnHost(call, () =>
    {
        Machine.Handles.Get<T>(handle);
        Machine.Handles.Remove(handle);
        return 0;
    });

    private static int OnHost(string name, Func<int> body) => Cublas.Call(name, body, needsContext: false);

    private static ulong Round256(ulong bytes) => (bytes + 255) & ~255UL;
}
