// What is done to each element, or to single ones: sums, products, bias and activation, selections, edits of logits.
// Tables are [rows, columns] with a stride.
#include "elements.cuh"

// Where all tables are without gaps they are one row. is_aligned: four numbers of each may be read and written at once.
KERNEL(Threads) add(
    const float* x, long long x_stride, const float* y, long long y_stride, float* z, long long z_stride, int rows, int columns,
    int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        store(z + row * z_stride, own, sum_of(load(x + row * x_stride, own), load(y + row * y_stride, own)));
    });
}

KERNEL(Threads) multiply(
    const float* x, long long x_stride, const float* y, long long y_stride, float* z, long long z_stride, int rows, int columns,
    int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        auto left = load(x + row * x_stride, own), right = load(y + row * y_stride, own);
        store(z + row * z_stride, own, each(left, right, [](float a, float b) { return a * b; }));
    });
}

// y = activation(x + bias); y may be x, bias may be null.
KERNEL(Threads) bias_activation(
    const float* x, long long x_stride, const float* bias, float* y, long long y_stride, int rows, int columns, int activation,
    int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        auto value = load(x + row * x_stride, own);
        if (bias != nullptr) value = sum_of(value, load(bias, own));
        store(y + row * y_stride, own, activate(activation, value));
    });
}

// y[row, j] = x[row, columns[j]]; a column that is not there gives zero.
KERNEL(Threads) select_columns(
    const float* x, long long x_stride, int x_columns, const int* columns, float* y, long long y_stride, int rows, int count)
{
    int j = block_x() * Threads + thread_x();
    if (j >= count) return;
    int column = columns[j];
    bool is_there = (unsigned)column < (unsigned)x_columns;
    for (int row = block_y(); row < rows; row += grid_y()) y[row * y_stride + j] = is_there ? x[row * x_stride + column] : 0.0f;
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
