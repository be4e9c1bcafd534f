// Cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient in the place of the logits: with p = softmax(x) and
// q = (1 - s) [token = target] + s / n, loss = -sum q ln p and gradient = (p - q) scale, by the CPU's steps. A block a row.
// x [rows, columns], targets [rows], losses [rows, 2].
#include "softmax.cuh"

KERNEL_FOR(Threads, 2) cross_entropy(
    float* x, long long x_stride, const int* targets, float* losses, long long loss_stride, int columns, float smoothing, float scale)
{
    __shared__ Space space;
    int target = targets[block_x()];
    x += block_x() * x_stride;
    losses += block_x() * loss_stride;
    if (target < 0 || target >= columns)
    {
        for (int column = thread_x(); column < columns; column += Threads) x[column] = 0.0f;
        if (thread_x() < 2) losses[thread_x()] = 0.0f;
        return;
    }

    Measured row = measure(x, columns, own_maximum(x, columns), space);
    float from = row.maximum + row.log_sum;
    float sum = chain_sum(x, columns, space, [=](float logit) { return from - logit; });
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
    map_row(x, x, columns, [=](int column, float logit)
    {
        float gradient = fused(exponential_of_negative(log_probability_of(logit, row)), scale, less);
        return column == target ? gradient - of_target : gradient;
    });
}
