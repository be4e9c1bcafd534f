// y = activation(x W^T + b) for a few rows, where the time is that of reading W: a warp takes one or two outputs and reads their weights
// once, 16 bytes a lane; the rows lie in shared memory. Before that, every block by itself: x = norm(x + residual), and rounding to what
// the weights are. So a product with all that stands around it is one launch. Sums of floats go by lanes and are joined by halves;
// sums of integers are exact. Rows are 8 at most. Grid: outputs, as many blocks as one likes.
#pragma once
#include "integers.cuh"
#include "norm.cuh"

constexpr int Threads = 128, Warps = Threads / WarpLanes;
constexpr int MostRows = 8;

// x [rows, inputs]. kind 0: as it is; 1: LayerNorm, 2: its root-mean-square form, of x + residual (or x where that is null). The first
// block also writes the sum (where it is wanted) and the norm.
struct Input
{
    const float* x;
    long long x_stride;
    const float* residual;
    long long residual_stride;
    float* sum;
    long long sum_stride;
    float* normed;
    long long normed_stride;
    const float* gain;
    const float* shift;
    float epsilon;
    int kind;
};

// A row's numbers as the product takes them, one column at a time.
struct Row
{
    NormRow row;
    float* sum;
    float* normed;
    const float* gain;
    const float* shift;
    float mean;
    float factor;
    int kind;
};

DEVICE Row prepare(const Input& input, int number, int columns, int lane)
{
    Row row;
    row.row.x = input.x + number * input.x_stride;
    row.row.residual = input.residual == nullptr ? nullptr : input.residual + number * input.residual_stride;
    bool writes = block_x() == 0;
    row.sum = writes && input.sum != nullptr ? input.sum + number * input.sum_stride : nullptr;
    row.normed = writes && input.kind != 0 ? input.normed + number * input.normed_stride : nullptr;
    row.gain = input.gain;
    row.shift = input.shift;
    row.kind = input.kind;
    row.mean = 0.0f;
    row.factor = 1.0f;
    if (input.kind == 0) return row;
    if (input.kind == 1) row.mean = row_sum<false>(row.row, columns, lane, 0.0f) / (float)columns;
    float squares = row_sum<true>(row.row, columns, lane, row.mean);
    row.factor = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + input.epsilon);
    return row;
}

DEVICE float number(const Row& row, int column)
{
    float value = element(row.row, column);
    if (row.kind == 0) return value;
    float scaled = (value - row.mean) * row.factor;
    return row.shift == nullptr ? scaled * row.gain[column] : fused(scaled, row.gain[column], row.shift[column]);
}

// The number, kept where others read it.
DEVICE float kept(const Row& row, int column)
{
    float value = number(row, column);
    if (row.sum != nullptr) row.sum[column] = element(row.row, column);
    if (row.normed != nullptr) row.normed[column] = value;
    return value;
}

// What lies in shared memory of a row, how many numbers a lane takes at once, and what a sum is.
template <typename T>
struct Staged;

// Of 16-bit weights a lane takes 8, which are two reads of 4 numbers; the second halves lie behind all first ones, so that the lanes
// of a read lie side by side.
template <typename T, int AtOnce>
struct StagedFloats
{
    typedef float Element;
    typedef float Sum;
    static constexpr int Numbers = AtOnce;
    static constexpr int Unrolled = 2;

    DEVICE float finish(float sum, const float*, int, const float*, int) { return sum; }

    DEVICE int place(int column, int padded)
    {
        if (AtOnce == 4) return column;
        return column / 8 * 4 + column % 4 + (column / 4 % 2) * (padded / 2);
    }

    DEVICE void put(float* shared, float*, const Row& row, int columns, int padded, int lane, int rounding)
    {
        for (int column = lane; column < padded; column += WarpLanes)
        {
            float value = column < columns ? kept(row, column) : 0.0f;
            if (rounding != 0) value = float_of(round_to_bfloat16(value) & 0xFFFF0000u);
            shared[place(column, padded)] = value;
        }
    }
};

template <>
struct Staged<float> : StagedFloats<float, 4>
{
    DEVICE float add(float sum, const Int4& w, const float* x, int column, int)
    {
        Float4 four = *(const Float4*)(x + column);
        sum = fused(four.x, float_of((unsigned)w.x), sum);
        sum = fused(four.y, float_of((unsigned)w.y), sum);
        sum = fused(four.z, float_of((unsigned)w.z), sum);
        return fused(four.w, float_of((unsigned)w.w), sum);
    }
};

template <typename T>
DEVICE float add_pair(float sum, unsigned pair, float low, float high)
{
    T first, second;
    first.bits = (unsigned short)pair;
    second.bits = (unsigned short)(pair >> 16);
    return fused(high, widen(second), fused(low, widen(first), sum));
}

template <typename T>
struct StagedHalves : StagedFloats<T, 8>
{
    DEVICE float add(float sum, const Int4& w, const float* x, int column, int padded)
    {
        Float4 low = *(const Float4*)(x + column / 2), high = *(const Float4*)(x + column / 2 + padded / 2);
        sum = add_pair<T>(sum, (unsigned)w.x, low.x, low.y);
        sum = add_pair<T>(sum, (unsigned)w.y, low.z, low.w);
        sum = add_pair<T>(sum, (unsigned)w.z, high.x, high.y);
        return add_pair<T>(sum, (unsigned)w.w, high.z, high.w);
    }
};

template <>
struct Staged<Half> : StagedHalves<Half>
{
};

template <>
struct Staged<BFloat> : StagedHalves<BFloat>
{
};

DEVICE int dot4(int a, int b, int sum)
{
    int result;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

template <>
struct Staged<signed char>
{
    typedef signed char Element;
    typedef int Sum;
    static constexpr int Numbers = 16;
    static constexpr int Unrolled = 1;    // the instruction below cannot be copied

    DEVICE float finish(int sum, const float* factors, int row, const float* scales, int output)
    {
        return scaled_back(sum, factors, row, scales[output]);
    }

    DEVICE void put(signed char* shared, float* factor, const Row& row, int columns, int padded, int lane, int rounding)
    {
        float largest = 0.0f;
        for (int column = lane; column < columns; column += WarpLanes) largest = larger(magnitude_of(kept(row, column)), largest);
        for (int mask = 16; mask > 0; mask /= 2) largest = larger(exchange(largest, mask), largest);
        float scale = int8_scale(largest);
        if (lane == 0) *factor = 1.0f / scale;
        for (int column = lane; column < padded; column += WarpLanes)
            shared[column] = to_int8(column < columns ? number(row, column) : 0.0f, scale, rounding != 0);
    }

    DEVICE int add(int sum, const Int4& w, const signed char* x, int column, int)
    {
        Int4 four = *(const Int4*)(x + column);
        return dot4(four.w, w.w, dot4(four.z, w.z, dot4(four.y, w.y, dot4(four.x, w.x, sum))));
    }
};

DEVICE int dot2(int a, int b, int sum)
{
    unsigned low = (unsigned)((int)(short)a * (int)(short)b), high = (unsigned)((a >> 16) * (b >> 16));
    return (int)((unsigned)sum + low + high);
}

template <>
struct Staged<short>
{
    typedef short Element;
    typedef int Sum;
    static constexpr int Numbers = 8;
    static constexpr int Unrolled = 2;

    DEVICE float finish(int sum, const float*, int row, const float* scales, int output)
    {
        return scaled_back(sum, nullptr, row, scales[output]);
    }

    DEVICE void put(short* shared, float*, const Row& row, int columns, int padded, int lane, int rounding)
    {
        for (int column = lane; column < padded; column += WarpLanes)
            shared[column] = to_int16(column < columns ? kept(row, column) : 0.0f, rounding != 0);
    }

    DEVICE int add(int sum, const Int4& w, const short* x, int column, int)
    {
        Int4 four = *(const Int4*)(x + column);
        return dot2(four.w, w.w, dot2(four.z, w.z, dot2(four.y, w.y, dot2(four.x, w.x, sum))));
    }
};

// rounding: 1: of activations to bfloat16, or in the legacy way to integers. Rows beyond the real ones are zeros.
template <typename T, int Rows, int Outputs>
DEVICE void multiply(
    const Input& input, const T* w, long long w_stride, const float* scales, const float* bias, float* y, long long y_stride,
    int rows, int outputs, int inputs, int activation, int rounding)
{
    typedef Staged<T> Kind;
    typedef typename Kind::Element Element;
    typedef typename Kind::Sum Sum;
    extern __shared__ Int4 staged[];
    __shared__ float factors[MostRows];
    Element* shared = (Element*)staged;
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes, padded = (int)w_stride;
    for (int row = warp; row < Rows; row += Warps)
    {
        Element* place = shared + row * padded;
        if (row < rows) Kind::put(place, factors + row, prepare(input, row, inputs, lane), inputs, padded, lane, rounding);
        else
            for (int column = lane; column < padded; column += WarpLanes) place[column] = 0;
    }

    block_barrier();
    for (int first = (block_x() * Warps + warp) * Outputs; first < outputs; first += grid_x() * Warps * Outputs)
    {
        Sum sums[Rows][Outputs];
        const T* weights[Outputs];
#pragma unroll
        for (int o = 0; o < Outputs; o++)
        {
            weights[o] = w + least(first + o, outputs - 1) * w_stride;
#pragma unroll
            for (int r = 0; r < Rows; r++) sums[r][o] = 0;
        }

#pragma unroll Kind::Unrolled
        for (int column = lane * Kind::Numbers; column < padded; column += WarpLanes * Kind::Numbers)
        {
            Int4 of[Outputs];
#pragma unroll
            for (int o = 0; o < Outputs; o++) of[o] = *(const Int4*)(weights[o] + column);
#pragma unroll
            for (int r = 0; r < Rows; r++)
#pragma unroll
                for (int o = 0; o < Outputs; o++)
                    sums[r][o] = Kind::add(sums[r][o], of[o], shared + r * padded, column, padded);
        }

        // Every lane has every sum; each of the first lanes then finishes one.
        Sum mine = 0;
#pragma unroll
        for (int r = 0; r < Rows; r++)
#pragma unroll
            for (int o = 0; o < Outputs; o++)
            {
                Sum sum = sums[r][o];
                for (int mask = 16; mask > 0; mask /= 2) sum += exchange(sum, mask);
                mine = lane == r * Outputs + o ? sum : mine;
            }

        int row = lane / Outputs, output = first + lane % Outputs;
        if (row < rows && lane < Rows * Outputs && output < outputs)
        {
            float value = Kind::finish(mine, factors, row, scales, output);
            if (bias != nullptr) value += bias[output];
            y[row * y_stride + output] = activate(activation, value);
        }
    }
}

#define FEW(name, T, most_rows, outputs_of_warp) \
    KERNEL(Threads) name( \
        const float* x, long long x_stride, const float* residual, long long residual_stride, float* sum, long long sum_stride, \
        float* normed, long long normed_stride, const float* gain, const float* shift, float epsilon, int kind, const T* w, \
        long long w_stride, const float* scales, const float* bias, float* y, long long y_stride, int rows, int outputs, int inputs, \
        int activation, int rounding) \
    { \
        Input input; \
        input.x = x; \
        input.x_stride = x_stride; \
        input.residual = residual; \
        input.residual_stride = residual_stride; \
        input.sum = sum; \
        input.sum_stride = sum_stride; \
        input.normed = normed; \
        input.normed_stride = normed_stride; \
        input.gain = gain; \
        input.shift = shift; \
        input.epsilon = epsilon; \
        input.kind = kind; \
        multiply<T, most_rows, outputs_of_warp>( \
            input, w, w_stride, scales, bias, y, y_stride, rows, outputs, inputs, activation, rounding); \
    }

#define FEW_OF(suffix, T) \
    FEW(few_1_##suffix, T, 1, 1) \
    FEW(few_4_##suffix, T, 4, 2) \
    FEW(few_8_##suffix, T, 8, 2)
