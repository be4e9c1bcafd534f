// y = dropout(x): a thread has one counter of a row, which serves eight columns, sixteen apart. x, y [rows, columns].
#include "dropout.cuh"

constexpr int Threads = 256;

// Grid: counters of a row, rows. Where rows have fewer counters than a block has threads, it takes several.
KERNEL(Threads) dropout(
    const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns, unsigned key_low, unsigned key_high,
    unsigned site, unsigned threshold, float scale)
{
    int counters = (columns + ColumnsOfGroup - 1) / ColumnsOfGroup * CountersOfGroup, width = least(counters, Threads);
    int rows_of_block = (int)((unsigned)Threads / (unsigned)width), own_row = (int)((unsigned)thread_x() / (unsigned)width);
    int counter = block_x() * Threads + thread_x() - own_row * width;
    if (own_row >= rows_of_block || counter >= counters) return;
    int column = counter / CountersOfGroup * ColumnsOfGroup + counter % CountersOfGroup;
    Dropout dropout{key_low, key_high, site, threshold, scale};
    for (int row = block_y() * rows_of_block + own_row; row < rows; row += grid_y() * rows_of_block)
    {
        const float* from = x + row * x_stride + column;
        float* to = y + row * y_stride + column;
        float values[8];
#pragma unroll
        for (int n = 0; n < 8; n++) values[n] = column + n * 16 < columns ? from[n * 16] : 0.0f;
        Words words = philox(dropout, (unsigned)counter, row);
        const unsigned word[4] = {words.w0, words.w1, words.w2, words.w3};
#pragma unroll
        for (int n = 0; n < 8; n++)
        {
            float factor = n % 2 == 0 ? low_factor(dropout, word[n / 2]) : high_factor(dropout, word[n / 2]);
            if (column + n * 16 < columns) to[n * 16] = values[n] * factor;
        }
    }
}
