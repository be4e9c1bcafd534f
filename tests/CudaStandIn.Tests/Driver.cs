// The stand-in through its exports, as the backend calls it: libcuda.so.1 by name, each entry point by its exact name.
using System.Runtime.InteropServices;
using System.Text;

namespace CudaStandIn.Tests;

internal static unsafe class Driver
{
    public static readonly nint Library = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libcuda.so.1"));

    private static bool s_isRead;

    /// <summary>y[i] = x[i] + y[i] for i below a count, and twice that, for graphs and streams.</summary>
    public const string Kernels = """
        .version 7.0
        .target sm_80
        .address_size 64
        .visible .entry add(.param .u64 x, .param .u64 y, .param .u32 n)
        {
            .reg .pred %p<2>; .reg .b32 %r<8>; .reg .f32 %f<4>; .reg .b64 %rd<8>;
            ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y]; ld.param.u32 %r1, [n];
            mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x; mad.lo.s32 %r5, %r2, %r3, %r4;
            setp.ge.s32 %p1, %r5, %r1; @%p1 bra END;
            mul.wide.s32 %rd3, %r5, 4; add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;
            ld.global.f32 %f1, [%rd4]; ld.global.f32 %f2, [%rd5]; add.rn.f32 %f3, %f1, %f2; st.global.f32 [%rd5], %f3;
        END: ret;
        }
        """;

    public static int Call(string name, params ReadOnlySpan<nint> a)
    {
        nint f = NativeLibrary.GetExport(Library, name);
        nint At(ReadOnlySpan<nint> all, int i) => i < all.Length ? all[i] : 0;
        // Integer arguments of any width travel in the same registers; what a function does not take it does not read.
        return ((delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, nint, nint, nint, nint, nint, nint, int>)f)(
            At(a, 0), At(a, 1), At(a, 2), At(a, 3), At(a, 4), At(a, 5), At(a, 6), At(a, 7), At(a, 8), At(a, 9), At(a, 10));
    }

    public static void Good(string name, params ReadOnlySpan<nint> arguments)
    {
        int code = Call(name, arguments);
        if (code != 0) throw new InvalidOperationException($"{name} is {code}: {Report()}");
    }

    /// <summary>A call whose first argument is where its result goes.</summary>
    public static nint Made(string name, params ReadOnlySpan<nint> arguments)
    {
        nint result = 0;
        Good(name, [(nint)(&result), .. arguments]);
        return result;
    }

    public static void Arm(string word, long value)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(word + '\0')) Good("standin_arm", (nint)text, (nint)value);
    }

    public static long Count(string word)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(word + '\0'))
            return ((delegate* unmanaged[Cdecl]<byte*, long>)NativeLibrary.GetExport(Library, "standin_count"))(text);
    }

    /// <summary>What the checks found; a test that expects something asks for it.</summary>
    public static string Report()
    {
        s_isRead = true;
        return Found();
    }

    /// <summary>Everything as in a new process, once what was found has been asked for.</summary>
    public static void End()
    {
        string report = s_isRead ? "" : Found();
        Arm("reset", 0);
        s_isRead = false;
        if (report.Length > 0) throw new InvalidOperationException($"Nobody expected this: {report}");
    }

    private static string Found()
    {
        byte[] buffer = new byte[1 << 16];
        fixed (byte* at = buffer)
            ((delegate* unmanaged[Cdecl]<byte*, long, long>)NativeLibrary.GetExport(Library, "standin_report"))(at, buffer.Length);
        return Encoding.UTF8.GetString(buffer, 0, Array.IndexOf(buffer, (byte)0));
    }

    /// <summary>A fresh machine with its context current; gives the context.</summary>
    public static void Start()
    {
        End();
        Good("cuInit", 0);
        Good("cuCtxSetCurrent", Made("cuDevicePrimaryCtxRetain", 0));
    }

    public static nint Load(string text)
    {
        fixed (byte* image = Encoding.UTF8.GetBytes(text + '\0')) return Made("cuModuleLoadDataEx", (nint)image, 0, 0, 0);
    }

    public static nint Function(nint module, string name)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0')) return Made("cuModuleGetFunction", module, (nint)text);
    }

    public static nint Upload(float[] values, nint stream)
    {
        nint pointer = Made("cuMemAlloc_v2", values.Length * 4);
        fixed (float* from = values) Good("cuMemcpyHtoDAsync_v2", pointer, (nint)from, values.Length * 4, stream);
        return pointer;
    }

    public static float[] Download(nint pointer, int count, nint stream)
    {
        float[] values = new float[count];
        fixed (float* to = values) Good("cuMemcpyDtoHAsync_v2", (nint)to, pointer, count * 4, stream);
        return values;
    }

    /// <summary>Launches "add" on a number of elements.</summary>
    public static int Add(nint function, nint x, nint y, int count, nint stream, int blocks = 0)
    {
        nint* parameters = stackalloc nint[3];
        parameters[0] = (nint)(&x);
        parameters[1] = (nint)(&y);
        parameters[2] = (nint)(&count);
        return Call("cuLaunchKernel", function, blocks > 0 ? blocks : (count + 127) / 128, 1, 1, 128, 1, 1, 0, stream, (nint)parameters, 0);
    }
}
