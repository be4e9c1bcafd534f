// A step of beam searches in device memory: which hypotheses go on, where their histories lie, and where the next keys and values go. The
// rules are IBackend.AdvanceBeams', the steps those of src/Cpu/Kernels/BeamStep.cs. A block a sentence.
#include "device.cuh"

constexpr int Threads = 128;
constexpr int MostBeams = 32, MostCandidates = 2 * MostBeams;      // of a sentence, and of a row
constexpr int Positions = 16;                                       // of a block of the cache
constexpr int MostSpare = 2 * MostBeams;

struct BeamSentence
{
    int first_row, beams, live, length, max_length, candidates, wanted, needs_top, top_ended, ended, taken, reserved;
};

struct BeamMove
{
    int parent, token;
    float score, sum;
};

// What is not a sentence that the tables have room for is passed over.
DEVICE bool is_held(const BeamSentence& s, int rows, int found, int steps)
{
    return s.live >= 1 && s.live <= s.beams && s.beams <= MostBeams && s.first_row >= 0 && s.first_row <= rows - s.beams
        && s.candidates >= 1 && s.candidates <= least(found, 2 * s.beams) && s.length >= 0 && s.length < s.max_length && s.taken >= 0
        && s.taken < steps;
}

DEVICE bool is_among(int token, const int* tokens, int count)
{
    bool found = false;
    for (int i = 0; i < count; i++) found |= tokens[i] == token;
    return found;
}

// How many candidates are before one: rows are sorted, so the first of a row that is behind it ends the row.
DEVICE int rank_of(const float* sums, int candidate, int live, int candidates, int most_rank)
{
    float own = sums[candidate];
    int rank = 0;
    for (int row = 0; row < live && rank < most_rank; row++)
    {
        for (int i = row * candidates; i < (row + 1) * candidates; i++)
        {
            if (!(sums[i] > own || (sums[i] == own && i < candidate))) break;
            rank++;
        }
    }

    return rank;
}

KERNEL(Threads) advance_beams(
    const float* scores, long long score_stride, const int* tokens, long long token_stride, int found, BeamSentence* sentences,
    const int* ends, int end_columns, float* sums, int* ids, int* positions, int* slots, int* lengths, int* blocks, int block_columns,
    int* copies, const int* spare, int spare_columns, BeamMove* moves, int rows, int steps)
{
    __shared__ float candidate_sums[MostBeams * MostCandidates];
    __shared__ int kept[MostCandidates];                // candidates by their rank
    __shared__ int kept_tokens[MostCandidates];
    __shared__ int kept_ends[MostCandidates];
    __shared__ int next[MostBeams], ended[MostBeams];   // ranks; -1: none
    __shared__ int parents[MostBeams], given[MostBeams];
    __shared__ int ends_of_history[2 * MostBeams];      // of each row the blocks before the new position's column, and in it; -1: none
    __shared__ int is_used[MostSpare];
    __shared__ BeamSentence after;
    int thread = thread_x();
    BeamSentence s = sentences[block_x()];
    if (!is_held(s, rows, found, steps)) return;
    scores += s.first_row * score_stride;
    tokens += s.first_row * token_stride;
    blocks += (long long)s.first_row * block_columns;
    spare += (long long)s.first_row * spare_columns;
    sums += s.first_row;
    ends += (long long)block_x() * end_columns;
    moves += 2 * ((long long)s.taken * rows + s.first_row);

    // The best candidates.
    int count = s.live * s.candidates, most_kept = least(count, 2 * s.beams);
    for (int i = thread; i < count; i += Threads)
        candidate_sums[i] = sums[i / s.candidates] + scores[i / s.candidates * score_stride + i % s.candidates];
    if (thread < MostCandidates) kept[thread] = kept_tokens[thread] = kept_ends[thread] = 0;
    block_barrier();
    for (int i = thread; i < count; i += Threads)
    {
        int rank = rank_of(candidate_sums, i, s.live, s.candidates, most_kept);
        if (rank >= most_kept) continue;
        int token = tokens[i / s.candidates * token_stride + i % s.candidates];
        kept[rank] = i;
        kept_tokens[rank] = token;
        kept_ends[rank] = is_among(token, ends, end_columns) ? 1 : 0;
    }

    block_barrier();

    // Who ends, and who goes on.
    if (thread == 0)
    {
        bool is_last = s.length + 1 >= s.max_length;
        int live = 0, behind = s.beams;
        for (int k = 0; k < s.beams; k++)
        {
            ended[k] = -1;
            if (k >= most_kept) continue;
            int going = k;
            if (is_last || kept_ends[k] != 0)
            {
                ended[k] = k;
                s.ended++;
                if (k == 0) s.top_ended = 1;
                while (behind < most_kept && kept_ends[behind] != 0) behind++;
                if (behind >= most_kept) continue;
                going = behind++;
            }

            next[live++] = going;
        }

        bool are_enough = s.ended >= s.wanted && (s.needs_top == 0 || s.top_ended != 0);
        s.live = is_last || are_enough ? 0 : live;
        s.length++;
        s.taken++;
        after = s;
        sentences[block_x()] = s;
    }

    block_barrier();
    s = after;
    BeamMove own{-1, 0, 0.0f, 0.0f};                    // of the row of a thread
    if (thread < s.beams)
    {
        BeamMove gone = own;
        if (ended[thread] >= 0)
        {
            int candidate = kept[ended[thread]], parent = candidate / s.candidates;
            gone = BeamMove{
                parent, kept_tokens[ended[thread]], scores[parent * score_stride + candidate % s.candidates], candidate_sums[candidate]};
        }

        if (thread < s.live)
        {
            int candidate = kept[next[thread]], parent = candidate / s.candidates;
            own = BeamMove{
                parent, kept_tokens[next[thread]], scores[parent * score_stride + candidate % s.candidates], candidate_sums[candidate]};
            parents[thread] = parent;
            sums[thread] = own.sum;
        }

        moves[2 * thread] = own;
        moves[2 * thread + 1] = gone;
    }

    block_barrier();

    // Histories go where their hypotheses went, some columns at a time.
    int used = least((s.length + Positions - 1) / Positions, block_columns), at_once = Threads / most(s.live, 1);
    for (int start = 0; start < used && s.live > 0; start += at_once)
    {
        int row = thread / at_once, column = start + thread % at_once, block = 0;
        bool is_mine = row < s.live && column < used;
        if (is_mine) block = blocks[parents[row] * block_columns + column];
        block_barrier();
        if (is_mine) blocks[row * block_columns + column] = block;
        block_barrier();
    }

    if (s.taken == steps && s.live > 0) return;

    // The input of the next step. A row needs a block where the last is full, or where a row before it has the same one.
    int column = s.length / Positions, in_block = s.length % Positions, spares = least(s.beams * spare_columns, MostSpare);
    bool has_column = column < block_columns;
    if (thread < 2 * s.live)
    {
        int c = column - 1 + thread % 2;
        ends_of_history[thread] = c >= 0 && c < used ? blocks[thread / 2 * block_columns + c] : -1;
    }

    block_barrier();
    if (thread < spares)
    {
        int block = spare[thread];
        is_used[thread] = block < 0 || is_among(block, ends_of_history, 2 * s.live) ? 1 : 0;
    }

    block_barrier();
    if (thread == 0)
    {
        int free = 0;
        for (int row = 0; row < s.live; row++)
        {
            bool needs = has_column && in_block == 0;
            for (int other = 0; other < row && has_column; other++)
                needs |= ends_of_history[2 * other + 1] == ends_of_history[2 * row + 1];
            while (needs && free < spares && is_used[free] != 0) free++;
            given[row] = !needs ? -1 : free < spares ? spare[free++] : -2;      // -1: none is needed, -2: none is left
        }
    }

    block_barrier();
    if (thread >= s.beams) return;
    int from = -1, to = -1, slot = -1;
    if (thread < s.live && has_column && given[thread] != -2)
    {
        int block = given[thread], last = ends_of_history[2 * thread + 1];
        if (block < 0) block = last;
        else
        {
            if (in_block > 0)
            {
                from = last;
                to = block;
            }

            blocks[thread * block_columns + column] = block;
        }

        slot = block * Positions + in_block;
    }

    int place = s.first_row + thread;
    bool is_live = thread < s.live;
    ids[place] = is_live ? own.token : -1;
    positions[place] = is_live ? s.length : 0;
    lengths[place] = is_live ? s.length + 1 : 1;
    slots[place] = slot;
    copies[2 * place] = from;
    copies[2 * place + 1] = to;
}
