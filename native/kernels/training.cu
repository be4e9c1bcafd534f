// What training needs beside the gradients of norms, attention and the loss: slopes of activations, weights that change, gradients of
// embeddings and matrices, sums down columns, sums of squares, Adam. No sum depends on which block is first: all are the same each time.
#include "elements.cuh"
#include "norm.cuh"

constexpr int RowThreads = 128;

// sigma(u) + x u' sigma(u) sigma(-u); far from 0, what is large times what is 0 is 0. product: x u'.
DEVICE float gate_slope(float u, float product, float x)
{
    float s = logistic(u), rest = logistic(0.0f - u);
    float slope = fused(product, s * rest, s);
    float far = x < 0.0f ? 0.0f : 1.0f;
    return 60.0f < magnitude_of(u) ? far : slope;
}

// dy times the derivative of an activation, by the CPU's steps.
DEVICE float activation_gradient_of(int activation, float x, float dy)
{
    switch (activation)
    {
        case ActivationRelu: return 0.0f < x ? dy : 0.0f;
        case ActivationGelu:
        {
            float below = fused(0.5f, error_function(x * 0.707106781f), 0.5f);
            float density = exponential_of_negative(0.0f - (x * 0.5f * x)) * 0.398942280f;
            return dy * fused(x, density, below);
        }
        case ActivationGeluTanh:
        {
            float square = x * x;
            float u = x * fused(square, 0.07135481627f, 1.595769122f);
            float product = x * fused(square, 3.0f * 0.07135481627f, 1.595769122f);
            return dy * gate_slope(u, product, x);
        }
        case ActivationGeluSigmoid:
        {
            float u = x * 1.702f;
            return dy * gate_slope(u, u, x);
        }
        case ActivationSilu: return dy * gate_slope(x, x, x);
        case ActivationTanh:
        {
            float t = hyperbolic_tangent(x);
            return dy * ((1.0f - t) * (1.0f + t));
        }
        case ActivationSigmoid: return dy * (logistic(x) * logistic(0.0f - x));
        default: return dy;
    }
}

template <int Kind>
DEVICE Float4 gradient_of(Float4 x, Float4 dy)
{
    return each(x, dy, [](float value, float slope) { return activation_gradient_of(Kind, value, slope); });
}

DEVICE Float4 activation_gradient_of(int activation, Float4 x, Float4 dy)
{
    switch (activation)
    {
        case ActivationRelu: return gradient_of<ActivationRelu>(x, dy);
        case ActivationGelu: return gradient_of<ActivationGelu>(x, dy);
        case ActivationGeluTanh: return gradient_of<ActivationGeluTanh>(x, dy);
        case ActivationGeluSigmoid: return gradient_of<ActivationGeluSigmoid>(x, dy);
        case ActivationSilu: return gradient_of<ActivationSilu>(x, dy);
        case ActivationTanh: return gradient_of<ActivationTanh>(x, dy);
        case ActivationSigmoid: return gradient_of<ActivationSigmoid>(x, dy);
        default: return dy;
    }
}

KERNEL(Threads) activation_gradient(
    const float* x, long long x_stride, const float* dy, long long dy_stride, float* dx, long long dx_stride, int rows, int columns,
    int activation, int is_aligned)
{
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        auto value = load(x + row * x_stride, own), slope = load(dy + row * dy_stride, own);
        store(dx + row * dx_stride, own, activation_gradient_of(activation, value, slope));
    });
}

// A view of numbers of 32 bits becomes zero.
KERNEL(Threads) clear(unsigned* x, long long x_stride, int rows, int columns)
{
    int column = block_x() * Threads + thread_x();
    if (column >= columns) return;
    for (int row = block_y(); row < rows; row += grid_y()) x[row * x_stride + column] = 0u;
}

// Rows of a weight, with zeros from columns to padded.
KERNEL(Threads) pack_f32(
    const float* x, long long x_stride, float* y, long long y_stride, int rows, int columns, int padded, int is_aligned)
{
    for_each_row(rows, padded, is_aligned, [=](int row, auto own)
    {
        store(y + row * y_stride, own, load_padded(x + row * x_stride, columns, own));
    });
}

DEVICE void store_as(float* to, float x) { *to = x; }
DEVICE void store_as(BFloat* to, float x) { to->bits = (unsigned short)(round_to_bfloat16(x) >> 16); }

// y [outputs, padded] is the transpose of x [inputs, outputs], with zeros from inputs on. Grid: tiles of outputs, tiles of inputs.
template <typename T>
DEVICE void pack_turned(const float* x, long long x_stride, T* y, long long y_stride, int outputs, int inputs, int padded)
{
    constexpr int Tile = 32, Step = Threads / Tile;
    __shared__ float tile[Tile * (Tile + 1)];
    int lane = thread_x() % Tile, first = thread_x() / Tile;
    int output = block_x() * Tile, input = block_y() * Tile;
#pragma unroll
    for (int i = first; i < Tile; i += Step)
    {
        bool is_there = input + i < inputs && output + lane < outputs;
        tile[i * (Tile + 1) + lane] = is_there ? x[(input + i) * x_stride + output + lane] : 0.0f;
    }

    block_barrier();
#pragma unroll
    for (int i = first; i < Tile; i += Step)
    {
        if (output + i < outputs && input + lane < padded)
            store_as(y + (output + i) * y_stride + input + lane, tile[lane * (Tile + 1) + i]);
    }
}

KERNEL(Threads) pack_turned_f32(
    const float* x, long long x_stride, float* y, long long y_stride, int outputs, int inputs, int padded)
{
    pack_turned(x, x_stride, y, y_stride, outputs, inputs, padded);
}

KERNEL(Threads) pack_turned_bf16(
    const float* x, long long x_stride, BFloat* y, long long y_stride, int outputs, int inputs, int padded)
{
    pack_turned(x, x_stride, y, y_stride, outputs, inputs, padded);
}

// table[id] += dy * scale, fused, rows in ascending order: the first row of each id adds those of all that follow.
// Grid: rows, slices of 128 columns. Ids that are not in the table add nothing.
KERNEL(RowThreads) embed_gradient(
    const int* ids, const float* dy, long long dy_stride, int rows, int columns, float scale, float* table, long long table_stride,
    int table_rows)
{
    constexpr int Warps = RowThreads / WarpLanes;
    __shared__ int found[RowThreads];
    __shared__ int counts[Warps];
    int own = block_x(), thread = thread_x(), warp = thread / WarpLanes, lane = thread % WarpLanes, id = ids[own];
    if (id < 0 || id >= table_rows) return;
    bool is_later = false;
#pragma unroll 4
    for (int row = thread; row < own; row += RowThreads) is_later |= ids[row] == id;
    unsigned votes = __nvvm_vote_ballot_sync(AllLanes, is_later);
    if (lane == 0) counts[warp] = votes != 0 ? 1 : 0;
    block_barrier();
    if (counts[0] + counts[1] + counts[2] + counts[3] != 0) return;

    int column = block_y() * RowThreads + thread;
    bool is_column = column < columns;
    float* place = table + id * table_stride + (is_column ? column : 0);
    const float* from = dy + (is_column ? column : 0);
    float sum = is_column ? *place : 0.0f;
    for (int start = own; start < rows; start += RowThreads)
    {
        int row = start + thread;
        bool is_same = row < rows && ids[row] == id;
        votes = __nvvm_vote_ballot_sync(AllLanes, is_same);
        block_barrier();
        if (lane == 0) counts[warp] = __builtin_popcount(votes);
        block_barrier();
        int before = 0, count = 0;
#pragma unroll
        for (int i = 0; i < Warps; i++)
        {
            before += i < warp ? counts[i] : 0;
            count += counts[i];
        }

        if (is_same) found[before + __builtin_popcount(votes & ((1u << lane) - 1u))] = row;
        block_barrier();
        if (!is_column) continue;
#pragma unroll 8
        for (int i = 0; i < count; i++) sum = fused(from[found[i] * dy_stride], scale, sum);
    }

    if (is_column) *place = sum;
}

// sums[column] += sum of x[row][column]: first the chain of the rows, then what was there. A block has 32 columns; while one warp adds
// 256 rows, the next ones are on their way.
KERNEL(Threads) column_sums(const float* x, long long x_stride, int rows, int columns, float* sums)
{
    constexpr int Tile = 256, Warps = Threads / WarpLanes, Each = Tile / Warps;
    __shared__ float tile[Tile * WarpLanes];
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes, column = block_x() * WarpLanes + lane;
    bool is_column = column < columns;
    x += is_column ? column : 0;
    float next[Each], sum = 0.0f;
    for (int start = -Tile; start < rows; start += Tile)
    {
        if (start >= 0)
        {
            block_barrier();
#pragma unroll
            for (int i = 0; i < Each; i++) tile[(warp + i * Warps) * WarpLanes + lane] = next[i];
            block_barrier();
        }

#pragma unroll
        for (int i = 0; i < Each; i++)
        {
            int row = start + Tile + warp + i * Warps;
            next[i] = is_column && row < rows ? x[row * x_stride] : 0.0f;
        }

        if (start < 0 || warp != 0) continue;
        int count = least(Tile, rows - start);
#pragma unroll 16
        for (int i = 0; i < count; i++) sum += tile[i * WarpLanes + lane];
    }

    if (warp == 0 && is_column) sums[column] += sum;
}

// c += a^T b for a [rows, outputs], b [rows, inputs], c [outputs, inputs]: every element one chain of fused multiply-adds in ascending rows.
// It begins with what is in c, or, where adds_last, with 0, and what was in c is added at the end. Grid: tiles of inputs, tiles of outputs.
KERNEL(Threads) gemm_gradient(
    const float* a, long long a_stride, const float* b, long long b_stride, float* c, long long c_stride, int rows, int outputs,
    int inputs, int adds_last)
{
    constexpr int Tile = 64, Depth = 16, Each = 4, Loads = Tile * Depth / Threads, Step = Threads / Tile;
    alignas(16) __shared__ float a_tile[Depth * Tile];
    alignas(16) __shared__ float b_tile[Depth * Tile];
    int thread = thread_x(), load_column = thread % Tile, load_row = thread / Tile;
    int own_output = thread / 16 * Each, own_input = thread % 16 * Each, first_input = block_x() * Tile;
    for (int first_output = block_y() * Tile; first_output < outputs; first_output += grid_y() * Tile)
    {
        float sums[Each][Each];
#pragma unroll
        for (int o = 0; o < Each; o++)
#pragma unroll
            for (int i = 0; i < Each; i++)
            {
                int output = first_output + own_output + o, input = first_input + own_input + i;
                bool is_there = adds_last == 0 && output < outputs && input < inputs;
                sums[o][i] = is_there ? c[output * c_stride + input] : 0.0f;
            }

        for (int start = 0; start < rows; start += Depth)
        {
            block_barrier();
#pragma unroll
            for (int l = 0; l < Loads; l++)
            {
                int k = load_row + l * Step, row = start + k;
                int output = first_output + load_column, input = first_input + load_column;
                a_tile[k * Tile + load_column] = row < rows && output < outputs ? a[row * a_stride + output] : 0.0f;
                b_tile[k * Tile + load_column] = row < rows && input < inputs ? b[row * b_stride + input] : 0.0f;
            }

            block_barrier();
            int depth = least(Depth, rows - start);
#pragma unroll 4
            for (int k = 0; k < depth; k++)
            {
                Float4 left = *(const Float4*)(a_tile + k * Tile + own_output);
                Float4 right = *(const Float4*)(b_tile + k * Tile + own_input);
                const float l[Each] = {left.x, left.y, left.z, left.w}, r[Each] = {right.x, right.y, right.z, right.w};
#pragma unroll
                for (int o = 0; o < Each; o++)
#pragma unroll
                    for (int i = 0; i < Each; i++) sums[o][i] = fused(l[o], r[i], sums[o][i]);
            }
        }

#pragma unroll
        for (int o = 0; o < Each; o++)
#pragma unroll
            for (int i = 0; i < Each; i++)
            {
                int output = first_output + own_output + o, input = first_input + own_input + i;
                if (output >= outputs || input >= inputs) continue;
                float* place = c + output * c_stride + input;
                *place = adds_last != 0 ? *place + sums[o][i] : sums[o][i];
            }
    }
}

template <bool IsPaired>
DEVICE float sum_of_squares(const NormRow& row, int count)
{
    Held<16> held;
    if (count <= Held<16>::Columns) hold<IsPaired>(held, row, thread_x() * 2, count);
    return held_sum<true, IsPaired, true>(held, row, count, 0.0f);
}

// Sums of the squares of 16,384 numbers each, by the 64 chains of the numerics contract. A warp a sum. is_paired: numbers may be read by
// two at once.
KERNEL(WarpLanes) block_squares(const float* x, int count, float* sums, int is_paired)
{
    constexpr int Block = 16384;
    long long first = (long long)block_x() * Block;
    NormRow row;
    row.x = x + first;
    row.residual = nullptr;
    int numbers = (int)least((long long)Block, count - first);
    float sum = is_paired ? sum_of_squares<true>(row, numbers) : sum_of_squares<false>(row, numbers);
    if (thread_x() == 0) sums[block_x()] = sum;
}

// What Adam needs beside its tables.
struct Rates { float scale, beta1, rest1, beta2, rest2, correction1, correction2, epsilon, rate, keep; };

// One number of a step: m, v and x change.
DEVICE void step(const Rates& rates, float gradient, float& m, float& v, float& x)
{
    float g = gradient * rates.scale;
    m = fused(rates.beta1, m, rates.rest1 * g);
    v = fused(rates.beta2, v, rates.rest2 * (g * g));
    x = (x * rates.keep) - (rates.rate * ((m / rates.correction1) / (__nvvm_sqrt_rn_f(v / rates.correction2) + rates.epsilon)));
}

DEVICE void step(const Rates& rates, Float4 gradient, Float4& m, Float4& v, Float4& x)
{
    step(rates, gradient.x, m.x, v.x, x.x);
    step(rates, gradient.y, m.y, v.y, x.y);
    step(rates, gradient.z, m.z, v.z, x.z);
    step(rates, gradient.w, m.w, v.w, x.w);
}

// One step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), by the CPU's steps.
KERNEL(Threads) adam_step(
    float* x, const float* gradient, float* first, float* second, int count, float scale, float beta1, float rest1, float beta2,
    float rest2, float correction1, float correction2, float epsilon, float rate, float keep, int is_aligned)
{
    Rates rates{scale, beta1, rest1, beta2, rest2, correction1, correction2, epsilon, rate, keep};
    for_each_row(1, count, is_aligned, [=](int, auto own)
    {
        auto g = load(gradient, own), m = load(first, own), v = load(second, own), value = load(x, own);
        step(rates, g, m, v, value);
        store(first, own, m);
        store(second, own, v);
        store(x, own, value);
    });
}
