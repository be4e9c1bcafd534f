// A beam search that goes on for some steps in the memory of a backend: what it is given, and what it leaves behind.
using System.Runtime.InteropServices;
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>The search of one sentence, as <see cref="IBackend.AdvanceBeams"/> finds it and leaves it.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BeamSentence
{
    /// <summary>Numbers of a sentence.</summary>
    public const int Columns = 12;

    /// <summary>First of its rows.</summary>
    public int FirstRow;

    /// <summary>Its rows, and how many hypotheses are kept: 1 .. <see cref="BeamState.MostBeams"/>.</summary>
    public int Beams;

    /// <summary>Hypotheses that live, in the first of its rows; 0: the search has ended, or there is no sentence here.</summary>
    public int Live;

    /// <summary>Tokens of each hypothesis.</summary>
    public int Length;

    /// <summary>The most tokens of a hypothesis.</summary>
    public int MaxLength;

    /// <summary>Best tokens of each row that are looked at: at most 2 · beams, and no more than were found.</summary>
    public int Candidates;

    /// <summary>With so many ended hypotheses the search ends.</summary>
    public int Wanted;

    /// <summary>1: it ends only if a best candidate has ended, too.</summary>
    public int NeedsTop;

    /// <summary>1: a best candidate has ended.</summary>
    public int TopEnded;

    /// <summary>Hypotheses that have ended.</summary>
    public int Ended;

    /// <summary>Steps that were taken: where the next one's moves go.</summary>
    public int Taken;

    /// <summary>0.</summary>
    public int Reserved;
}

/// <summary>A hypothesis that goes on, or ends, by a token.</summary>
/// <param name="Parent">Which row of the sentence it continues, from 0; −1: there is none.</param>
/// <param name="Token">The token.</param>
/// <param name="Score">Its log-probability.</param>
/// <param name="Sum">Sum of the log-probabilities of the hypothesis.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct BeamMove(int Parent, int Token, float Score, float Sum)
{
    /// <summary>Numbers of a move.</summary>
    public const int Columns = 4;

    /// <summary>No hypothesis.</summary>
    public static BeamMove None => new(-1, 0, 0, 0);
}

/// <summary>
/// What stands in the backend's memory while steps follow each other without the host: the next step's input, and what is known of each
/// sentence. All are i32 and without gaps.
/// </summary>
public readonly ref struct BeamState
{
    /// <summary>The most hypotheses of a sentence.</summary>
    public const int MostBeams = 32;

    /// <summary>The most steps that follow each other.</summary>
    public const int MostSteps = KeyValueCache.BlockPositions;

    /// <summary>[sentences, <see cref="BeamSentence.Columns"/>].</summary>
    public required Tensor Sentences { get; init; }

    /// <summary>[sentences, n]: tokens that end a hypothesis; −1: none.</summary>
    public required Tensor Ends { get; init; }

    /// <summary>[1, rows]: bits of the float32 sums of log-probabilities.</summary>
    public required Tensor Sums { get; init; }

    /// <summary>[1, rows]: the newest token of each row.</summary>
    public required Tensor Ids { get; init; }

    /// <summary>[1, rows]: its place in the target.</summary>
    public required Tensor Positions { get; init; }

    /// <summary>[1, rows]: where its keys and values go.</summary>
    public required Tensor Slots { get; init; }

    /// <summary>[1, rows]: positions of the row's history, the new one included.</summary>
    public required Tensor Lengths { get; init; }

    /// <summary>[rows, n]: blocks of the row's history.</summary>
    public required Tensor Blocks { get; init; }

    /// <summary>[rows, 2]: blocks to copy before a step is taken; −1 twice: nothing.</summary>
    public required Tensor Copies { get; init; }

    /// <summary>
    /// [rows, n], n at most 2: free blocks for the hypotheses of a row's sentence; −1: none. They may be given several times, when no
    /// hypothesis has them any more.
    /// </summary>
    public required Tensor Spare { get; init; }

    /// <summary>
    /// [steps · rows, 2 · <see cref="BeamMove.Columns"/>]: of each step and row the hypothesis that goes on there, and the one that
    /// ended as the candidate of the row's number; the floats by their bits.
    /// </summary>
    public required Tensor Moves { get; init; }

    /// <summary>Rows of a step.</summary>
    public int Rows => Ids.Columns;

    /// <summary>Steps that <see cref="Moves"/> have room for.</summary>
    public int Steps => Rows == 0 ? 0 : Moves.Rows / Rows;

    /// <summary>Checks types and shapes.</summary>
    /// <param name="scores">[rows, k].</param>
    /// <param name="tokens">[rows, k], i32.</param>
    /// <exception cref="ArgumentException">Something has another type or shape than it must have.</exception>
    public void Check(in Tensor scores, in Tensor tokens)
    {
        int rows = Rows;
        RowChecks.Floats(scores, nameof(scores));
        if (scores.Rows != rows || scores.Columns < 1)
            throw new ArgumentException($"scores is {scores}, expected float32 [{rows}, at least 1].", nameof(scores));
        if (tokens.IsNone || tokens.Type != DType.Int32 || tokens.Shape != scores.Shape)
            throw new ArgumentException($"tokens is {tokens}, expected int32 {scores.Shape}.", nameof(tokens));
        Require(Sentences, Sentences.Rows, BeamSentence.Columns, nameof(Sentences));
        Require(Ends, Sentences.Rows, Ends.Columns, nameof(Ends));
        Require(Sums, 1, rows, nameof(Sums));
        Require(Ids, 1, rows, nameof(Ids));
        Require(Positions, 1, rows, nameof(Positions));
        Require(Slots, 1, rows, nameof(Slots));
        Require(Lengths, 1, rows, nameof(Lengths));
        Require(Blocks, rows, Blocks.Columns, nameof(Blocks));
        Require(Copies, rows, 2, nameof(Copies));
        Require(Spare, rows, Math.Min(Spare.Columns, 2), nameof(Spare));
        Require(Moves, rows * Math.Clamp(Steps, 1, MostSteps), 2 * BeamMove.Columns, nameof(Moves));
    }

    /// <summary>Whether a sentence is one that these tensors have room for.</summary>
    /// <param name="sentence">A sentence with live rows.</param>
    /// <param name="found">Candidates of a row.</param>
    public bool Holds(in BeamSentence sentence, int found) =>
        sentence.Beams is >= 1 and <= MostBeams && sentence.Live >= 1 && sentence.Live <= sentence.Beams
        && sentence.FirstRow >= 0 && sentence.FirstRow <= Rows - sentence.Beams
        && sentence.Candidates >= 1 && sentence.Candidates <= Math.Min(found, 2 * sentence.Beams)
        && sentence.Length >= 0 && sentence.Length < sentence.MaxLength && sentence.Taken >= 0 && sentence.Taken < Steps;

    private static void Require(in Tensor tensor, int rows, int columns, string name)
    {
        if (!tensor.IsNone && tensor.Type == DType.Int32 && tensor.Shape == new Shape(rows, columns) && tensor.IsContiguous) return;
        throw new ArgumentException($"{name} is {tensor}, expected int32 [{rows}, {columns}] without gaps.", name);
    }
}
