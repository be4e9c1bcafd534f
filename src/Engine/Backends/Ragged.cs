// A batch without padding: the rows of all sentences one after the other, and where each begins.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Where the sentences of a batch begin in one row space.</summary>
/// <param name="Offsets">[1, sentences + 1], i32: sentence s is the rows Offsets[s] .. Offsets[s + 1] − 1.</param>
/// <param name="Sentences">Number of sentences.</param>
/// <param name="Rows">Rows of all sentences.</param>
/// <param name="Longest">Rows of the longest sentence.</param>
public readonly record struct Ragged(Tensor Offsets, int Sentences, int Rows, int Longest)
{
    /// <summary>Makes a batch of sentences of the given lengths; alive until the frame ends.</summary>
    /// <param name="backend">Whose memory the offsets are in.</param>
    /// <param name="lengths">Rows of each sentence, each at least 0.</param>
    public static Ragged Create(IBackend backend, ReadOnlySpan<int> lengths)
    {
        Span<int> offsets = lengths.Length < 256 ? stackalloc int[lengths.Length + 1] : new int[lengths.Length + 1];
        int rows = 0, longest = 0;
        offsets[0] = 0;
        for (int s = 0; s < lengths.Length; s++)
        {
            rows = checked(rows + lengths[s]);
            offsets[s + 1] = rows;
            longest = Math.Max(longest, lengths[s]);
        }

        Tensor device = backend.Rent(new Shape(1, offsets.Length), DType.Int32);
        backend.Write(device, offsets);
        return new Ragged(device, lengths.Length, rows, longest);
    }
}
