// Integers for products with integer weights, those products, and the way back: by the steps of the CPU, which are CTranslate2's. Sums are
// exact, so they have no order. Also activations as bfloat16 and float16.
#include "elements.cuh"
#include "integers.cuh"

constexpr int RowThreads = 128, RowWarps = RowThreads / WarpLanes;

// Columns of a row in the registers of a warp: lane l has 128 i + 4 l and the next three; for what is not there, the last ones.
constexpr int Groups = 8, HeldColumns = Groups * WarpLanes * 4;

template <bool IsAligned>
DEVICE void hold(Float4 (&held)[Groups], const float* x, int first, int columns)
{
#pragma unroll
    for (int i = 0; i < Groups; i++)
    {
        int column = first + i * WarpLanes * 4, last = columns - 1;
        if (IsAligned) held[i] = *(const Float4*)(x + least(column, columns - 4));
        else
        {
            held[i] = Float4{
                x[least(column, last)], x[least(column + 1, last)], x[least(column + 2, last)], x[least(column + 3, last)]};
        }
    }
}

DEVICE unsigned byte_of(float x, bool is_there, float scale, bool is_legacy)
{
    unsigned kept = is_there ? 0xFFu : 0u;
    return (unsigned)to_int8(x, scale, is_legacy) & kept;
}

// left: columns from the lane's first one on, and with the padding.
template <bool IsLegacy>
DEVICE void store_bytes(const Float4 (&held)[Groups], signed char* q, int left, int padded_left, float scale)
{
#pragma unroll
    for (int i = 0; i < Groups; i++)
    {
        int column = i * WarpLanes * 4;
        unsigned bytes = byte_of(held[i].x, column < left, scale, IsLegacy);
        bytes |= byte_of(held[i].y, column + 1 < left, scale, IsLegacy) << 8;
        bytes |= byte_of(held[i].z, column + 2 < left, scale, IsLegacy) << 16;
        bytes |= byte_of(held[i].w, column + 3 < left, scale, IsLegacy) << 24;
        if (column < padded_left) *(unsigned*)(q + column) = bytes;
    }
}

template <bool IsAligned>
DEVICE void quantise_row(const float* x, signed char* q, float* factor, int columns, int padded, bool is_legacy)
{
    Float4 held[Groups];
    int first = thread_x() % WarpLanes * 4;
    float largest = 0.0f;
    for (int start = 0; start < columns; start += HeldColumns)
    {
        hold<IsAligned>(held, x, start + first, columns);
#pragma unroll
        for (int i = 0; i < Groups; i++)
        {
            largest = larger(magnitude_of(held[i].x), larger(magnitude_of(held[i].y), largest));
            largest = larger(magnitude_of(held[i].z), larger(magnitude_of(held[i].w), largest));
        }
    }

    for (int mask = 16; mask > 0; mask /= 2) largest = larger(exchange(largest, mask), largest);
    float scale = int8_scale(largest);
    if (first == 0) *factor = 1.0f / scale;
    for (int start = 0; start < padded; start += HeldColumns)
    {
        if (columns > HeldColumns) hold<IsAligned>(held, x, start + first, columns);
        int left = columns - start - first, padded_left = padded - start - first;
        if (is_legacy) store_bytes<true>(held, q + start + first, left, padded_left, scale);
        else store_bytes<false>(held, q + start + first, left, padded_left, scale);
    }
}

// q[row, k] = round(x s + 128) - 128, s = 127 / max|x| of the row, 1 for a row of zeros; factors[row] = 1 / s. Columns from columns to
// padded become 0. Legacy: down to the next integer. A warp a row. is_aligned: all columns may be read by four numbers at once.
KERNEL(RowThreads) quantise_i8(
    const float* x, long long x_stride, signed char* q, long long q_stride, float* factors, int rows, int columns, int padded,
    int is_legacy, int is_aligned)
{
    int row = block_x() * RowWarps + thread_x() / WarpLanes;
    if (row >= rows) return;
    x += row * x_stride;
    q += row * q_stride;
    if (is_aligned) quantise_row<true>(x, q, factors + row, columns, padded, is_legacy);
    else quantise_row<false>(x, q, factors + row, columns, padded, is_legacy);
}

// q[row, k] = round(x * 1000), within 16 bits. Legacy: toward zero.
KERNEL(Threads) quantise_i16(
    const float* x, long long x_stride, unsigned short* q, long long q_stride, int rows, int columns, int padded, int is_legacy,
    int is_aligned)
{
    for_each_row(rows, padded, is_aligned, [=](int row, auto own)
    {
        auto numbers = load_padded(x + row * x_stride, columns, own);
        store_halves(q + row * q_stride, own, numbers, [=](float value) { return (unsigned)to_int16(value, is_legacy); });
    });
}

DEVICE Float4 scaled_back(Int4 sums, const float* factors, int row, Float4 scales)
{
    return Float4{
        scaled_back(sums.x, factors, row, scales.x), scaled_back(sums.y, factors, row, scales.y),
        scaled_back(sums.z, factors, row, scales.z), scaled_back(sums.w, factors, row, scales.w)};
}

// y = activation(scaled sums + bias); bias may be null.
KERNEL(Threads) finish_sums(
    const int* sums, long long sum_stride, const float* factors, const float* scales, const float* bias, float* y,
    long long y_stride, int rows, int columns, int activation, int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        auto value = scaled_back(load(sums + row * sum_stride, own), factors, row, load(scales, own));
        if (bias != nullptr) value = sum_of(value, load(bias, own));
        store(y + row * y_stride, own, activate(activation, value));
    });
}

// sums = q W^T in 32 bits, which wrap as the CPU's do; 64 rows by 64 outputs a block. Grid: tiles of outputs, tiles of rows.
template <typename T>
DEVICE void multiply_integers(
    const T* q, long long q_stride, const T* w, long long w_stride, int* sums, long long sum_stride, int rows, int outputs,
    int inputs)
{
    constexpr int Tile = 64, Depth = 16, Each = 4, Stride = Tile + 4, LoadStep = Threads / Depth;
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

KERNEL(Threads) gemm_i8(
    const signed char* q, long long q_stride, const signed char* w, long long w_stride, int* sums, long long sum_stride, int rows,
    int outputs, int inputs)
{
    multiply_integers(q, q_stride, w, w_stride, sums, sum_stride, rows, outputs, inputs);
}

KERNEL(Threads) gemm_i16(
    const short* q, long long q_stride, const short* w, long long w_stride, int* sums, long long sum_stride, int rows, int outputs,
    int inputs)
{
    multiply_integers(q, q_stride, w, w_stride, sums, sum_stride, rows, outputs, inputs);
}

// y = x rounded to bfloat16, as float32.
KERNEL(Threads) round_bf16(
    const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns, int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        auto rounded = [](float value) { return float_of(round_to_bfloat16(value) & 0xFFFF0000u); };
        store(y + row * y_stride, own, each(load(x + row * x_stride, own), rounded));
    });
}

// The same as 16 bits, for products in bfloat16; columns from columns to padded become 0.
KERNEL(Threads) to_bf16(
    const float* x, long long x_stride, unsigned short* y, long long y_stride, int rows, int columns, int padded, int is_aligned)
{
    for_each_row(rows, padded, is_aligned, [=](int row, auto own)
    {
        auto numbers = load_padded(x + row * x_stride, columns, own);
        store_halves(y + row * y_stride, own, numbers, [](float value) { return round_to_bfloat16(value) >> 16; });
    });
}

// The same as float16.
KERNEL(Threads) to_f16(
    const float* x, long long x_stride, unsigned short* y, long long y_stride, int rows, int columns, int padded, int is_aligned)
{
    for_each_row(rows, padded, is_aligned, [=](int row, auto own)
    {
        auto numbers = load_padded(x + row * x_stride, columns, own);
        store_halves(y + row * y_stride, own, numbers, [](float value) { return (unsigned)round_to_float16(value); });
    });
}
