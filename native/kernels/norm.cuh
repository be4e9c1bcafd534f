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
