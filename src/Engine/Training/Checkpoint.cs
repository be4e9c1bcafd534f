// A training that can go on: weights, moments and state in one safetensors file with a checksum, which has its name only once all
// of it is on the disk.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>What a checkpoint holds.</summary>
/// <param name="State">Where training is.</param>
/// <param name="Values">All weights.</param>
/// <param name="FirstMoment">Adam's m.</param>
/// <param name="SecondMoment">Adam's v.</param>
internal sealed record Checkpoint(TrainingState State, float[] Values, float[] FirstMoment, float[] SecondMoment)
{
    private const string ValuesName = "values", FirstName = "first_moment", SecondName = "second_moment";
    private const string StateName = "state", ChecksumName = "checksum";

    /// <summary>Writes a checkpoint. It appears under its name only when it is whole and on the disk.</summary>
    /// <param name="file">The file.</param>
    public void Write(string file)
    {
        string temporary = $"{file}.tmp";
        File.Delete(temporary);
        byte[] state = State.ToJson();
        byte[] checksum = Checksum(state, Values, FirstMoment, SecondMoment);
        SafeTensorsItem[] items =
        [
            new(ValuesName, DType.Float32, Values.Length), new(FirstName, DType.Float32, FirstMoment.Length),
            new(SecondName, DType.Float32, SecondMoment.Length), new(StateName, DType.Int8, state.Length),
            new(ChecksumName, DType.Int8, checksum.Length),
        ];
        using (var writer = new SafeTensorsWriter(temporary, items))
        {
            Write(writer, ValuesName, Values);
            Write(writer, FirstName, FirstMoment);
            Write(writer, SecondName, SecondMoment);
            writer.Write(StateName, 0, state);
            writer.Write(ChecksumName, 0, checksum);
            writer.Complete();
        }

        File.Move(temporary, file, overwrite: true);
    }

    /// <summary>Reads a checkpoint.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="ModelFormatException">It is broken, or no checkpoint.</exception>
    public static Checkpoint Read(string file)
    {
        using SafeTensorsFile tensors = SafeTensorsFile.Open(file);
        byte[] state = Bytes(tensors, StateName), expected = Bytes(tensors, ChecksumName);
        float[] values = Floats(tensors, ValuesName);
        float[] first = Floats(tensors, FirstName), second = Floats(tensors, SecondName);
        if (!Checksum(state, values, first, second).AsSpan().SequenceEqual(expected))
            throw new ModelFormatException(file, "the checksum", "another than that of the content", "the same");
        if (first.Length != values.Length || second.Length != values.Length)
            throw new ModelFormatException(file, "the length of the moments", $"{first.Length:N0}", $"{values.Length:N0}");
        return new Checkpoint(TrainingState.FromJson(file, state), values, first, second);
    }

    /// <summary>The state alone, unchecked: for what can do without.</summary>
    /// <returns>Null: it cannot be read.</returns>
    public static TrainingState? TryReadState(string file)
    {
        try
        {
            using SafeTensorsFile tensors = SafeTensorsFile.Open(file);
            return TrainingState.FromJson(file, Bytes(tensors, StateName));
        }
        catch (ModelFormatException)
        {
            return null;
        }
    }

    private static byte[] Checksum(byte[] state, params ReadOnlySpan<float[]> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(state);
        foreach (float[] tensor in tensors)
        {
            // A span of bytes cannot be longer than int.MaxValue, a tensor can.
            foreach (ReadOnlyMemory<float> part in Parts(tensor)) hash.AppendData(MemoryMarshal.AsBytes(part.Span));
        }

        return hash.GetHashAndReset();
    }

    private static IEnumerable<Memory<float>> Parts(float[] values)
    {
        const int Most = 1 << 24;
        for (int start = 0; start < values.Length; start += Most)
            yield return values.AsMemory(start, Math.Min(Most, values.Length - start));
    }

    private static void Write(SafeTensorsWriter writer, string name, float[] values)
    {
        long offset = 0;
        foreach (Memory<float> part in Parts(values))
        {
            ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(part.Span);
            writer.Write(name, offset, bytes);
            offset += bytes.Length;
        }
    }

    private static HostTensor Find(SafeTensorsFile file, string name, DType type)
    {
        if (!file.Entries.TryGetValue(name, out SafeTensorsEntry? entry))
            throw new ModelFormatException(file.File, name, "missing", "a tensor of a checkpoint");
        HostTensor tensor = file.Tensor(entry);
        return tensor.Type == type && tensor.Shape.Rows == 1
            ? tensor
            : throw new ModelFormatException(file.File, name, $"{tensor.Type.Word()} {tensor.Shape}", $"{type.Word()}, one row");
    }

    private static byte[] Bytes(SafeTensorsFile file, string name)
    {
        HostTensor tensor = Find(file, name, DType.Int8);
        var bytes = new byte[tensor.Bytes];
        tensor.ReadBytes(0, bytes);
        return bytes;
    }

    private static float[] Floats(SafeTensorsFile file, string name)
    {
        HostTensor tensor = Find(file, name, DType.Float32);
        var values = new float[tensor.Shape.Count];
        tensor.ReadFloats(0, values);
        return values;
    }
}
