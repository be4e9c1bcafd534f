// A token of each row drawn by softmax(x / T): the largest of x / T - ln(-ln u), by the CPU's steps, so both draw the same token.
// src/Engine/Backends/TokenDraw.cs defines u: a thread has one counter, which serves four columns, sixteen apart. A block a row.
// x [rows, columns], draws [rows, 4], tokens [rows], y [rows].
#include "dropout.cuh"
#include "softmax.cuh"

constexpr int TokensOfGroup = 64;       // that one vector of sixteen counters serves
constexpr int TokensOfCounter = TokensOfGroup / CountersOfGroup;
constexpr unsigned Domain = 0x64726177u;

struct Choice { float score; int token; };

DEVICE Choice better_of(Choice one, Choice other)
{
    bool is_better = other.score > one.score || (other.score == one.score && other.token < one.token);
    return is_better ? other : one;
}

// -ln(-ln u), u being the upper 24 bits of a word, the last of them set: neither 0 nor 1.
DEVICE float gumbel_of(unsigned word)
{
    float u = (float)(int)((word >> 8) | 1u) * 5.9604644775390625e-8f;
    return 0.0f - single_logarithm(0.0f - single_logarithm(u));
}

// The best of the lanes of a warp; every lane gets it.
DEVICE Choice best_of_warp(Choice own)
{
    for (int mask = WarpLanes / 2; mask > 0; mask /= 2)
        own = better_of(own, Choice{exchange(own.score, mask), exchange(own.token, mask)});
    return own;
}

KERNEL_FOR(Threads, 2) sample(
    const float* x, long long x_stride, const int* draws, long long draw_stride, int* tokens, long long token_stride, float* y,
    long long y_stride, int columns, float inverse_temperature)
{
    __shared__ Space space;
    __shared__ Choice choices[Warps];
    int row = block_x(), thread = thread_x();
    x += row * x_stride;
    draws += row * draw_stride;
    Measured measured = measure(x, columns, own_maximum(x, columns), space);
    Dropout key{(unsigned)draws[0], (unsigned)draws[1], Domain, 0, 0.0f};      // the generator is that of dropout, the counter another
    long long place = (long long)(((unsigned long long)(unsigned)draws[2] << 32) | (unsigned)draws[3]);
    Choice best{-__builtin_inff(), columns};
    int counters = (columns + TokensOfGroup - 1) / TokensOfGroup * CountersOfGroup;
    for (int counter = thread; counter < counters; counter += Threads)
    {
        int first = counter / CountersOfGroup * TokensOfGroup + counter % CountersOfGroup;
        float logits[TokensOfCounter];
#pragma unroll
        for (int i = 0; i < TokensOfCounter; i++) logits[i] = x[least(first + i * CountersOfGroup, columns - 1)];
        Words words = philox(key, (unsigned)counter, place);
        const unsigned word[TokensOfCounter] = {words.w0, words.w1, words.w2, words.w3};
#pragma unroll
        for (int i = 0; i < TokensOfCounter; i++)
        {
            // What is not there is infinitely far from the best.
            int column = first + i * CountersOfGroup;
            float distance = (finite(logits[i]) - measured.maximum) - (column < columns ? 0.0f : __builtin_inff());
            best = better_of(best, Choice{fused(distance, inverse_temperature, gumbel_of(word[i])), column});
        }
    }

    best = best_of_warp(best);
    if (thread % WarpLanes == 0) choices[thread / WarpLanes] = best;
    block_barrier();
    if (thread >= WarpLanes) return;
    best = best_of_warp(choices[thread % Warps]);
    if (thread > 0) return;
    tokens[row * token_stride] = best.token;
    y[row * y_stride] = log_probability_of(x[best.token], measured);
}
