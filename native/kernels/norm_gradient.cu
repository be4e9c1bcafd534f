// The backward of norm.cu, by the steps and the order of src/Cpu/Kernels/LayerNormGradient.cs. With n = (x - mean) r and g = dy gain:
// dx = r (g - mean(g) - n mean(g n)) + passed, dgain = sum dy n, dbias = sum dy. x, dy, passed or null, dx [rows, columns].
#include "norm.cuh"

constexpr int Threads = 128;
constexpr int RowsOfTile = 32;

// A warp a row. measured [rows, 2]: mean and r, for the sums.
KERNEL(Threads) norm_gradient(
    const float* x, long long x_stride, const float* dy, long long dy_stride, const float* passed, long long passed_stride, float* dx,
    long long dx_stride, const float* gain, float* measured, int rows, int columns, float epsilon, int is_rms)
{
    int number = block_x() * (Threads / WarpLanes) + thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
    if (number >= rows) return;
    NormRow row;
    row.x = x + number * x_stride;
    row.residual = nullptr;
    dy += number * dy_stride;
    float mean = is_rms ? 0.0f : row_sum<false>(row, columns, lane, 0.0f) / (float)columns;
    float squares = row_sum<true>(row, columns, lane, mean);
    float r = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + epsilon);

    // Both sums are sixteen chains each: the lower lanes have those of g, the upper ones those of g n.
    float chain = 0.0f;
    bool is_product = lane >= 16;
#pragma unroll 4
    for (int column = lane % 16; column < columns; column += 16)
    {
        float g = dy[column] * gain[column], normal = (row.x[column] - mean) * r;
        chain = is_product ? fused(g, normal, chain) : chain + g;
    }

    chain += exchange(chain, 8);
    chain += exchange(chain, 4);
    chain += exchange(chain, 2);
    chain += exchange(chain, 1);
    float other = exchange(chain, 16);
    float sum = is_product ? other : chain, product = is_product ? chain : other;
    float first = is_rms ? 0.0f : sum / (float)columns, second = -(product / (float)columns);
    float* output = dx + number * dx_stride;
    const float* also = passed == nullptr ? nullptr : passed + number * passed_stride;
#pragma unroll 4
    for (int column = lane; column < columns; column += WarpLanes)
    {
        float normal = (row.x[column] - mean) * r, g = (dy[column] * gain[column]) - first;
        float from = also == nullptr ? 0.0f : also[column];
        output[column] = fused(r, fused(normal, second, g), from);
    }

    if (lane > 0) return;
    measured[number * 2LL] = mean;
    measured[number * 2LL + 1] = r;
}

// What 32 rows add to gain and bias: partial [tiles, 2 * columns]. Grid: tiles, slices of 128 columns.
KERNEL(Threads) norm_partials(
    const float* x, long long x_stride, const float* dy, long long dy_stride, const float* measured, float* partial, int rows,
    int columns)
{
    int tile = block_x(), column = block_y() * Threads + thread_x();
    if (column >= columns) return;
    int end = least(rows, (tile + 1) * RowsOfTile);
    float gain = 0.0f, bias = 0.0f;
#pragma unroll 8
    for (int row = tile * RowsOfTile; row < end; row++)
    {
        float d = dy[row * dy_stride + column];
        float normal = (x[row * x_stride + column] - measured[row * 2LL]) * measured[row * 2LL + 1];
        gain = fused(d, normal, gain);
        bias += d;
    }

    partial += tile * 2LL * columns;
    partial[column] = gain;
    partial[columns + column] = bias;
}
