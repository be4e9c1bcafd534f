// What log-softmax, its selections and cross-entropy measure of a row of logits: once, so that what they give for a logit agrees to the
// bit. Logits are taken as finite: NaN and -infinity count as the lowest finite number, +infinity as the highest.
#pragma once
#include "math.cuh"

constexpr int Threads = 512;
constexpr int Warps = Threads / WarpLanes;
constexpr int Chains = 64;
constexpr int Terms = 4096;         // exponentials that are laid down before the 64 chains add them

struct Measured { float maximum, log_sum; };

DEVICE float finite(float x) { return smaller(larger(x, LowestFloat), HighestFloat); }

DEVICE float log_probability_of(float x, Measured row)
{
    float y = (finite(x) - row.maximum) - row.log_sum;
    return larger(y, LowestFloat);
}

// The largest of a number of each thread; every thread gets it. shared: Warps floats.
DEVICE float block_maximum(float value, float* shared)
{
    for (int mask = 16; mask > 0; mask /= 2) value = larger(exchange(value, mask), value);
    if (thread_x() % WarpLanes == 0) shared[thread_x() / WarpLanes] = value;
    block_barrier();
    value = shared[thread_x() % Warps];
    for (int mask = Warps / 2; mask > 0; mask /= 2) value = larger(exchange(value, mask), value);
    block_barrier();
    return value;
}

// own_maximum: the largest of the logits that this thread looks at. terms: Terms floats; shared: Warps floats.
DEVICE Measured measure(const float* x, int columns, float own_maximum, float* terms, float* shared)
{
    float maximum = block_maximum(own_maximum, shared);
    maximum = smaller(maximum, HighestFloat) + 0.0f;    // -0 + 0 = +0: which zero was met first must not show
    float chain = 0.0f;
    for (int start = 0; start < columns; start += Terms)
    {
        int count = least(Terms, columns - start);
#pragma unroll 4
        for (int i = thread_x(); i < count; i += Threads) terms[i] = exponential_of_negative(finite(x[start + i]) - maximum);
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
    return Measured{maximum, logarithm(sum)};
}

DEVICE float own_maximum(const float* x, int columns)
{
    float value = LowestFloat;
#pragma unroll 4
    for (int column = thread_x(); column < columns; column += Threads) value = larger(x[column], value);
    return value;
}
