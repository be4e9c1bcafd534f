// The word of an instruction set, checked against the machine.
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu;

/// <summary>Reads <see cref="BackendOptions"/>.</summary>
internal static class CpuOptions
{
    /// <summary>The rung that an option's word means.</summary>
    /// <exception cref="ArgumentException">There is no such word, or the machine lacks the instructions.</exception>
    public static Rung Rung(string word)
    {
        Rung rung = word.ToUpperInvariant() switch
        {
            "AUTO" => Ladder.Best,
            "AVX512" => Simd.Rung.Avx512,
            "AVX2" => Simd.Rung.Avx2,
            "PORTABLE" => Simd.Rung.Portable,
            _ => throw new ArgumentException(
                $"The instruction set is '{word}', expected 'auto', 'avx512', 'avx2' or 'portable'.", nameof(word)),
        };
        if (rung > Ladder.Best)
        {
            throw new ArgumentException(
                $"The instruction set is '{word}', but this processor offers at most '{Word(Ladder.Best)}'.", nameof(word));
        }

        return rung;
    }

    /// <summary>The word of a rung.</summary>
    public static string Word(Rung rung) => rung switch
    {
        Simd.Rung.Avx512 => "avx512",
        Simd.Rung.Avx2 => "avx2",
        _ => "portable",
    };

    /// <summary>The number of threads that an option means.</summary>
    /// <exception cref="ArgumentException">It is negative or above 1024.</exception>
    public static int Threads(int threads) => threads switch
    {
        0 => Environment.ProcessorCount,
        > 0 and <= 1024 => threads,
        _ => throw new ArgumentException($"The number of threads is {threads}, expected 0 to 1,024.", nameof(threads)),
    };
}
