// The operators and shapes that are counted: those of Transformer-base in a step and in a pass over sentences, small enough that the
// stand-in takes seconds.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cuda;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Perf.Cuda;

/// <summary>One operator at one shape.</summary>
/// <param name="Operator">Its name.</param>
/// <param name="Shape">The shape in words.</param>
/// <param name="Bytes">Bytes that must be read and written at least, each once.</param>
/// <param name="Operations">Multiply-adds that must be done on the units that the kernel uses; 0: bytes are the floor.</param>
/// <param name="Prepare">Makes the arguments; what it returns is the call.</param>
/// <param name="Arithmetic">Of the backend.</param>
internal sealed record OperatorCase(
    string Operator, string Shape, long Bytes, long Operations, Func<CudaBackend, Action> Prepare,
    Arithmetic Arithmetic = Arithmetic.Float32);

internal static class OperatorCases
{
    private const int Width = 512, Heads = 8, Vocabulary = 8000;
    private const int Beams = 4, BlocksOfHistory = 4;

    public static IEnumerable<OperatorCase> All()
    {
        foreach (int rows in new[] { 64, 512 })
        {
            long tensor = 4L * rows * Width;
            yield return new OperatorCase("AddNorm", $"[{rows}, {Width}]", 3 * tensor, 0, b =>
            {
                Tensor x = Put(b, rows, Width), y = Put(b, rows, Width), gain = Put(b, 1, Width), bias = Put(b, 1, Width);
                return () => b.AddNorm(x, y, new NormWeights(gain, bias, 1e-5f));
            });
            yield return new OperatorCase("AddNorm with the sum", $"[{rows}, {Width}]", 4 * tensor, 0, b =>
            {
                Tensor x = Put(b, rows, Width), y = Put(b, rows, Width), gain = Put(b, 1, Width), bias = Put(b, 1, Width);
                return () => b.AddNorm(x, y, new NormWeights(gain, bias, 1e-5f), out _);
            });
            yield return new OperatorCase("Add", $"[{rows}, {Width}]", 3 * tensor, 0, b =>
            {
                Tensor x = Put(b, rows, Width), y = Put(b, rows, Width);
                return () => b.Add(x, y);
            });
            yield return new OperatorCase("Embed f32", $"[{rows}, {Width}]", (3 * tensor) + (8L * rows), 0, b =>
            {
                Weight table = Pack(b, DType.Float32, 1000, Width);
                Tensor ids = Numbers(b, rows, 1000), places = Numbers(b, rows, 100), positions = Put(b, 100, Width);
                return () => b.Embed(ids, table, 1, positions, places);
            });
        }

        foreach (DType type in new[] { DType.Float32, DType.BFloat16, DType.Int8 })
        {
            foreach (int rows in new[] { 1, 4, 8 })
            {
                yield return new OperatorCase(
                    $"Linear {type.Word()}", $"[{rows}, {Width}] × [{Width}, {Width}]",
                    ((long)Width * Width * type.Bytes()) + (4L * rows * 2 * Width), (long)rows * Width * Width, b =>
                    {
                        Weight weight = Pack(b, type, Width, Width);
                        Tensor x = Put(b, rows, Width), bias = Put(b, 1, Width);
                        return () => b.Linear(x, new LinearWeights(weight, bias), Activation.Relu);
                    });
            }
        }

        foreach (int rows in new[] { 8, 64 })
        {
            yield return new OperatorCase("TopK 4", $"[{rows}, {Vocabulary}]", 4L * rows * Vocabulary, 0, b =>
            {
                Tensor x = Put(b, rows, Vocabulary);
                return () => b.TopK(x, 4, out _);
            });
            yield return new OperatorCase("LogSoftmax", $"[{rows}, {Vocabulary}]", 8L * rows * Vocabulary, 0, b =>
            {
                Tensor x = Put(b, rows, Vocabulary);
                return () => b.LogSoftmax(x);
            });
        }

        foreach (int sentences in new[] { 8, 64 })
        {
            yield return new OperatorCase(
                "AdvanceBeams", $"{sentences} × {Beams} beams", BytesOfBeams(sentences), 0, b => PutBeams(b, sentences));
        }

        foreach (int rows in new[] { 8, 64 })
        {
            yield return new OperatorCase("RecurrentCell LSTM", $"[{rows}, {Width}]", 4L * rows * Width * (4 + 4 + 1 + 2), 0, b =>
            {
                Tensor input = Put(b, rows, 4 * Width), hidden = Put(b, rows, 4 * Width), state = Put(b, rows, 2 * Width);
                return () => b.RecurrentCell(input, hidden, state, CellKind.Lstm);
            });
        }

        foreach (int length in new[] { 8, 128 })
        {
            const int Taps = 3;
            yield return new OperatorCase("Unfold", $"{Taps} taps, 4 × {length}, {Width}", 4L * 4 * length * Width * (1 + Taps), 0, b =>
            {
                Tensor x = Put(b, 4 * length, Width);
                Ragged batch = Ragged.Create(b, [length, length, length, length]);
                return () => b.Unfold(x, batch, Backends.Taps.Centered(Taps));
            });
            yield return new OperatorCase(
                "DepthwiseConvolution", $"{Taps} taps, 4 × {length}, {Width}", 4L * Width * ((2 * 4 * length) + Taps + 1), 0, b =>
                {
                    Tensor x = Put(b, 4 * length, Width), filter = Put(b, Taps, Width), bias = Put(b, 1, Width);
                    Ragged batch = Ragged.Create(b, [length, length, length, length]);
                    return () => b.DepthwiseConvolution(x, filter, bias, batch, Backends.Taps.Centered(Taps));
                });
            yield return new OperatorCase(
                "DepthwiseConvolutionBackward", $"{Taps} taps, 4 × {length}, {Width}", 4L * Width * ((3 * 4 * length) + (3 * Taps)), 0, b =>
                {
                    Tensor x = Put(b, 4 * length, Width), dy = Put(b, 4 * length, Width);
                    Tensor filter = Put(b, Taps, Width), gradient = Put(b, Taps, Width);
                    Ragged batch = Ragged.Create(b, [length, length, length, length]);
                    return () => b.DepthwiseConvolutionBackward(
                        x, filter, dy, batch, Backends.Taps.Centered(Taps), gradient, Tensor.None);
                });
        }

        foreach (int length in new[] { 128, 512 })
        {
            foreach (bool isCausal in new[] { false, true })
            {
                long pairs = (long)length * length / (isCausal ? 2 : 1);
                yield return new OperatorCase(
                    isCausal ? "Attention causal" : "Attention", $"1 × {length}, {Heads} × 64", 4L * 4 * length * Width, 2 * pairs * Width,
                    b =>
                    {
                        Tensor q = Put(b, length, Width), k = Put(b, length, Width), v = Put(b, length, Width);
                        Ragged batch = Ragged.Create(b, [length]);
                        var spec = new AttentionSpec(Heads, 0.125f, isCausal ? AttentionMask.Causal : AttentionMask.None);
                        return () => b.Attention(q, k, v, batch, batch, spec);
                    });
            }
        }

        foreach (Arithmetic arithmetic in new[] { Arithmetic.TensorFloat32, Arithmetic.BFloat16 })
        {
            foreach (int headDim in new[] { 64, 128 })
            {
                const int Length = 512;
                int heads = Width / headDim;
                yield return new OperatorCase(
                    $"Attention in {arithmetic}", $"1 × {Length}, {heads} × {headDim}", 4L * 4 * Length * Width, 0, b =>
                    {
                        Tensor q = Put(b, Length, Width), k = Put(b, Length, Width), v = Put(b, Length, Width);
                        Ragged batch = Ragged.Create(b, [Length]);
                        var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), AttentionMask.None);
                        return () => b.Attention(q, k, v, batch, batch, spec);
                    }, arithmetic);
            }
        }

        foreach ((int rows, int length) in new[] { (1, 64), (8, 64), (64, 32), (1, 1024) })
        {
            yield return new OperatorCase(
                "CachedAttention", $"{rows} rows of {length}, {Heads} × 64", (8L * rows * length * Width) + (8L * rows * Width), 0, b =>
                {
                    int blocks = length / KeyValueCache.BlockPositions;
                    KeyValueCache cache = b.AllocateCache(rows * blocks, Width, Width, Heads);
                    Tensor x = Put(b, rows, Width), table = b.Rent(new Shape(rows, blocks), DType.Int32), lengths = b.Rent(new Shape(1, rows), DType.Int32);
                    b.Write(table, [.. Enumerable.Range(0, rows * blocks)]);
                    b.Write(lengths, [.. Enumerable.Repeat(length, rows)]);
                    var view = new CacheView(table, lengths, length);
                    return () => b.CachedAttention(x, cache, view, new AttentionSpec(Heads, 0.125f, AttentionMask.Causal));
                });
        }
    }

    private static Tensor Put(CudaBackend backend, int rows, int columns)
    {
        Tensor x = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(x, Values(rows * columns));
        return x;
    }

    private static Tensor Numbers(CudaBackend backend, int count, int below)
    {
        var random = new Random(1);
        Tensor x = backend.Rent(new Shape(1, count), DType.Int32);
        backend.Write(x, [.. Enumerable.Range(0, count).Select(_ => random.Next(below))]);
        return x;
    }

    private static Weight Pack(CudaBackend backend, DType type, int outputs, int inputs)
    {
        HostTensor floats = HostTensor.FromValues("w", new Shape(outputs, inputs), Values(outputs * inputs));
        return backend.Pack([type == DType.Float32 ? floats : WeightConversion.Convert(floats, type)]);
    }

    private static float[] Values(int count)
    {
        var random = new Random(1);
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextSingle() - 0.5f;
        return values;
    }

    // Of a row: candidates and its table are read; its table, its input and what happened to it are written; and a record of each sentence.
    private static long BytesOfBeams(int sentences)
    {
        const int Row = (2 * 2 * Beams) + (2 * BlocksOfHistory) + 4 + 2 + 2 + 2 + (2 * BeamMove.Columns);
        return sizeof(int) * ((long)sentences * Beams * Row + (2L * sentences * BeamSentence.Columns));
    }

    private static Action PutBeams(CudaBackend b, int sentences)
    {
        int rows = sentences * Beams;
        var records = new BeamSentence[sentences];
        for (int s = 0; s < sentences; s++)
        {
            records[s] = new BeamSentence
            {
                FirstRow = s * Beams, Beams = Beams, Live = Beams, Length = 40, MaxLength = 200, Candidates = 2 * Beams, Wanted = Beams,
            };
        }

        Tensor found = Put(b, rows, 2 * Beams);
        Tensor tokens = Numbers(b, rows * 2 * Beams, Vocabulary) with { Shape = found.Shape, Stride = found.Stride };
        Tensor searches = Given(MemoryMarshal.Cast<BeamSentence, int>(records), sentences);
        Tensor ends = Given(new int[sentences], sentences), sums = Numbers(b, rows, 1);
        Tensor ids = Numbers(b, rows, 10), places = Numbers(b, rows, 10);
        Tensor slots = Numbers(b, rows, 10), lengths = Numbers(b, rows, 10), copies = Given(new int[2 * rows], rows);
        Tensor blocks = Given([.. Enumerable.Range(0, rows * BlocksOfHistory)], rows);
        Tensor spare = Given([.. Enumerable.Range(rows * BlocksOfHistory, 2 * rows)], rows), moves = Given(new int[rows * 16], 2 * rows);
        return () => b.AdvanceBeams(found, tokens, new BeamState
        {
            Sentences = searches, Ends = ends, Sums = sums, Ids = ids, Positions = places, Slots = slots, Lengths = lengths, Blocks = blocks,
            Copies = copies, Spare = spare, Moves = moves,
        });

        Tensor Given(ReadOnlySpan<int> values, int ofRows)
        {
            Tensor tensor = b.Rent(new Shape(ofRows, values.Length / ofRows), DType.Int32);
            b.Write(tensor, values);
            return tensor;
        }
    }
}
