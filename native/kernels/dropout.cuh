// Dropout as src/Engine/Backends/Dropout.cs defines it: Philox4x32-10 (Salmon et al. 2011) of key, row, site and column, so that the mask
// is never stored and is the CPU's to the bit.
#pragma once
#include "device.cuh"

constexpr int ColumnsOfGroup = 128;     // that one vector of sixteen counters serves
constexpr int CountersOfGroup = 16;

// threshold of 65,536 values mean that a number is dropped; 0: none is. A kept one is multiplied by scale.
struct Dropout { unsigned key_low, key_high, site, threshold; float scale; };

struct Words { unsigned w0, w1, w2, w3; };

DEVICE Words philox(const Dropout& dropout, unsigned counter, long long row)
{
    unsigned c0 = counter, c1 = (unsigned)row, c2 = (unsigned)(row >> 32), c3 = dropout.site;
    unsigned k0 = dropout.key_low, k1 = dropout.key_high;
#pragma unroll
    for (int round = 0; round < 10; round++)
    {
        unsigned long long p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        c0 = (unsigned)(p1 >> 32) ^ c1 ^ k0;
        c1 = (unsigned)p1;
        c2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;
        c3 = (unsigned)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }

    return Words{c0, c1, c2, c3};
}

DEVICE unsigned counter_of(int column) { return (unsigned)(column / ColumnsOfGroup * CountersOfGroup + column % CountersOfGroup); }

DEVICE float factor_of(const Dropout& dropout, unsigned sixteen_bits) { return sixteen_bits >= dropout.threshold ? dropout.scale : 0.0f; }

DEVICE float low_factor(const Dropout& dropout, unsigned word) { return factor_of(dropout, word & 0xFFFFu); }
DEVICE float high_factor(const Dropout& dropout, unsigned word) { return factor_of(dropout, word >> 16); }

// What the number of a row and a column is multiplied by.
DEVICE float factor_at(const Dropout& dropout, long long row, int column)
{
    Words words = philox(dropout, counter_of(column), row);
    int n = column / 16 % 8;
    unsigned low = (n & 2) != 0 ? words.w1 : words.w0, high = (n & 2) != 0 ? words.w3 : words.w2;
    unsigned word = (n & 4) != 0 ? high : low;
    return (n & 1) != 0 ? high_factor(dropout, word) : low_factor(dropout, word);
}

// The numbers of the columns first + lane and first + lane + 32, for a first that is a multiple of 64: one counter serves both.
DEVICE void drop_block(const Dropout& dropout, long long row, int first, float& low, float& high)
{
    int lane = thread_x() % WarpLanes;
    Words words = philox(dropout, counter_of(first + lane), row);
    bool is_upper = (first & 64) != 0;
    unsigned low_word = is_upper ? words.w2 : words.w0, high_word = is_upper ? words.w3 : words.w1;
    low *= lane < 16 ? low_factor(dropout, low_word) : high_factor(dropout, low_word);
    high *= lane < 16 ? low_factor(dropout, high_word) : high_factor(dropout, high_word);
}
