// A step's work written down: launches, products and copies with all that they were given, as words. So two steps are the same work if
// their words are the same, whatever made them, and a step that was seen before can be replayed as a graph.
using System.Runtime.CompilerServices;
using Engine.Backends;

namespace Engine.Cuda.Device;

/// <summary>Work in the order in which it was given. Grows, never shrinks.</summary>
internal sealed unsafe class WorkList
{
    private const int LaunchHead = 5, ProductWords = 10, CopyWords = 4;

    private ulong[] _words = new ulong[1024];
    private int _count;
    private int _last;

    private enum Kind
    {
        Launch,
        Product,
        CopyIn,
        CopyOut,
    }

    /// <summary>Everything, for comparison.</summary>
    public ReadOnlySpan<ulong> Words => _words.AsSpan(0, _count);

    /// <summary>Whether there is nothing.</summary>
    public bool IsEmpty => _count == 0;

    /// <summary>Forgets everything.</summary>
    public void Clear() => _count = 0;

    /// <summary>Forgets the last work if it is a launch.</summary>
    public bool TakeBackLaunch()
    {
        if (_count == 0 || (Kind)(int)_words[_last] != Kind.Launch) return false;
        _count = _last;
        return true;
    }

    /// <summary>A launch.</summary>
    public void AddLaunch(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes, ReadOnlySpan<KernelArgument> arguments)
    {
        Span<ulong> words = Take(LaunchHead + arguments.Length);
        words[0] = Head(Kind.Launch, arguments.Length);
        words[1] = (ulong)function;
        words[2] = Pair((int)gridX, (int)gridY);
        words[3] = Pair((int)gridZ, (int)blockX);
        words[4] = sharedBytes;
        for (int i = 0; i < arguments.Length; i++) words[LaunchHead + i] = Unsafe.BitCast<KernelArgument, ulong>(arguments[i]);
    }

    /// <summary>A product.</summary>
    public void AddProduct(in BlasProduct product)
    {
        Span<ulong> words = Take(ProductWords);
        words[0] = Head(Kind.Product, ((int)product.Activation << 1) | (product.Accumulates ? 1 : 0));
        words[1] = Pair((product.TransposeA << 1) | product.TransposeB, product.Compute);
        words[2] = Pair(product.M, product.N);
        words[3] = Pair(product.K, (product.A.Type << 16) | (product.B.Type << 8) | product.C.Type);
        words[4] = (ulong)product.A.Address;
        words[5] = (ulong)product.B.Address;
        words[6] = (ulong)product.C.Address;
        words[7] = Pair(product.A.Leading, product.B.Leading);
        words[8] = (ulong)product.C.Leading;
        words[9] = (ulong)product.Bias;
    }

    /// <summary>A copy from pinned memory to the device.</summary>
    public void AddCopyIn(nint destination, void* source, long bytes) => AddCopy(Kind.CopyIn, destination, (nint)source, bytes);

    /// <summary>A copy from the device to pinned memory.</summary>
    public void AddCopyOut(void* destination, nint source, long bytes) => AddCopy(Kind.CopyOut, (nint)destination, source, bytes);

    /// <summary>Gives all work to a stream, in order.</summary>
    public void Issue(WorkStream stream)
    {
        fixed (ulong* all = _words)
        {
            for (ulong* word = all; word < all + _count;)
            {
                int detail = (int)(word[0] >> 32);
                switch ((Kind)(int)word[0])
                {
                    case Kind.Launch:
                        stream.LaunchNow(
                            (nint)word[1], Low(word[2]), High(word[2]), Low(word[3]), High(word[3]), (uint)word[4],
                            (KernelArgument*)(word + LaunchHead), detail);
                        word += LaunchHead + detail;
                        break;
                    case Kind.Product:
                        stream.MultiplyNow(ReadProduct(word, detail));
                        word += ProductWords;
                        break;
                    case Kind.CopyIn:
                        stream.CopyInNow((nint)word[1], (void*)word[2], (long)word[3]);
                        word += CopyWords;
                        break;
                    default:
                        stream.CopyOutNow((void*)word[1], (nint)word[2], (long)word[3]);
                        word += CopyWords;
                        break;
                }
            }
        }
    }

    /// <summary>The kernels that are launched, by the driver's handles.</summary>
    public IEnumerable<nint> Functions()
    {
        for (int word = 0; word < _count;)
        {
            switch ((Kind)(int)_words[word])
            {
                case Kind.Launch:
                    yield return (nint)_words[word + 1];
                    word += LaunchHead + (int)High(_words[word]);
                    break;
                case Kind.Product: word += ProductWords; break;
                default: word += CopyWords; break;
            }
        }
    }

    private static BlasProduct ReadProduct(ulong* word, int detail)
    {
        uint types = High(word[3]);
        return new BlasProduct
        {
            TransposeA = (int)Low(word[1]) >> 1,
            TransposeB = (int)Low(word[1]) & 1,
            Compute = (int)High(word[1]),
            M = (int)Low(word[2]),
            N = (int)High(word[2]),
            K = (int)Low(word[3]),
            A = new BlasMatrix((nint)word[4], (int)(types >> 16), (int)Low(word[7])),
            B = new BlasMatrix((nint)word[5], (int)(types >> 8) & 255, (int)High(word[7])),
            C = new BlasMatrix((nint)word[6], (int)types & 255, (int)word[8]),
            Accumulates = (detail & 1) != 0,
            Bias = (nint)word[9],
            Activation = (Activation)(detail >> 1),
        };
    }

    private void AddCopy(Kind kind, nint destination, nint source, long bytes)
    {
        Span<ulong> words = Take(CopyWords);
        words[0] = Head(kind, 0);
        words[1] = (ulong)destination;
        words[2] = (ulong)source;
        words[3] = (ulong)bytes;
    }

    private Span<ulong> Take(int count)
    {
        if (_count + count > _words.Length) Array.Resize(ref _words, Math.Max(2 * _words.Length, _count + count));
        Span<ulong> taken = _words.AsSpan(_count, count);
        _last = _count;
        _count += count;
        return taken;
    }

    private static ulong Head(Kind kind, int detail) => Pair((int)kind, detail);

    private static ulong Pair(int low, int high) => (uint)low | ((ulong)(uint)high << 32);

    private static uint Low(ulong word) => (uint)word;

    private static uint High(ulong word) => (uint)(word >> 32);
}
