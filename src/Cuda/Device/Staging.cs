// Pinned host memory that numbers pass through on their way to and from the device: copies from it need not wait, so what a step
// writes is one run of copies behind each other. What was put there must stay until the stream has been waited for.
using System.Runtime.InteropServices;

namespace Engine.Cuda.Device;

/// <summary>Copies between host and device.</summary>
internal sealed unsafe class Staging
{
    private const int Bytes = 4 << 20;
    private const int Alignment = 64;

    private readonly CudaDeviceContext _context;
    private readonly byte* _memory;
    private int _used;
    private bool _rewinds;

    /// <summary>Takes the pinned memory.</summary>
    public Staging(CudaDeviceContext context)
    {
        _context = context;
        _memory = (byte*)context.AllocatePinned(Bytes);
    }

    /// <summary>Copies to the device. The source may be changed at once.</summary>
    public void Write<T>(nint destination, ReadOnlySpan<T> values) where T : unmanaged
    {
        if (_rewinds && _used > 0) Wait();
        _rewinds = false;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        while (!bytes.IsEmpty)
        {
            if (_used == Bytes) Wait();
            int count = Math.Min(bytes.Length, Bytes - _used);
            bytes[..count].CopyTo(new Span<byte>(_memory + _used, count));
            _context.Stream.CopyIn(destination, _memory + _used, count);
            _used = Math.Min((_used + count + (Alignment - 1)) & ~(Alignment - 1), Bytes);
            destination += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Copies to the host when all work before is done.</summary>
    public void Read<T>(nint source, Span<T> values) where T : unmanaged
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(values);
        while (!bytes.IsEmpty)
        {
            if (_used == Bytes) Wait();
            int count = Math.Min(bytes.Length, Bytes - _used);
            byte* place = _memory + _used;
            _context.Stream.CopyOut(place, source, count);
            Wait();
            new ReadOnlySpan<byte>(place, count).CopyTo(bytes);
            source += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Copies two runs of numbers to the host, waiting once, and by one copy where they lie side by side.</summary>
    public void Read<T1, T2>(nint first, Span<T1> firstValues, nint second, Span<T2> secondValues)
        where T1 : unmanaged where T2 : unmanaged
    {
        Span<byte> bytes1 = MemoryMarshal.AsBytes(firstValues), bytes2 = MemoryMarshal.AsBytes(secondValues);
        long gap = second - first - bytes1.Length;
        if (gap is < 0 or >= DeviceArena.Alignment || _used + bytes1.Length + gap + bytes2.Length > Bytes)
        {
            Read(first, firstValues);
            Read(second, secondValues);
            return;
        }

        byte* place = _memory + _used;
        _context.Stream.CopyOut(place, first, bytes1.Length + gap + bytes2.Length);
        Wait();
        new ReadOnlySpan<byte>(place, bytes1.Length).CopyTo(bytes1);
        new ReadOnlySpan<byte>(place + bytes1.Length + gap, bytes2.Length).CopyTo(bytes2);
    }

    /// <summary>
    /// What is written next begins at the first byte, and waits for what is on its way: a step that comes again then passes through the
    /// same places. Where nothing is written nobody waits.
    /// </summary>
    public void Rewind() => _rewinds = true;

    private void Wait()
    {
        _context.Stream.Wait();
        _used = 0;
    }
}
