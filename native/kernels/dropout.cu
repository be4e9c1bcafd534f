// y = dropout(x): a thread has one counter of a row, which serves eight columns, sixteen apart. x, y [rows, columns].
#include "dropout.cuh"

constexpr int Threads = 256;

KERNEL(Threads) dropout(
    const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns, unsigned key_low, unsigned key_high,
    unsigned site, unsigned threshold, float scale)
{
    int counters = (columns + ColumnsOfGroup - 1) / ColumnsOfGroup * CountersOfGroup;
    long long number = (long long)block_x() * Threads + thread_x(), row = number / counters;
    if (row >= rows) return;
    int counter = (int)(number % counters);
    int column = counter / CountersOfGroup * ColumnsOfGroup + counter % CountersOfGroup;
    Dropout dropout{key_low, key_high, site, threshold, scale};
    Words words = philox(dropout, (unsigned)counter, row);
    x += row * x_stride;
    y += row * y_stride;
    const unsigned word[4] = {words.w0, words.w1, words.w2, words.w3};
#pragma unroll
    for (int n = 0; n < 8; n++)
    {
        int c = column + n * 16;
        float factor = n % 2 == 0 ? low_factor(dropout, word[n / 2]) : high_factor(dropout, word[n / 2]);
        if (c < columns) y[c] = x[c] * factor;
    }
}
