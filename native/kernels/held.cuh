// A row in the registers of a warp: read once, and at once, whatever is measured of it. Its sums are those of the numerics contract.
#pragma once
#include "math.cuh"

constexpr int Chains = 64;

// The sum of 64 chains as join_chains gives it, for lanes that have the chains 2 l and 2 l + 1: the same numbers are added.
DEVICE float join_pairs(float low, float high)
{
#pragma unroll
    for (int i = 0; i < 5; i++)
    {
        int distance = i == 0 ? 8 : i == 1 ? 16 : 8 >> (i - 1);
        low += exchange(low, distance);
        high += exchange(high, distance);
    }

    return low + high;
}

// Columns of a row in the registers of a warp: lane l has 64 i + 2 l and the next one, and for what is not there its first ones again, or
// others where it has none. All are asked for before the first is used.
template <int Steps>
struct Held
{
    static constexpr int Columns = Chains * Steps;
    float low[Steps], high[Steps];
};

// Two numbers of a row from a column on; for columns that are not there, the last ones. IsPaired: rows begin at multiples of two
// numbers, and have an even number.
template <bool IsPaired>
DEVICE Float2 pair_at(const float* row, int column, int columns)
{
    if (IsPaired) return *(const Float2*)(row + least(column, columns - 2));
    return Float2{row[least(column, columns - 1)], row[least(column + 1, columns - 1)]};
}

template <bool IsPaired>
DEVICE void store_pair(float* row, int column, int columns, float low, float high)
{
    if (IsPaired)
    {
        if (column < columns) *(Float2*)(row + column) = Float2{low, high};
        return;
    }

    if (column < columns) row[column] = low;
    if (column + 1 < columns) row[column + 1] = high;
}

template <bool IsPaired, int Steps>
DEVICE void hold(Held<Steps>& held, const float* row, int first, int columns)
{
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        int column = first + i * Chains;
        Float2 pair = pair_at<IsPaired>(row, column < columns ? column : first, columns);
        held.low[i] = pair.x;
        held.high[i] = pair.y;
    }
}
