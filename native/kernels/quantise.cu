// Integers for products with integer weights, those products, and the way back: by the steps of the CPU, which are CTranslate2's. Sums are
// exact, so they have no order. Also activations as bfloat16 and float16.
#include "integers.cuh"

constexpr int Threads = 128;
constexpr int WideThreads = 256;

// q[row, k] = round(x s + 128) - 128, s = 127 / max|x| of the row, 1 for a row of zeros; factors[row] = 1 / s. Columns from columns to
// padded become 0. Legacy: down to the next integer. A block a row.
KERNEL(Threads) quantise_i8(
    const float* x, long long x_stride, signed char* q, long long q_stride, float* factors, int columns, int padded, int is_legacy)
{
    __shared__ float shared[Threads / WarpLanes];
    int row = block_x(), thread = thread_x();
    x += row * x_stride;
    q += row * q_stride;
    float largest = 0.0f;
#pragma unroll 4
    for (int k = thread; k < columns; k += Threads) largest = larger(magnitude_of(x[k]), largest);
    for (int mask = 16; mask > 0; mask /= 2) largest = larger(exchange(largest, mask), largest);
    if (thread % WarpLanes == 0) shared[thread / WarpLanes] = largest;
    block_barrier();
    largest = larger(larger(shared[0], shared[1]), larger(shared[2], shared[3]));
    float scale = int8_scale(largest);
    if (thread == 0) factors[row] = 1.0f / scale;
#pragma unroll 4
    for (int k = thread; k < padded; k += Threads)
        q[k] = to_int8(k < columns ? x[k] : 0.0f, scale, is_legacy);
}

// q[row, k] = round(x * 1000), within 16 bits. Legacy: toward zero. A block a row.
KERNEL(Threads) quantise_i16(
    const float* x, long long x_stride, short* q, long long q_stride, int columns, int padded, int is_legacy)
{
    x += block_x() * x_stride;
    q += block_x() * q_stride;
#pragma unroll 4
    for (int k = thread_x(); k < padded; k += Threads)
        q[k] = to_int16(k < columns ? x[k] : 0.0f, is_legacy);
}

// y = activation(scaled sums + bias); bias may be null. Grid: blocks of 256 columns, rows.
KERNEL(WideThreads) finish_sums(
    const int* sums, long long sum_stride, const float* factors, const float* scales, const float* bias, float* y,
    long long y_stride, int rows, int columns, int activation)
{
    int column = block_x() * WideThreads + thread_x();
    if (column >= columns) return;
    float scale = scales[column], added = bias == nullptr ? 0.0f : bias[column];
    for (int row = block_y(); row < rows; row += grid_y())
    {
        float value = scaled_back(sums[row * sum_stride + column], factors, row, scale);
        if (bias != nullptr) value += added;
        y[row * y_stride + column] = activate(activation, value);
    }
}

// sums = q W^T in 32 bits, which wrap as the CPU's do; 64 rows by 64 outputs a block. Grid: tiles of outputs, tiles of rows.
template <typename T>
DEVICE void multiply_integers(
    const T* q, long long q_stride, const T* w, long long w_stride, int* sums, long long sum_stride, int rows, int outputs,
    int inputs)
{
    constexpr int Tile = 64, Depth = 16, Each = 4, Stride = Tile + 4, LoadStep = WideThreads / Depth;
    alignas(16) __shared__ int q_tile[Depth * Stride];
    alignas(16) __shared__ int w_tile[Depth * Stride];
    int thread = thread_x(), load_k = thread % Depth, load_row = thread / Depth;
    int first_output = block_x() * Tile, thread_row = thread / 16 * Each, thread_column = thread % 16 * Each;
    for (int first_row = block_y() * Tile; first_row < rows; first_row += grid_y() * Tile)
    {
        unsigned totals[Each][Each];
#pragma unroll
        for (int r = 0; r < Each; r++)
#pragma unroll
            for (int c = 0; c < Each; c++) totals[r][c] = 0;

        for (int start = 0; start < inputs; start += Depth)
        {
            bool is_input = start + load_k < inputs;
            block_barrier();
#pragma unroll
            for (int i = 0; i < Each; i++)
            {
                int row = load_row + i * LoadStep, k = start + load_k;
                q_tile[load_k * Stride + row] = is_input && first_row + row < rows ? q[(first_row + row) * q_stride + k] : 0;
                w_tile[load_k * Stride + row] =
                    is_input && first_output + row < outputs ? w[(first_output + row) * w_stride + k] : 0;
            }

            block_barrier();
#pragma unroll 4
            for (int k = 0; k < Depth; k++)
            {
                Int4 rows_of = *(const Int4*)(q_tile + k * Stride + thread_row);
                Int4 columns_of = *(const Int4*)(w_tile + k * Stride + thread_column);
                const int a[Each] = {rows_of.x, rows_of.y, rows_of.z, rows_of.w};
                const int b[Each] = {columns_of.x, columns_of.y, columns_of.z, columns_of.w};
#pragma unroll
                for (int r = 0; r < Each; r++)
#pragma unroll
                    for (int c = 0; c < Each; c++) totals[r][c] += (unsigned)(a[r] * b[c]);
            }
        }

#pragma unroll
        for (int r = 0; r < Each; r++)
        {
            int row = first_row + thread_row + r;
#pragma unroll
            for (int c = 0; c < Each; c++)
            {
                int output = first_output + thread_column + c;
                if (row < rows && output < outputs) sums[row * sum_stride + output] = (int)totals[r][c];
            }
        }
    }
}

KERNEL(WideThreads) gemm_i8(
    const signed char* q, long long q_stride, const signed char* w, long long w_stride, int* sums, long long sum_stride, int rows,
    int outputs, int inputs)
{
    multiply_integers(q, q_stride, w, w_stride, sums, sum_stride, rows, outputs, inputs);
}

KERNEL(WideThreads) gemm_i16(
    const short* q, long long q_stride, const short* w, long long w_stride, int* sums, long long sum_stride, int rows, int outputs,
    int inputs)
{
    multiply_integers(q, q_stride, w, w_stride, sums, sum_stride, rows, outputs, inputs);
}

// y = x rounded to bfloat16, as float32. A block a row.
KERNEL(Threads) round_bf16(const float* x, long long x_stride, float* y, long long y_stride, int columns)
{
    x += block_x() * x_stride;
    y += block_x() * y_stride;
    for (int k = thread_x(); k < columns; k += Threads) y[k] = float_of(round_to_bfloat16(x[k]) & 0xFFFF0000u);
}

// The same as 16 bits, for products in bfloat16; columns from columns to padded become 0. A block a row.
KERNEL(Threads) to_bf16(
    const float* x, long long x_stride, unsigned short* y, long long y_stride, int columns, int padded)
{
    x += block_x() * x_stride;
    y += block_x() * y_stride;
    for (int k = thread_x(); k < padded; k += Threads)
        y[k] = k < columns ? (unsigned short)(round_to_bfloat16(x[k]) >> 16) : (unsigned short)0;
}

// The same as float16.
KERNEL(Threads) to_f16(const float* x, long long x_stride, unsigned short* y, long long y_stride, int columns, int padded)
{
    x += block_x() * x_stride;
    y += block_x() * y_stride;
    for (int k = thread_x(); k < padded; k += Threads) y[k] = k < columns ? round_to_float16(x[k]) : (unsigned short)0;
}
