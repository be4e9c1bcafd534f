// log(softmax(x)) = (x - m) - ln sum exp(x - m), m = max x: a block a row, by the CPU's steps and order, so the bits are the same. All
// three kernels measure a row by the same code, so what they give for a logit agrees to the bit.
// Logits are taken as finite: NaN and -infinity count as the lowest finite number, +infinity as the highest.
#include "softmax.cuh"

constexpr int Candidates = 1024;    // logits among which the best are looked for

KERNEL(Threads) log_softmax(const float* x, long long x_stride, float* y, long long y_stride, int columns)
{
    __shared__ float terms[Terms];
    __shared__ float shared[Warps];
    x += block_x() * x_stride;
    y += block_x() * y_stride;
    Measured row = measure(x, columns, own_maximum(x, columns), terms, shared);
#pragma unroll 4
    for (int column = thread_x(); column < columns; column += Threads) y[column] = log_probability_of(x[column], row);
}

// tokens [rows]; a token that is not in the vocabulary gives the lowest number.
KERNEL(Threads) log_probability(
    const float* x, long long x_stride, const int* tokens, float* y, long long y_stride, int columns)
{
    __shared__ float terms[Terms];
    __shared__ float shared[Warps];
    x += block_x() * x_stride;
    Measured row = measure(x, columns, own_maximum(x, columns), terms, shared);
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

// The best k, best first; of equal ones the lower token first. The k-th best of the threads' own largest logits is a bound: at least k
// logits reach it, and mostly not many more. Those are laid down and ranked. Where they are too many, or k is large, the best are
// found one after the other, each by a pass over the row.
KERNEL(Threads) top_k(
    const float* x, long long x_stride, float* values, long long value_stride, int* tokens, long long token_stride,
    int columns, int k)
{
    __shared__ float terms[Terms];
    __shared__ float shared[Warps];
    __shared__ float candidates[Candidates];
    __shared__ int candidate_tokens[Candidates];
    __shared__ float bound;
    __shared__ int count;
    int thread = thread_x();
    x += block_x() * x_stride;
    values += block_x() * value_stride;
    tokens += block_x() * token_stride;
    float own = own_maximum(x, columns);
    Measured row = measure(x, columns, own, terms, shared);

    if (k <= Threads / 2)
    {
        // A thread without a logit has the lowest number, and so has one whose logits are all suppressed: each is a bound that holds.
        candidates[thread] = own;
        candidate_tokens[thread] = thread;
        if (thread == 0) count = 0;
        block_barrier();
        if (rank_of(own, thread, candidates, candidate_tokens, Threads) == k - 1) bound = own;
        block_barrier();
        float least_value = log_probability_of(bound, row);
        for (int column = thread; column < columns; column += Threads)
        {
            float value = log_probability_of(x[column], row);
            if (value < least_value) continue;
            int place = __nvvm_atom_add_gen_i(&count, 1);
            if (place >= Candidates) continue;
            candidates[place] = value;
            candidate_tokens[place] = column;
        }

        block_barrier();
        int found = count;
        if (found <= Candidates)
        {
            for (int i = thread; i < found; i += Threads)
            {
                float value = candidates[i];
                int token = candidate_tokens[i], rank = rank_of(value, token, candidates, candidate_tokens, found);
                if (rank >= k) continue;
                values[rank] = value;
                tokens[rank] = token;
            }

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
