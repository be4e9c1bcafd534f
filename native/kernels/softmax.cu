// log(softmax(x)) = (x - m) - ln sum exp(x - m), m = max x, by the CPU's steps and order, so the bits are the same: a block a row, or a
// warp, in whose registers a short row is held. All kernels measure a row by the same steps, so what they give for a logit agrees to the
// bit. Logits are taken as finite: NaN and -infinity count as the lowest finite number, +infinity as the highest.
#include "softmax.cuh"

constexpr int Candidates = 1024;    // logits among which the best are looked for
constexpr int ShortThreads = 128, ShortWarps = ShortThreads / WarpLanes;

KERNEL_FOR(Threads, 2) log_softmax(const float* x, long long x_stride, float* y, long long y_stride, int columns)
{
    __shared__ Space space;
    x += block_x() * x_stride;
    y += block_x() * y_stride;
    Measured row = measure(x, columns, own_maximum(x, columns), space);
    map_row(x, y, columns, [=](int, float logit) { return log_probability_of(logit, row); });
}

// tokens [rows]; a token that is not in the vocabulary gives the lowest number.
KERNEL_FOR(Threads, 2) log_probability(
    const float* x, long long x_stride, const int* tokens, float* y, long long y_stride, int columns)
{
    __shared__ Space space;
    x += block_x() * x_stride;
    Measured row = measure(x, columns, own_maximum(x, columns), space);
    if (thread_x() > 0) return;
    int token = tokens[block_x()];
    y[block_x() * y_stride] = (unsigned)token < (unsigned)columns ? log_probability_of(x[token], row) : LowestFloat;
}

DEVICE bool is_better(float value, int token, float than, int than_token)
{
    return value > than || (value == than && token < than_token);
}

// How many of count pairs are better than one; pairs are in shared memory.
DEVICE int rank_of(float value, int token, const float* values, const int* tokens, int count)
{
    int rank = 0;
#pragma unroll 4
    for (int i = 0; i < count; i++) rank += is_better(values[i], tokens[i], value, token) ? 1 : 0;
    return rank;
}

// What is laid down of a row: logits that may be among the best.
struct Found
{
    float* values;
    int* tokens;
    int* count;
    int most;
};

DEVICE void add(const Found& found, float value, int token)
{
    int place = __nvvm_atom_add_gen_i(found.count, 1);
    if (place >= found.most) return;
    found.values[place] = value;
    found.tokens[place] = token;
}

// The best k, best first, by some threads.
DEVICE void write_best(const Found& found, float* values, int* tokens, int k, int thread, int threads)
{
    int count = *found.count;
    for (int i = thread; i < count; i += threads)
    {
        float value = found.values[i];
        int token = found.tokens[i], rank = rank_of(value, token, found.values, found.tokens, count);
        if (rank >= k) continue;
        values[rank] = value;
        tokens[rank] = token;
    }
}

// The best k, best first; of equal ones the lower token first. The k-th best of the largest logits of warps, or of threads where k is
// larger, is a bound: at least k logits reach it, and mostly not many more. Those are laid down and ranked. Where they are too many, or
// k is large, the best are found one after the other, each by a pass over the row.
KERNEL_FOR(Threads, 2) top_k(
    const float* x, long long x_stride, float* values, long long value_stride, int* tokens, long long token_stride,
    int columns, int k)
{
    __shared__ Space space;
    __shared__ float candidates[Candidates];
    __shared__ int candidate_tokens[Candidates];
    __shared__ float bound;
    __shared__ int count;
    int thread = thread_x();
    x += block_x() * x_stride;
    values += block_x() * value_stride;
    tokens += block_x() * token_stride;
    float own = own_maximum(x, columns);
    Measured row = measure(x, columns, own, space);

    if (k <= Threads / 2)
    {
        // A thread without a logit has the lowest number, and so has one whose logits are all suppressed: each is a bound that holds.
        int groups = k <= Warps ? Warps : Threads;
        if (k <= Warps) own = space.maxima[thread % Warps];
        if (thread < groups)
        {
            candidates[thread] = own;
            candidate_tokens[thread] = thread;
        }

        if (thread == 0) count = 0;
        block_barrier();
        if (thread < groups && rank_of(own, thread, candidates, candidate_tokens, groups) == k - 1) bound = own;
        block_barrier();
        float least_value = log_probability_of(bound, row);
        Found found{candidates, candidate_tokens, &count, Candidates};
        auto look_at = [=](int column)
        {
            float value = log_probability_of(x[column], row);
            if (value >= least_value) add(found, value, column);
        };
        Quads quads = quads_of(x, columns);
        if (thread < quads.edges) look_at(edge_of(quads, thread));
        for_each_quads(x, quads, [=](int first, const Float4* logits, int groups)
        {
            unsigned reaching = 0;      // the groups in which a logit reaches the bound
#pragma unroll
            for (int i = 0; i < QuadsAtOnce; i++)
                reaching |= log_probability_of(larger_of(logits[i], LowestFloat), row) >= least_value ? 1u << i : 0u;
            for (reaching &= (1u << least(groups, QuadsAtOnce)) - 1; reaching != 0; reaching &= reaching - 1)
            {
                int column = first + __builtin_ctz(reaching) * ColumnsBetween;
#pragma unroll 1
                for (int i = 0; i < 4; i++) look_at(column + i);
            }
        });

        block_barrier();
        if (count <= Candidates)
        {
            write_best(found, values, tokens, k, thread, Threads);
            return;
        }
    }

    float before = __builtin_inff();
    int before_token = -1;
    for (int i = 0; i < k; i++)
    {
        // The best of those that are worse than the one before.
        float best = -__builtin_inff();
        int best_token = columns;
        for (int column = thread; column < columns; column += Threads)
        {
            float value = log_probability_of(x[column], row);
            if (!is_better(before, before_token, value, column) || !is_better(value, column, best, best_token)) continue;
            best = value;
            best_token = column;
        }

        block_barrier();
        candidates[thread] = best;
        candidate_tokens[thread] = best_token;
        block_barrier();
        for (int half = Threads / 2; half > 0; half /= 2)
        {
            if (thread < half)
            {
                float other = candidates[thread + half];
                int other_token = candidate_tokens[thread + half];
                if (is_better(other, other_token, candidates[thread], candidate_tokens[thread]))
                {
                    candidates[thread] = other;
                    candidate_tokens[thread] = other_token;
                }
            }

            block_barrier();
        }

        before = candidates[0];
        before_token = candidate_tokens[0];
        if (thread == 0)
        {
            values[i] = before;
            tokens[i] = before_token;
        }
    }
}

// A short row, of pairs: see held.cuh. left: columns from the lane's first one on. own: the lane's largest logit.
template <int Steps>
DEVICE Measured measure(const Held<Steps>& row, int left, float& own)
{
    own = LowestFloat;
#pragma unroll
    for (int i = 0; i < Steps; i++) own = larger(row.low[i], larger(row.high[i], own));
    own = left > 0 ? own : LowestFloat;
    float maximum = as_subtracted(warp_maximum(own)), low = 0.0f, high = 0.0f;
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        // What is not there adds e^-infinity.
        float gap = i * Chains < left ? 0.0f : __builtin_inff();
        low += exponential_of_negative((finite(row.low[i]) - maximum) - gap);
        high += exponential_of_negative((finite(row.high[i]) - maximum) - gap);
    }

    return Measured{maximum, logarithm(join_pairs(low, high))};
}

template <int Steps>
DEVICE void log_softmax_short(const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns)
{
    int number = block_x() * ShortWarps + thread_x() / WarpLanes, first = thread_x() % WarpLanes * 2;
    if (number >= rows) return;
    Held<Steps> row;
    hold<true>(row, x + number * x_stride, first, columns);
    float own;
    Measured measured = measure(row, columns - first, own);
    y += number * y_stride;
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        float low = log_probability_of(row.low[i], measured), high = log_probability_of(row.high[i], measured);
        store_pair<true>(y, first + i * Chains, columns, low, high);
    }
}

KERNEL(ShortThreads) log_softmax_512(const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns)
{
    log_softmax_short<8>(x, x_stride, y, y_stride, rows, columns);
}

KERNEL(ShortThreads) log_softmax_1024(const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns)
{
    log_softmax_short<16>(x, x_stride, y, y_stride, rows, columns);
}

// The k-th largest of a number of each lane, for k up to 32.
DEVICE float kth_of_warp(float own, int k)
{
    int lane = thread_x() % WarpLanes;
    float largest = own;
    for (int i = 0; i < k; i++)
    {
        largest = warp_maximum(own);
        unsigned votes = __nvvm_vote_ballot_sync(AllLanes, own == largest);
        if (lane == __builtin_ctz(votes)) own = -__builtin_inff();
    }

    return largest;
}

// As top_k, for k up to 32; the bound is the k-th best of the lanes' own largest logits.
template <int Steps>
DEVICE void top_k_short(
    const float* x, long long x_stride, float* values, long long value_stride, int* tokens, long long token_stride, int rows,
    int columns, int k)
{
    __shared__ float candidates[ShortWarps][Steps * Chains];
    __shared__ int candidate_tokens[ShortWarps][Steps * Chains];
    __shared__ int counts[ShortWarps];
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes, number = block_x() * ShortWarps + warp, first = lane * 2;
    if (number >= rows) return;
    Held<Steps> row;
    x += number * x_stride;
    hold<true>(row, x, first, columns);
    float own;
    Measured measured = measure(row, columns - first, own);
    float least_value = log_probability_of(kth_of_warp(own, k), measured);
    Found found{candidates[warp], candidate_tokens[warp], counts + warp, Steps * Chains};
    if (lane == 0) counts[warp] = 0;
    unsigned reaching = 0;          // two bits a step
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        reaching |= log_probability_of(row.low[i], measured) >= least_value ? 1u << (2 * i) : 0u;
        reaching |= log_probability_of(row.high[i], measured) >= least_value ? 2u << (2 * i) : 0u;
    }

    int steps = (columns - first + Chains - 1) / Chains;
    if (steps < Steps) reaching &= (1u << (2 * most(steps, 0))) - 1;
    warp_barrier();
    for (; reaching != 0; reaching &= reaching - 1)
    {
        int bit = __builtin_ctz(reaching), column = first + bit / 2 * Chains + bit % 2;
        add(found, log_probability_of(x[column], measured), column);
    }

    warp_barrier();
    write_best(found, values + number * value_stride, tokens + number * token_stride, k, lane, WarpLanes);
}

KERNEL(ShortThreads) top_k_512(
    const float* x, long long x_stride, float* values, long long value_stride, int* tokens, long long token_stride, int rows,
    int columns, int k)
{
    top_k_short<8>(x, x_stride, values, value_stride, tokens, token_stride, rows, columns, k);
}

KERNEL(ShortThreads) top_k_1024(
    const float* x, long long x_stride, float* values, long long value_stride, int* tokens, long long token_stride, int rows,
    int columns, int k)
{
    top_k_short<16>(x, x_stride, values, value_stride, tokens, token_stride, rows, columns, k);
}
