// Cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient in the place of the logits: with p = softmax(x) and
// q = (1 - s) [token = target] + s / n, loss = -sum q ln p and gradient = (p - q) scale, by the CPU's steps. A block a row.
// x [rows, columns], targets [rows], losses [rows, 2].
#include "softmax.cuh"

// The sum of from - x, by the 64 chains of the numerics contract. terms: Terms floats.
DEVICE float sum_of_distances(const float* x, int columns, float from, float* terms)
{
    float chain = 0.0f;
    for (int start = 0; start < columns; start += Terms)
    {
        int count = least(Terms, columns - start);
#pragma unroll 4
        for (int i = thread_x(); i < count; i += Threads) terms[i] = from - x[start + i];
        block_barrier();
        if (thread_x() < Chains)
        {
#pragma unroll 8
            for (int i = thread_x(); i < count; i += Chains) chain += terms[i];
        }

        block_barrier();
    }

    if (thread_x() < Chains) terms[thread_x()] = chain;
    block_barrier();
    float sum = join_chains(terms[thread_x() % WarpLanes], terms[thread_x() % WarpLanes + WarpLanes]);
    block_barrier();
    return sum;
}

KERNEL(Threads) cross_entropy(
    float* x, long long x_stride, const int* targets, float* losses, long long loss_stride, int columns, float smoothing, float scale)
{
    __shared__ float terms[Terms];
    __shared__ float shared[Warps];
    int target = targets[block_x()];
    x += block_x() * x_stride;
    losses += block_x() * loss_stride;
    if (target < 0 || target >= columns)
    {
        for (int column = thread_x(); column < columns; column += Threads) x[column] = 0.0f;
        if (thread_x() < 2) losses[thread_x()] = 0.0f;
        return;
    }

    Measured row = measure(x, columns, own_maximum(x, columns), terms, shared);
    float sum = sum_of_distances(x, columns, row.maximum + row.log_sum, terms);
    float share = smoothing / (float)columns, rest = 1.0f - smoothing;
    if (thread_x() == 0)
    {
        // A logit that is not finite counts as finite in the logarithm; the sum of all tells.
        bool is_finite = magnitude_of(sum) <= HighestFloat;
        float of_target = -log_probability_of(x[target], row);
        losses[0] = is_finite ? (rest * of_target) + (share * sum) : __builtin_nanf("");
        losses[1] = is_finite ? of_target : __builtin_nanf("");
    }

    block_barrier();
    float less = -(share * scale), of_target = rest * scale;
#pragma unroll 4
    for (int column = thread_x(); column < columns; column += Threads)
    {
        float gradient = fused(exponential_of_negative(log_probability_of(x[column], row)), scale, less);
        x[column] = column == target ? gradient - of_target : gradient;
    }
}
