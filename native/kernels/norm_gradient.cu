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

// What stands before a row's dx: dx = r (g - first + n second) + passed. normals and slopes are the row's n and dy in shared memory, gains
// the gain. Both sums are sixteen chains each: the lower lanes have those of g, the upper ones those of g n.
struct Means { float first, second; };

DEVICE Means means_of(const float* normals, const float* slopes, const float* gains, int columns, bool is_rms)
{
    int lane = thread_x() % WarpLanes;
    bool is_product = lane >= 16;
    float chain = 0.0f;
#pragma unroll 8
    for (int column = lane % 16; column < columns; column += 16)
    {
        float g = slopes[column] * gains[column];
        chain = is_product ? fused(g, normals[column], chain) : chain + g;
    }

    chain += exchange(chain, 8);
    chain += exchange(chain, 4);
    chain += exchange(chain, 2);
    chain += exchange(chain, 1);
    float other = exchange(chain, 16);
    float sum = is_product ? other : chain, product = is_product ? chain : other;
    return Means{is_rms ? 0.0f : sum / (float)columns, -(product / (float)columns)};
}

// A warp's row, of pairs, which it holds: n and dy go to shared memory.
template <int Steps>
DEVICE void held_gradient(
    const float* x, const float* dy, const float* passed, float* dx, const float* gains, float* normals, float* slopes, int columns,
    float epsilon, bool is_rms)
{
    int first = thread_x() % WarpLanes * 2;
    NormRow row{x, nullptr};
    Held<Steps> held, slope, also = {};
    hold<true>(held, row, first, columns);
    hold<true>(slope, dy, first, columns);
    if (passed != nullptr) hold<true>(also, passed, first, columns);
    float mean = is_rms ? 0.0f : held_sum<false, true, false>(held, row, columns, 0.0f) / (float)columns;
    float squares = held_sum<true, true, false>(held, row, columns, mean);
    float r = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + epsilon);
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        int column = first + i * Chains;
        held.low[i] = (held.low[i] - mean) * r;
        held.high[i] = (held.high[i] - mean) * r;
        store_pair<true>(normals, column, columns, held.low[i], held.high[i]);
        store_pair<true>(slopes, column, columns, slope.low[i], slope.high[i]);
    }

    warp_barrier();
    Means means = means_of(normals, slopes, gains, columns, is_rms);
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        int column = first + i * Chains;
        Float2 gain = pair_at<true>(gains, column, columns);
        float low = (slope.low[i] * gain.x) - means.first, high = (slope.high[i] * gain.y) - means.first;
        low = fused(r, fused(held.low[i], means.second, low), also.low[i]);
        high = fused(r, fused(held.high[i], means.second, high), also.high[i]);
        store_pair<true>(dx, column, columns, low, high);
    }
}

// Both kernels above at once, a tile a block, for rows of pairs that a warp holds: four rows after the other go through shared memory,
// and each thread adds what they give to its columns.
template <int Steps>
DEVICE void gradient_of_tile(
    const float* x, long long x_stride, const float* dy, long long dy_stride, const float* passed, long long passed_stride, float* dx,
    long long dx_stride, const float* gain, float* partial, int rows, int columns, float epsilon, bool is_rms)
{
    constexpr int Columns = Held<Steps>::Columns, Warps = Threads / WarpLanes, Each = Columns / Threads;
    alignas(8) __shared__ float normals[Warps][Columns];
    alignas(8) __shared__ float slopes[Warps][Columns];
    alignas(8) __shared__ float gains[Columns];
    int thread = thread_x(), warp = thread / WarpLanes;
    int start = block_x() * RowsOfTile, end = least(rows, start + RowsOfTile);
    float gain_sums[Each] = {}, bias_sums[Each] = {};
    for (int column = thread; column < columns; column += Threads) gains[column] = gain[column];
    for (int group = start; group < end; group += Warps)
    {
        int number = group + warp;
        block_barrier();
        if (number < end)
        {
            held_gradient<Steps>(
                x + number * x_stride, dy + number * dy_stride, passed == nullptr ? nullptr : passed + number * passed_stride,
                dx + number * dx_stride, gains, normals[warp], slopes[warp], columns, epsilon, is_rms);
        }

        block_barrier();
#pragma unroll
        for (int i = 0; i < Each; i++)
        {
            int column = thread + i * Threads;
            if (column >= columns) break;
#pragma unroll
            for (int row = 0; row < Warps; row++)
            {
                if (group + row >= end) break;
                gain_sums[i] = fused(slopes[row][column], normals[row][column], gain_sums[i]);
                bias_sums[i] += slopes[row][column];
            }
        }
    }

    partial += block_x() * 2LL * columns;
#pragma unroll
    for (int i = 0; i < Each; i++)
    {
        int column = thread + i * Threads;
        if (column >= columns) break;
        partial[column] = gain_sums[i];
        partial[columns + column] = bias_sums[i];
    }
}

#define TILE(name, Steps) \
    KERNEL(Threads) name( \
        const float* x, long long x_stride, const float* dy, long long dy_stride, const float* passed, long long passed_stride, \
        float* dx, long long dx_stride, const float* gain, float* partial, int rows, int columns, float epsilon, int is_rms) \
    { \
        gradient_of_tile<Steps>( \
            x, x_stride, dy, dy_stride, passed, passed_stride, dx, dx_stride, gain, partial, rows, columns, epsilon, is_rms); \
    }

TILE(norm_gradient_512, 8)
TILE(norm_gradient_1024, 16)
