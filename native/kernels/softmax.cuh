// What log-softmax, its selections and cross-entropy measure of a row of logits: once, so that what they give for a logit agrees to the
// bit. Logits are taken as finite: NaN and -infinity count as the lowest finite number, +infinity as the highest. A block a row, which it
// reads by four numbers at once wherever the row begins.
#pragma once
#include "held.cuh"

constexpr int Threads = 512;
constexpr int Warps = Threads / WarpLanes;
constexpr int Terms = 4096;         // terms that are laid down before the 64 chains add them
constexpr int QuadsAtOnce = 8;      // that a thread has asked for before it uses the first

struct Measured { float maximum, log_sum; };

// Shared memory of a block. While the chains add some terms, the next ones are laid down.
struct Space
{
    alignas(16) float terms[2][Terms];
    float chains[Chains];
    float maxima[Warps];            // of the warps
};

DEVICE float finite(float x) { return smaller(larger(x, LowestFloat), HighestFloat); }

DEVICE float log_probability_of(float x, Measured row)
{
    float y = (finite(x) - row.maximum) - row.log_sum;
    return larger(y, LowestFloat);
}

DEVICE float exponential_term(float x, float maximum) { return exponential_of_negative(finite(x) - maximum); }

// The row's maximum as it is subtracted: -0 + 0 = +0, because which zero was met first must not show.
DEVICE float as_subtracted(float maximum) { return smaller(maximum, HighestFloat) + 0.0f; }

DEVICE float warp_maximum(float value)
{
    for (int mask = 16; mask > 0; mask /= 2) value = larger(exchange(value, mask), value);
    return value;
}

// Groups of four numbers, at multiples of 16 bytes, and the columns before and behind them.
struct Quads { int head, count, edges; };

// A column before the groups or behind them, by its number below edges.
DEVICE int edge_of(Quads quads, int number) { return number < quads.head ? number : number + 4 * quads.count; }

DEVICE Quads quads_of(const float* x, int columns)
{
    Quads quads;
    quads.head = least((int)(-((long long)x >> 2) & 3), columns);
    quads.count = (columns - quads.head) / 4;
    quads.edges = columns - 4 * quads.count;
    return quads;
}

constexpr int ColumnsBetween = 4 * Threads;     // from a group of a thread to its next

// body(first, numbers, count) for the groups of a thread, some at once: the first one's column, and how many there are. Behind these
// the first is there again, so that reading needs no branch.
template <typename Body>
DEVICE void for_each_quads(const float* x, Quads quads, Body body)
{
    for (int start = thread_x(); start < quads.count; start += QuadsAtOnce * Threads)
    {
        Float4 numbers[QuadsAtOnce];
#pragma unroll
        for (int i = 0; i < QuadsAtOnce; i++)
        {
            int quad = start + i * Threads < quads.count ? start + i * Threads : start;
            numbers[i] = *(const Float4*)(x + quads.head + 4 * quad);
        }

        body(quads.head + 4 * start, numbers, (quads.count - start + Threads - 1) / Threads);
    }
}

template <bool IsAligned, typename Formula>
DEVICE void map_quads(const float* x, float* y, Quads quads, Formula formula)
{
    for_each_quads(x, quads, [=](int first, const Float4* numbers, int count)
    {
#pragma unroll
        for (int i = 0; i < QuadsAtOnce; i++)
        {
            if (i > 0 && i >= count) break;
            int column = first + i * ColumnsBetween;
            Float4 four = {
                formula(column, numbers[i].x), formula(column + 1, numbers[i].y), formula(column + 2, numbers[i].z),
                formula(column + 3, numbers[i].w)};
            float* place = y + column;
            if (IsAligned) *(Float4*)place = four;
            else
            {
                place[0] = four.x;
                place[1] = four.y;
                place[2] = four.z;
                place[3] = four.w;
            }
        }
    });
}

// y = formula(column, x), where y may be x.
template <typename Formula>
DEVICE void map_row(const float* x, float* y, int columns, Formula formula)
{
    Quads quads = quads_of(x, columns);
    if (thread_x() < quads.edges)
    {
        int column = edge_of(quads, thread_x());
        y[column] = formula(column, x[column]);
    }

    if (y == x || ((long long)(y + quads.head) & 15) == 0) map_quads<true>(x, y, quads, formula);
    else map_quads<false>(x, y, quads, formula);
}

// The largest of four numbers and another one, which is no NaN.
DEVICE float larger_of(Float4 x, float value)
{
    return larger(x.x, larger(x.y, larger(x.z, larger(x.w, value))));
}

// The largest of the logits that this thread looks at.
DEVICE float own_maximum(const float* x, int columns)
{
    float value = LowestFloat;
    Quads quads = quads_of(x, columns);
    if (thread_x() < quads.edges) value = larger(x[edge_of(quads, thread_x())], value);
    for_each_quads(x, quads, [&](int, const Float4* numbers, int)
    {
#pragma unroll
        for (int i = 0; i < QuadsAtOnce; i++) value = larger_of(numbers[i], value);
    });
    return value;
}

// The largest of a number of each thread; every thread gets it. Those of the warps stay in maxima.
DEVICE float block_maximum(float value, Space& space)
{
    value = warp_maximum(value);
    if (thread_x() % WarpLanes == 0) space.maxima[thread_x() / WarpLanes] = value;
    block_barrier();
    value = space.maxima[thread_x() % Warps];
    for (int mask = Warps / 2; mask > 0; mask /= 2) value = larger(exchange(value, mask), value);
    return value;
}

// The sum of term(x), by the 64 chains of the numerics contract; every thread gets it.
template <typename Term>
DEVICE float chain_sum(const float* x, int columns, Space& space, Term term)
{
    constexpr int Each = Terms / 4 / Threads;
    Quads quads = quads_of(x, columns);
    int thread = thread_x(), own = (thread + quads.head) % Chains, buffer = 0;
    const float* numbers = x + quads.head;
    float chain = thread < Chains && own < quads.head ? 0.0f + term(x[own]) : 0.0f;
    Float4 next[Each];
    auto ask = [&](int start)
    {
#pragma unroll
        for (int i = 0; i < Each; i++) next[i] = *(const Float4*)(numbers + 4 * least(start + thread + i * Threads, quads.count - 1));
    };
    if (quads.count > 0) ask(0);
    for (int start = 0; start < quads.count; start += Terms / 4)
    {
        float* terms = space.terms[buffer];
        buffer ^= 1;
#pragma unroll
        for (int i = 0; i < Each; i++)
        {
            int place = thread + i * Threads;
            Float4 four = next[i];
            four = Float4{term(four.x), term(four.y), term(four.z), term(four.w)};
            if (start + place < quads.count) *(Float4*)(terms + 4 * place) = four;
        }

        ask(start + Terms / 4);
        block_barrier();
        if (thread < Chains)
        {
            int count = least(Terms, 4 * (quads.count - start));
#pragma unroll 8
            for (int i = thread; i < count; i += Chains) chain += terms[i];
        }
    }

    for (int column = quads.head + 4 * quads.count; column < columns; column++)
        if (thread < Chains && own == column % Chains) chain += term(x[column]);
    block_barrier();
    if (thread < Chains) space.chains[own] = chain;
    block_barrier();
    return join_chains(space.chains[thread % WarpLanes], space.chains[thread % WarpLanes + WarpLanes]);
}

// own_maximum: the largest of the logits that this thread looks at.
DEVICE Measured measure(const float* x, int columns, float own_maximum, Space& space)
{
    float maximum = as_subtracted(block_maximum(own_maximum, space));
    float sum = chain_sum(x, columns, space, [=](float logit) { return exponential_term(logit, maximum); });
    return Measured{maximum, logarithm(sum)};
}
