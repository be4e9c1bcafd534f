// y = activation(x W^T + b) for a few rows, where the time is that of reading W: a warp takes one or two outputs, or four where there are
// very many, and reads their weights once, 16 bytes a lane; the rows lie in shared memory. Before that, every block by itself:
// x = norm(x + residual), and rounding to what the weights are. So a product with all that stands around it is one launch. What is read is asked for long before it is used: the first
// weights before the rows, those of the next output before the sums of this one are joined. Sums of floats go by lanes and are joined
// by halves; sums of integers are exact. Rows are 8 at most. Grid: outputs, as many blocks as one likes.
#pragma once
#include "integers.cuh"
#include "norm.cuh"

constexpr int Threads = 128, Warps = Threads / WarpLanes;
constexpr int BlocksOfProcessor = 3;    // leaves 168 registers
constexpr int MostRows = 8;
constexpr int NumbersOfLane = 32;   // numbers of a row that a lane holds at once: a row that is normed has 1024 at most

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

// Lane l gets the numbers l, l + 32, ... of the sum of x and residual; where there is none the last one, without a branch.
template <int Count>
DEVICE void read_row(float (&held)[Count], const Input& input, int row, int columns, int lane)
{
    const float* x = input.x + row * input.x_stride;
#pragma unroll
    for (int i = 0; i < Count; i++) held[i] = x[least(lane + i * WarpLanes, columns - 1)];
    if (input.residual == nullptr) return;
    float other[Count];
    x = input.residual + row * input.residual_stride;
#pragma unroll
    for (int i = 0; i < Count; i++) other[i] = x[least(lane + i * WarpLanes, columns - 1)];
#pragma unroll
    for (int i = 0; i < Count; i++) held[i] += other[i];
}

// As row_sum has it.
template <bool IsSquare, int Count>
DEVICE float sum_of_held(const float (&held)[Count], int columns, int lane, float center)
{
    float chains[2] = {0.0f, 0.0f};
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        float added = add_term<IsSquare>(chains[i % 2], held[i], center);
        chains[i % 2] = lane + i * WarpLanes < columns ? added : chains[i % 2];
    }

    return join_chains(chains[0], chains[1]);
}

// What the norm takes off and what it multiplies by.
struct Moments { float mean, factor; };

template <int Count>
DEVICE Moments moments_of_held(const float (&held)[Count], const Input& input, int columns, int lane)
{
    Moments found;
    found.mean = input.kind == 1 ? sum_of_held<false>(held, columns, lane, 0.0f) / (float)columns : 0.0f;
    float squares = sum_of_held<true>(held, columns, lane, found.mean);
    found.factor = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + input.epsilon);
    return found;
}

DEVICE float normed(float x, Moments moments, float gain, float shift, bool has_shift)
{
    float scaled = (x - moments.mean) * moments.factor;
    return has_shift ? fused(scaled, gain, shift) : scaled * gain;
}

// Four numbers of a row from a column on, 0 where there are fewer. x: of the row; is_aligned: it is a multiple of 16 bytes.
DEVICE bool is_aligned(const float* x, long long stride) { return ((unsigned long long)x & 15) == 0 && stride % 4 == 0; }

DEVICE Float4 read_quad(const float* x, int column, int columns, bool is_aligned)
{
    if (is_aligned && column + 4 <= columns) return read_four(x + column);
    Float4 four;
    four.x = column < columns ? x[column] : 0.0f;
    four.y = column + 1 < columns ? x[column + 1] : 0.0f;
    four.z = column + 2 < columns ? x[column + 2] : 0.0f;
    four.w = column + 3 < columns ? x[column + 3] : 0.0f;
    return four;
}

DEVICE void write_quad(float* y, int column, int columns, const Float4& four)
{
    if (column < columns) y[column] = four.x;
    if (column + 1 < columns) y[column + 1] = four.y;
    if (column + 2 < columns) y[column + 2] = four.z;
    if (column + 3 < columns) y[column + 3] = four.w;
}

// What lies in shared memory of a row, how many numbers a lane takes at once, and what a sum is.
template <typename T>
struct Staged;

// Of 16-bit weights a lane takes 8, which are two reads of 4 numbers; the second halves lie behind all first ones, so that the lanes
// of a read lie side by side, and half a row of banks further, so that writing both halves meets no bank twice.
template <int AtOnceOfLane>
struct StagedFloats
{
    typedef float Element;
    typedef float Sum;
    static constexpr int Numbers = AtOnceOfLane;
    static constexpr int Gap = AtOnceOfLane == 4 ? 0 : 16;    // between the halves of a row

    DEVICE float finish(float sum, const float*, int, float) { return sum; }

    DEVICE int place(int column, int padded)
    {
        if (AtOnceOfLane == 4) return column;
        return column / 8 * 4 + column % 4 + (column / 4 % 2) * (padded / 2 + Gap);
    }

    DEVICE float rounded(float x, int rounding)
    {
        return rounding != 0 ? float_of(round_to_bfloat16(x) & 0xFFFF0000u) : x;
    }

    DEVICE void write(float* shared, const Float4& four, int row, int column, int padded, int rounding)
    {
        *(Float4*)(shared + row * (padded + Gap) + place(column, padded)) = Float4{
            rounded(four.x, rounding), rounded(four.y, rounding), rounded(four.z, rounding), rounded(four.w, rounding)};
    }

    // Warps measure the rows; then all threads norm them, and have what they need for that already.
    DEVICE void norm(float* shared, float*, Moments* moments, const Input& input, int rows, int columns, int padded, int rounding)
    {
        constexpr int QuadsOfThread = NumbersOfLane / 4 * WarpLanes / Threads;
        int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
        bool has_shift = input.shift != nullptr, x_aligned = is_aligned(input.x, input.x_stride);
        bool residual_aligned = is_aligned(input.residual, input.residual_stride);
        bool gain_aligned = is_aligned(input.gain, 0), shift_aligned = is_aligned(input.shift, 0);
        Float4 gain[QuadsOfThread], shift[QuadsOfThread], x[QuadsOfThread], residual[QuadsOfThread];
        for (int i = warp; i < rows; i += Warps)
        {
            Moments found;
            if (columns <= NumbersOfLane / 2 * WarpLanes)
            {
                float held[NumbersOfLane / 2];
                read_row(held, input, i, columns, lane);
                found = moments_of_held(held, input, columns, lane);
            }
            else
            {
                float held[NumbersOfLane];
                read_row(held, input, i, columns, lane);
                found = moments_of_held(held, input, columns, lane);
            }

            if (lane == 0) moments[i] = found;
        }

#pragma unroll
        for (int i = 0; i < QuadsOfThread; i++)
        {
            int column = 4 * (thread_x() + i * Threads);
            if (column >= padded) break;
            gain[i] = read_quad(input.gain, column, columns, gain_aligned);
            if (has_shift) shift[i] = read_quad(input.shift, column, columns, shift_aligned);
        }

        for (int row = 0; row < rows; row++)
        {
#pragma unroll
            for (int i = 0; i < QuadsOfThread; i++)
            {
                int column = 4 * (thread_x() + i * Threads);
                if (column >= padded) break;
                x[i] = read_quad(input.x + row * input.x_stride, column, columns, x_aligned);
                if (input.residual != nullptr)
                    residual[i] = read_quad(input.residual + row * input.residual_stride, column, columns, residual_aligned);
            }

            if (row == 0) block_barrier();
            Moments found = moments[row];
#pragma unroll
            for (int i = 0; i < QuadsOfThread; i++)
            {
                int column = 4 * (thread_x() + i * Threads);
                if (column >= padded) break;
                Float4 four = x[i];
                if (input.residual != nullptr)
                {
                    const Float4& other = residual[i];
                    four = Float4{four.x + other.x, four.y + other.y, four.z + other.z, four.w + other.w};
                }

                if (block_x() == 0 && input.sum != nullptr) write_quad(input.sum + row * input.sum_stride, column, columns, four);
                const Float4 &g = gain[i], &s = shift[i];
                four.x = column < columns ? normed(four.x, found, g.x, s.x, has_shift) : 0.0f;
                four.y = column + 1 < columns ? normed(four.y, found, g.y, s.y, has_shift) : 0.0f;
                four.z = column + 2 < columns ? normed(four.z, found, g.z, s.z, has_shift) : 0.0f;
                four.w = column + 3 < columns ? normed(four.w, found, g.w, s.w, has_shift) : 0.0f;
                if (block_x() == 0) write_quad(input.normed + row * input.normed_stride, column, columns, four);
                write(shared, four, row, column, padded, rounding);
            }
        }
    }

    // All rows as they are, by all threads.
    DEVICE void copy(float* shared, float*, const Input& input, int rows, int columns, int padded, int rounding)
    {
        constexpr int AtOnce = 4;
        int quads = padded / 4, all = rows * quads;
        bool x_aligned = is_aligned(input.x, input.x_stride);
        for (int start = thread_x(); start < all; start += AtOnce * Threads)
        {
            Float4 four[AtOnce];
#pragma unroll
            for (int i = 0; i < AtOnce; i++)
            {
                int quad = start + i * Threads;
                if (quad >= all) break;
                four[i] = read_quad(input.x + quad / quads * input.x_stride, quad % quads * 4, columns, x_aligned);
            }

#pragma unroll
            for (int i = 0; i < AtOnce; i++)
            {
                int quad = start + i * Threads;
                if (quad >= all) break;
                write(shared, four[i], quad / quads, quad % quads * 4, padded, rounding);
            }
        }
    }
};

template <>
struct Staged<float> : StagedFloats<4>
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
struct StagedHalves : StagedFloats<8>
{
    DEVICE float add(float sum, const Int4& w, const float* x, int column, int padded)
    {
        Float4 low = *(const Float4*)(x + column / 2), high = *(const Float4*)(x + column / 2 + padded / 2 + StagedFloats<8>::Gap);
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

// Integers by warps, since a scale is one of the whole row.
template <typename T, bool HasScale>
struct StagedIntegers
{
    typedef T Element;
    typedef int Sum;
    static constexpr int Gap = 0;

    DEVICE T rounded(float x, float scale, int rounding)
    {
        if constexpr (HasScale) return to_int8(x, scale, rounding != 0);
        else return to_int16(x, rounding != 0);
    }

    // The row's scale from the largest of each lane.
    DEVICE float scale_of(float largest, float* factor, int lane)
    {
        if constexpr (!HasScale) return 1.0f;
        for (int mask = 16; mask > 0; mask /= 2) largest = larger(exchange(largest, mask), largest);
        float scale = int8_scale(largest);
        if (lane == 0) *factor = 1.0f / scale;
        return scale;
    }

    template <int Count>
    DEVICE void norm_row(T* shared, float* factor, const Input& input, int row, int columns, int padded, int lane, int rounding)
    {
        float held[Count], gain[Count], shift[Count], largest = 0.0f;
        read_row(held, input, row, columns, lane);
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            int column = least(lane + i * WarpLanes, columns - 1);
            gain[i] = input.gain[column];
            shift[i] = input.shift == nullptr ? 0.0f : input.shift[column];
        }

        Moments moments = moments_of_held(held, input, columns, lane);
        bool writes = block_x() == 0;
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            int column = lane + i * WarpLanes;
            if (writes && input.sum != nullptr && column < columns) input.sum[row * input.sum_stride + column] = held[i];
            held[i] = normed(held[i], moments, gain[i], shift[i], input.shift != nullptr);
            if (writes && column < columns) input.normed[row * input.normed_stride + column] = held[i];
            largest = larger(magnitude_of(held[i]), largest);
        }

        float scale = scale_of(largest, factor, lane);
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            int column = lane + i * WarpLanes;
            if (column < padded) shared[column] = rounded(column < columns ? held[i] : 0.0f, scale, rounding);
        }
    }

    DEVICE void norm(T* shared, float* factors, Moments*, const Input& input, int rows, int columns, int padded, int rounding)
    {
        int lane = thread_x() % WarpLanes;
        for (int row = thread_x() / WarpLanes; row < rows; row += Warps)
        {
            norm_row<NumbersOfLane>(shared + row * padded, factors + row, input, row, columns, padded, lane, rounding);
        }
    }

    DEVICE void copy(T* shared, float* factors, const Input& input, int rows, int columns, int padded, int rounding)
    {
        int lane = thread_x() % WarpLanes;
        for (int row = thread_x() / WarpLanes; row < rows; row += Warps)
        {
            const float* x = input.x + row * input.x_stride;
            float largest = 0.0f;
            if constexpr (HasScale)
            {
#pragma unroll 8
                for (int column = lane; column < columns; column += WarpLanes) largest = larger(magnitude_of(x[column]), largest);
            }

            float scale = scale_of(largest, factors + row, lane);
#pragma unroll 8
            for (int column = lane; column < padded; column += WarpLanes)
                shared[row * padded + column] = rounded(column < columns ? x[column] : 0.0f, scale, rounding);
        }
    }
};

DEVICE int dot4(int a, int b, int sum)
{
    int result;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

template <>
struct Staged<signed char> : StagedIntegers<signed char, true>
{
    static constexpr int Numbers = 16;

    DEVICE float finish(int sum, const float* factors, int row, float scale) { return scaled_back(sum, factors, row, scale); }

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
struct Staged<short> : StagedIntegers<short, false>
{
    static constexpr int Numbers = 8;

    DEVICE float finish(int sum, const float*, int row, float scale) { return scaled_back(sum, nullptr, row, scale); }

    DEVICE int add(int sum, const Int4& w, const short* x, int column, int)
    {
        Int4 four = *(const Int4*)(x + column);
        return dot2(four.w, w.w, dot2(four.z, w.z, dot2(four.y, w.y, dot2(four.x, w.x, sum))));
    }
};

// Some weights of each output of a warp: those of the lanes at a column and every 32 lanes from there.
template <typename T, int Outputs, int Count>
DEVICE void read_weights(Int4 (&of)[Count][Outputs], const T* w, long long w_stride, int first, int outputs, int column, int padded)
{
    constexpr int Step = WarpLanes * Staged<T>::Numbers;
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
#pragma unroll
        for (int o = 0; o < Outputs; o++)
        {
            if (column + i * Step < padded) of[i][o] = *(const Int4*)(w + least(first + o, outputs - 1) * w_stride + column + i * Step);
            else of[i][o] = Int4{0, 0, 0, 0};
        }
    }
}

template <typename T, int Rows, int Outputs, int Count>
DEVICE void add_weights(
    typename Staged<T>::Sum (&sums)[Rows * Outputs], const Int4 (&of)[Count][Outputs], const typename Staged<T>::Element* shared,
    int column, int padded)
{
    constexpr int Step = WarpLanes * Staged<T>::Numbers;
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        if (column + i * Step >= padded) break;
#pragma unroll
        for (int r = 0; r < Rows; r++)
        {
            const typename Staged<T>::Element* row = shared + r * (padded + Staged<T>::Gap);
#pragma unroll
            for (int o = 0; o < Outputs; o++)
                sums[r * Outputs + o] = Staged<T>::add(sums[r * Outputs + o], of[i][o], row, column + i * Step, padded);
        }
    }
}

// The sum over all lanes of a number that has gone to this lane: number l / (32 / Count) to lane l. Halves join first.
template <int Count, int Mask = WarpLanes / 2, typename Sum, int All>
DEVICE Sum join_lanes(Sum (&sums)[All], int lane)
{
    if constexpr (Mask == 0)
    {
        return sums[0];
    }
    else if constexpr (Count == 1)
    {
        sums[0] += exchange(sums[0], Mask);
        return join_lanes<1, Mask / 2>(sums, lane);
    }
    else
    {
        bool is_upper = (lane & Mask) != 0;
#pragma unroll
        for (int i = 0; i < Count / 2; i++)
        {
            Sum low = sums[i], high = sums[i + Count / 2];
            sums[i] = (is_upper ? high : low) + exchange(is_upper ? low : high, Mask);
        }

        return join_lanes<Count / 2, Mask / 2>(sums, lane);
    }
}

// rounding: 1: of activations to bfloat16, or in the legacy way to integers. Rows beyond the real ones are zeros.
template <typename T, int Rows, int Outputs>
DEVICE void multiply(
    const Input& input, const T* w, long long w_stride, const float* scales, const float* bias, float* y, long long y_stride,
    int rows, int outputs, int inputs, int activation, int rounding)
{
    typedef Staged<T> Kind;
    typedef typename Kind::Element Element;
    typedef typename Kind::Sum Sum;
    constexpr int Early = Rows * Outputs == 1 ? 4 : 2, Later = Rows * Outputs == 1 ? 8 : 2, Step = WarpLanes * Kind::Numbers;
    constexpr int LanesOfSum = WarpLanes / (Rows * Outputs);
    extern __shared__ Int4 staged[];
    __shared__ float factors[MostRows];
    __shared__ Moments moments[MostRows];
    Element* shared = (Element*)staged;
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes, padded = (int)w_stride, own = lane * Kind::Numbers;
    int row = lane / LanesOfSum / Outputs, place_of_output = lane / LanesOfSum % Outputs;
    bool finishes = lane % LanesOfSum == 0 && row < rows;
    int first = (block_x() * Warps + warp) * Outputs;
    Int4 early[Early][Outputs];
    read_weights<T>(early, w, w_stride, first, outputs, own, padded);
    int row_stride = padded + Kind::Gap;
    for (int i = rows * row_stride + thread_x(); i < Rows * row_stride; i += Threads) shared[i] = 0;
    if (input.kind == 0) Kind::copy(shared, factors, input, rows, inputs, padded, rounding);
    else Kind::norm(shared, factors, moments, input, rows, inputs, padded, rounding);
    block_barrier();
    for (int next; first < outputs; first = next)
    {
        next = first + grid_x() * Warps * Outputs;
        int output = least(first + place_of_output, outputs - 1);
        float added = bias == nullptr ? 0.0f : bias[output], scale = scales == nullptr ? 1.0f : scales[output];
        Sum sums[Rows * Outputs];
#pragma unroll
        for (int i = 0; i < Rows * Outputs; i++) sums[i] = 0;
        add_weights<T, Rows, Outputs>(sums, early, shared, own, padded);
        for (int column = own + Early * Step; column < padded; column += Later * Step)
        {
            Int4 later[Later][Outputs];
            read_weights<T>(later, w, w_stride, first, outputs, column, padded);
            add_weights<T, Rows, Outputs>(sums, later, shared, column, padded);
        }

        if (next < outputs) read_weights<T>(early, w, w_stride, next, outputs, own, padded);
        Sum sum = join_lanes<Rows * Outputs>(sums, lane);
        if (!finishes || first + place_of_output >= outputs) continue;
        float value = Kind::finish(sum, factors, row, scale);
        if (bias != nullptr) value += added;
        y[row * y_stride + output] = activate(activation, value);
    }
}

#define FEW(name, T, most_rows, outputs_of_warp) \
    KERNEL_FOR(Threads, BlocksOfProcessor) name( \
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
    FEW(many_1_##suffix, T, 1, 4) \
    FEW(few_4_##suffix, T, 4, 2) \
    FEW(few_8_##suffix, T, 8, 2)
