// What the norm and its gradient measure of a row, by the fixed steps and the fixed order of the CPU: once, so that both agree.
#pragma once
#include "math.cuh"

constexpr int Chains = 64;

struct NormRow
{
    const float* x;
    const float* residual;
};

DEVICE float element(const NormRow& row, int column)
{
    float value = row.x[column];
    return row.residual == nullptr ? value : value + row.residual[column];
}

template <bool IsSquare>
DEVICE float add_term(float chain, float x, float center)
{
    if (!IsSquare) return chain + x;
    float distance = x - center;
    return fused(distance, distance, chain);
}

template <bool IsSquare>
DEVICE float row_sum(const NormRow& row, int columns, int lane, float center)
{
    float low = 0.0f, high = 0.0f;
    int column = lane;
#pragma unroll 4
    for (; column < columns - WarpLanes; column += Chains)
    {
        low = add_term<IsSquare>(low, element(row, column), center);
        high = add_term<IsSquare>(high, element(row, column + WarpLanes), center);
    }

    if (column < columns) low = add_term<IsSquare>(low, element(row, column), center);
    return join_chains(low, high);
}

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

// Columns of a row in the registers of a warp: lane l has 64 i + 2 l and the next one. All are asked for before the first is used.
template <int Steps>
struct Held
{
    static constexpr int Columns = Chains * Steps;
    float low[Steps], high[Steps];
};

// Two numbers of a row from a column on; of columns that are not there, any that are. IsPaired: rows begin at multiples of two
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
        Float2 pair = pair_at<IsPaired>(row, first + i * Chains, columns);
        held.low[i] = pair.x;
        held.high[i] = pair.y;
    }
}

// first: the lane's first column.
template <bool IsPaired, int Steps>
DEVICE void hold(Held<Steps>& held, const NormRow& row, int first, int columns)
{
    hold<IsPaired>(held, row.x, first, columns);
    if (row.residual == nullptr) return;
    Held<Steps> residual;
    hold<IsPaired>(residual, row.residual, first, columns);
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        held.low[i] += residual.low[i];
        held.high[i] += residual.high[i];
    }
}

// The row_sum of a row that is held. IsLong: of a row of any length, which is read again if it is longer than what is held; then its
// beginning is not held any more.
template <bool IsSquare, bool IsPaired, bool IsLong, int Steps>
DEVICE float held_sum(Held<Steps>& held, const NormRow& row, int columns, float center)
{
    float low = 0.0f, high = 0.0f;
    int first = thread_x() % WarpLanes * 2, start = 0;
    do
    {
        if (IsLong && columns > Held<Steps>::Columns) hold<IsPaired>(held, row, start + first, columns);
        int left = columns - start - first;
#pragma unroll
        for (int i = 0; i < Steps; i++)
        {
            low = i * Chains < left ? add_term<IsSquare>(low, held.low[i], center) : low;
            high = i * Chains + (IsPaired ? 0 : 1) < left ? add_term<IsSquare>(high, held.high[i], center) : high;
        }

        start += Held<Steps>::Columns;
    }
    while (IsLong && start < columns);

    return join_pairs(low, high);
}
