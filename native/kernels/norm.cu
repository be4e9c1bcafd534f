// y = norm(x), alone or after x + residual: a warp a row, by the fixed steps and the fixed order of the CPU, so the bits are the same.
// x, residual, sum, y [rows, columns], gain [columns], bias [columns] or null; residual and sum may be null. rounded [rows, columns] or
// null: y as bfloat16, or as float16, for the product that comes next.
#include "norm.cuh"

constexpr int Threads = 128;

template <bool IsPaired>
DEVICE void store_rounded(unsigned short* row, int column, int columns, float low, float high, bool is_float16)
{
    unsigned first = rounded_to(low, is_float16), second = rounded_to(high, is_float16);
    if (IsPaired)
    {
        if (column < columns) *(unsigned*)(row + column) = first | second << 16;
        return;
    }

    if (column < columns) row[column] = (unsigned short)first;
    if (column + 1 < columns) row[column + 1] = (unsigned short)second;
}

template <int Steps, bool IsPaired, bool IsLong>
DEVICE void norm_row(
    const NormRow& row, float* sum, float* y, unsigned short* rounded, bool is_float16, const float* gain, const float* bias,
    int columns, float epsilon, bool is_rms)
{
    constexpr int AtOnce = 4;
    Held<Steps> held;
    int first = thread_x() % WarpLanes * 2;
    hold<IsPaired>(held, row, first, columns);
    float mean = is_rms ? 0.0f : held_sum<false, IsPaired, IsLong>(held, row, columns, 0.0f) / (float)columns;
    float squares = held_sum<true, IsPaired, IsLong>(held, row, columns, mean);
    float factor = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + epsilon);
    int start = first;
    do
    {
        if (IsLong && columns > Held<Steps>::Columns) hold<IsPaired>(held, row, start, columns);
#pragma unroll
        for (int group = 0; group < Steps; group += AtOnce)
        {
            Float2 scale[AtOnce], shift[AtOnce];
#pragma unroll
            for (int i = 0; i < AtOnce; i++)
            {
                int column = start + (group + i) * Chains;
                scale[i] = pair_at<IsPaired>(gain, column, columns);
                shift[i] = pair_at<IsPaired>(bias == nullptr ? gain : bias, column, columns);
            }

#pragma unroll
            for (int i = 0; i < AtOnce; i++)
            {
                int column = start + (group + i) * Chains;
                float low = held.low[group + i], high = held.high[group + i];
                if (sum != nullptr) store_pair<IsPaired>(sum, column, columns, low, high);
                low = (low - mean) * factor;
                high = (high - mean) * factor;
                low = bias == nullptr ? low * scale[i].x : fused(low, scale[i].x, shift[i].x);
                high = bias == nullptr ? high * scale[i].y : fused(high, scale[i].y, shift[i].y);
                store_pair<IsPaired>(y, column, columns, low, high);
                if (rounded != nullptr) store_rounded<IsPaired>(rounded, column, columns, low, high, is_float16);
            }
        }

        start += Held<Steps>::Columns;
    }
    while (IsLong && start < columns);
}

#define NORM(name, Steps, IsPaired, IsLong) \
    KERNEL(Threads) name( \
        const float* x, long long x_stride, const float* residual, long long residual_stride, float* sum, long long sum_stride, \
        float* y, long long y_stride, const float* gain, const float* bias, int rows, int columns, float epsilon, int is_rms, \
        unsigned short* rounded, int is_float16) \
    { \
        int number = block_x() * (Threads / WarpLanes) + thread_x() / WarpLanes; \
        if (number >= rows) return; \
        NormRow row; \
        row.x = x + number * x_stride; \
        row.residual = residual == nullptr ? nullptr : residual + number * residual_stride; \
        norm_row<Steps, IsPaired, IsLong>( \
            row, sum == nullptr ? nullptr : sum + number * sum_stride, y + number * y_stride, \
            rounded == nullptr ? nullptr : rounded + (long long)number * columns, is_float16 != 0, gain, bias, columns, epsilon, \
            is_rms); \
    }

// Rows of any length and place; rows that begin at multiples of two numbers: of up to 512 columns, of up to 1024, and longer ones.
NORM(norm, 8, false, true)
NORM(norm_512, 8, true, false)
NORM(norm_1024, 16, true, false)
NORM(norm_long, 16, true, true)
