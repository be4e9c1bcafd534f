// What the norm and its gradient measure of a row, by the fixed steps and the fixed order of the CPU: once, so that both agree.
#pragma once
#include "held.cuh"

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
