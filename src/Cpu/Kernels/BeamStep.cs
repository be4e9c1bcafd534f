// A step of one sentence's beam search: which hypotheses go on, where their histories lie, and where the next keys and values go.
using Engine.Backends;

namespace Engine.Cpu.Kernels;

/// <summary>The rules of <see cref="IBackend.AdvanceBeams"/>, a sentence at a time. What it is given was checked.</summary>
internal unsafe ref struct BeamStep
{
    private const int BlockPositions = KeyValueCache.BlockPositions;

    public required float* Scores;
    public required int ScoreStride;
    public required int* Tokens;
    public required int TokenStride;
    public required Span<float> Sums;
    public required Span<int> Ids, Positions, Slots, Lengths, Blocks, Copies, Spare;
    public required Span<BeamMove> Moves;
    public required int Rows, Steps;
    public ReadOnlySpan<int> Ends;

    /// <summary>Takes the step of a sentence that has live rows.</summary>
    public readonly void Run(ref BeamSentence sentence)
    {
        Span<BeamMove> kept = stackalloc BeamMove[2 * sentence.Beams], next = stackalloc BeamMove[sentence.Beams];
        kept = kept[..Choose(sentence, kept)];
        Span<BeamMove> moves = Moves.Slice(2 * ((sentence.Taken * Rows) + sentence.FirstRow), 2 * sentence.Beams);
        next = next[..Divide(ref sentence, kept, next, moves)];
        sentence.Live = next.Length;
        sentence.Length++;
        sentence.Taken++;
        Follow(sentence, next);
        if (sentence.Taken < Steps || next.IsEmpty) Prepare(sentence, next);
    }

    // The best candidates, best first.
    private readonly int Choose(in BeamSentence sentence, Span<BeamMove> kept)
    {
        int count = 0;
        for (int row = 0; row < sentence.Live; row++)
        {
            long from = sentence.FirstRow + row;
            for (int i = 0; i < sentence.Candidates; i++)
            {
                float score = Scores[(from * ScoreStride) + i], sum = Sums[(int)from] + score;
                int place = count;
                while (place > 0 && sum > kept[place - 1].Sum) place--;
                if (place == kept.Length) break;
                if (count < kept.Length) count++;
                kept[place..(count - 1)].CopyTo(kept[(place + 1)..]);
                kept[place] = new BeamMove(row, Tokens[(from * TokenStride) + i], score, sum);
            }
        }

        return count;
    }

    // Who ends, and who goes on.
    private readonly int Divide(ref BeamSentence sentence, Span<BeamMove> kept, Span<BeamMove> next, Span<BeamMove> moves)
    {
        moves.Fill(BeamMove.None);
        bool isLast = sentence.Length + 1 >= sentence.MaxLength;
        int live = 0, behind = sentence.Beams;
        for (int k = 0; k < Math.Min(sentence.Beams, kept.Length); k++)
        {
            BeamMove move = kept[k];
            if (isLast || Ends.Contains(move.Token))
            {
                moves[(2 * k) + 1] = move;
                sentence.Ended++;
                if (k == 0) sentence.TopEnded = 1;
                while (behind < kept.Length && Ends.Contains(kept[behind].Token)) behind++;
                if (behind >= kept.Length) continue;
                move = kept[behind++];
            }

            next[live++] = move;
        }

        bool areEnough = sentence.Ended >= sentence.Wanted && (sentence.NeedsTop == 0 || sentence.TopEnded != 0);
        if (isLast || areEnough) live = 0;
        for (int row = 0; row < live; row++) moves[2 * row] = next[row];
        return live;
    }

    // Histories and sums go where their hypotheses went.
    private readonly void Follow(in BeamSentence sentence, ReadOnlySpan<BeamMove> next)
    {
        int columns = Blocks.Length / Rows, used = Math.Min((sentence.Length + BlockPositions - 1) / BlockPositions, columns);
        Span<int> parents = stackalloc int[sentence.Beams];
        Span<int> table = Blocks.Slice(sentence.FirstRow * columns, sentence.Beams * columns);
        for (int column = 0; column < used; column++)
        {
            for (int row = 0; row < next.Length; row++) parents[row] = table[(next[row].Parent * columns) + column];
            for (int row = 0; row < next.Length; row++) table[(row * columns) + column] = parents[row];
        }

        for (int row = 0; row < next.Length; row++) Sums[sentence.FirstRow + row] = next[row].Sum;
    }

    // The input of the next step.
    private readonly void Prepare(in BeamSentence sentence, ReadOnlySpan<BeamMove> next)
    {
        int columns = Blocks.Length / Rows, column = sentence.Length / BlockPositions, inBlock = sentence.Length % BlockPositions;
        Span<int> table = Blocks.Slice(sentence.FirstRow * columns, sentence.Beams * columns);
        int spares = Spare.Length / Rows;
        ReadOnlySpan<int> spare = Spare.Slice(sentence.FirstRow * spares, sentence.Beams * spares);
        Span<int> free = stackalloc int[spare.Length];
        free = free[..Free(spare, table, columns, column, inBlock, next.Length, free)];
        Span<int> shared = stackalloc int[sentence.Beams];      // the blocks of the new position as they were before any was replaced
        int found = 0;
        for (int row = 0; row < sentence.Beams; row++)
        {
            int place = sentence.FirstRow + row;
            (Ids[place], Positions[place], Slots[place], Lengths[place]) = (-1, 0, -1, 1);
            Copies[2 * place] = Copies[(2 * place) + 1] = -1;
            if (row >= next.Length) continue;
            (Ids[place], Positions[place], Lengths[place]) = (next[row].Token, sentence.Length, sentence.Length + 1);
            if (column >= columns) continue;
            ref int block = ref table[(row * columns) + column];
            shared[row] = block;
            if (inBlock == 0 || shared[..row].Contains(block))
            {
                if (found == free.Length) continue;
                if (inBlock > 0) (Copies[2 * place], Copies[(2 * place) + 1]) = (block, free[found]);
                block = free[found++];
            }

            Slots[place] = (block * BlockPositions) + inBlock;
        }
    }

    // Spare blocks that no row has. They can only stand in the column of the new position or in the one before.
    private static int Free(
        ReadOnlySpan<int> spare, ReadOnlySpan<int> table, int columns, int column, int inBlock, int rows, Span<int> free)
    {
        int count = 0, end = Math.Min(inBlock == 0 ? column : column + 1, columns);
        foreach (int block in spare)
        {
            bool isUsed = block < 0;
            for (int row = 0; row < rows; row++)
            {
                for (int c = Math.Max(column - 1, 0); c < end; c++) isUsed |= table[(row * columns) + c] == block;
            }

            if (!isUsed) free[count++] = block;
        }

        return count;
    }
}
