// What is done to each element, or to single ones: sums, products, bias and activation, selections, edits of logits.
// Tables are [rows, columns] with a stride; a block takes 256 columns of a row, and rows from its number on in steps of the grid.
#include "math.cuh"

constexpr int Threads = 256;

#define FOR_EACH_ROW(row, rows) for (int row = block_y(); row < rows; row += grid_y())

KERNEL(Threads) add(
    const float* x, long long x_stride, const float* y, long long y_stride, float* z, long long z_stride, int rows, int columns)
{
    int column = block_x() * Threads + thread_x();
    if (column >= columns) return;
    FOR_EACH_ROW(row, rows) z[row * z_stride + column] = x[row * x_stride + column] + y[row * y_stride + column];
}

KERNEL(Threads) multiply(
    const float* x, long long x_stride, const float* y, long long y_stride, float* z, long long z_stride, int rows, int columns)
{
    int column = block_x() * Threads + thread_x();
    if (column >= columns) return;
    FOR_EACH_ROW(row, rows) z[row * z_stride + column] = x[row * x_stride + column] * y[row * y_stride + column];
}

// y = activation(x + bias); y may be x, bias may be null.
KERNEL(Threads) bias_activation(
    const float* x, long long x_stride, const float* bias, float* y, long long y_stride, int rows, int columns, int activation)
{
    int column = block_x() * Threads + thread_x();
    if (column >= columns) return;
    float added = bias == nullptr ? 0.0f : bias[column];
    FOR_EACH_ROW(row, rows)
    {
        float value = x[row * x_stride + column];
        if (bias != nullptr) value += added;
        y[row * y_stride + column] = activate(activation, value);
    }
}

// y[row, j] = x[row, columns[j]]; a column that is not there gives zero.
KERNEL(Threads) select_columns(
    const float* x, long long x_stride, int x_columns, const int* columns, float* y, long long y_stride, int rows, int count)
{
    int j = block_x() * Threads + thread_x();
    if (j >= count) return;
    int column = columns[j];
    bool is_there = (unsigned)column < (unsigned)x_columns;
    FOR_EACH_ROW(row, rows) y[row * y_stride + j] = is_there ? x[row * x_stride + column] : 0.0f;
}

// places [count, 2]: row, token. Places outside the table are skipped.
KERNEL(Threads) suppress(float* logits, long long stride, int rows, int columns, const int* places, long long place_stride, int count)
{
    int i = block_x() * Threads + thread_x();
    if (i >= count) return;
    int row = places[i * place_stride], token = places[i * place_stride + 1];
    if ((unsigned)row < (unsigned)rows && (unsigned)token < (unsigned)columns) logits[row * stride + token] = LowestFloat;
}

KERNEL(Threads) penalize(
    float* logits, long long stride, int rows, int columns, const int* places, long long place_stride, const float* penalties,
    int count)
{
    int i = block_x() * Threads + thread_x();
    if (i >= count) return;
    int row = places[i * place_stride], token = places[i * place_stride + 1];
    if ((unsigned)row >= (unsigned)rows || (unsigned)token >= (unsigned)columns) return;
    float* logit = logits + row * stride + token;
    float value = *logit;
    *logit = value < 0.0f ? value * penalties[i] : value / penalties[i];
}
