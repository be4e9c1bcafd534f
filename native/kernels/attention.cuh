// The one arithmetic of all attention: an online softmax over blocks of 64 keys from position 0, and the weighted sum of their
// values, as src/Cpu/Kernels/KeyBlock.cs has it. Attention of sentences and attention to a cache both go through here, so they give
// the same bits.
#pragma once
#include "math.cuh"

constexpr int KeysOfBlock = 64;         // lane l of a warp has the keys l and l + 32 of a block
constexpr int PositionsOfCacheBlock = 16;

// What a query's running state is besides its sum of values: largest score and sum of weights.
struct Running { float largest, sum; };

DEVICE Running nothing_seen() { return Running{-__builtin_inff(), 0.0f}; }

// One element of a score: q k, or v tanh(q + k).
template <bool IsAdditive>
DEVICE float add_score(float chain, float query, float key, float vector)
{
    return IsAdditive ? fused(hyperbolic_tangent(query + key), vector, chain) : fused(key, query, chain);
}

DEVICE float only_seen(float score, int key, int first, int end)
{
    return key >= first && key < end ? score : -__builtin_inff();
}

DEVICE float warp_maximum(float value)
{
    for (int mask = 16; mask > 0; mask /= 2) value = larger(value, exchange(value, mask));
    return value;
}

// Scores become weights. Seen are the keys first .. end - 1 of the block, at least one.
// Returns what the sum of values is to be multiplied by before more is added.
DEVICE float weigh(float& low, float& high, int first, int end, Running& running)
{
    int lane = thread_x() % WarpLanes;
    low = only_seen(low, lane, first, end);
    high = only_seen(high, lane + WarpLanes, first, end);
    float found = warp_maximum(larger(low, high)), correction = 1.0f;
    if (found > running.largest)
    {
        correction = exponential_of_negative(running.largest - found);
        running.sum *= correction;
        running.largest = found;
    }

    // Seen scores may all be -infinity, by overflow: they weigh nothing.
    float largest = running.largest == -__builtin_inff() ? 0.0f : running.largest;
    low = exponential_of_negative(low - largest);
    high = exponential_of_negative(high - largest);
    running.sum += join_chains(low, high);
    return correction;
}

DEVICE float inverse_of(float sum) { return sum == 0.0f ? 0.0f : 1.0f / sum; }

// y = o / l. The zero that is added makes -0 to +0.
DEVICE float finished(float sum_of_values, float inverse) { return fused(sum_of_values, inverse, 0.0f); }
