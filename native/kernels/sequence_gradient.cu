// The backward of sequence.cu. Each number is one chain in a fixed order, so results are the same bits each time.
#include "sequence.cuh"

// dx = the sum of dy [rows, taps * columns] where a tap saw the position, taps ascending. is_aligned: columns are a multiple of four, too.
KERNEL(Threads) unfold_gradient(
    const float* dy, long long dy_stride, const int* offsets, int sentences, int rows, int columns, int count, int before,
    int dilation, float* dx, long long dx_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_position(offsets, sentences, rows, columns, is_aligned, [=](Sentence sentence, int position, auto own)
    {
        decltype(load(dy, own)) sum = {};
        Range within = taps_within(taps, sentence.length - 1 - position, position);
#pragma unroll 4
        for (int tap = within.first; tap < within.end; tap++)
        {
            const float* from = dy + (sentence.begin + position - offset_of(taps, tap)) * dy_stride + (long long)tap * columns;
            sum = sum_of(sum, load(from, own));
        }

        store(dx + (sentence.begin + position) * dx_stride, own, sum);
    });
}

// dx = the sum of filter [taps, columns] times dy where a tap saw the position, taps ascending.
KERNEL(Threads) depthwise_gradient(
    const float* dy, long long dy_stride, const float* filter, long long filter_stride, const int* offsets, int sentences, int rows,
    int columns, int count, int before, int dilation, float* dx, long long dx_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_position(offsets, sentences, rows, columns, is_aligned, [=](Sentence sentence, int position, auto own)
    {
        decltype(load(dy, own)) sum = {};
        Range within = taps_within(taps, sentence.length - 1 - position, position);
#pragma unroll 4
        for (int tap = within.first; tap < within.end; tap++)
        {
            const float* from = dy + (sentence.begin + position - offset_of(taps, tap)) * dy_stride;
            sum = fused_of(load(from, own), load(filter + tap * filter_stride, own), sum);
        }

        store(dx + (sentence.begin + position) * dx_stride, own, sum);
    });
}

// gradient [taps, columns] += the sum of dy times x at the tap, rows of all sentences ascending in one chain. A warp has 32 columns of a
// tap, and reads sixteen rows before it adds the first. Grid: columns, taps.
KERNEL(WarpLanes) filter_gradient(
    const float* x, long long x_stride, const float* dy, long long dy_stride, const int* offsets, int sentences, int rows, int columns,
    int count, int before, int dilation, float* gradient, long long gradient_stride)
{
    constexpr int AtOnce = 16;
    Taps taps{count, before, dilation};
    int column = block_x() * WarpLanes + thread_x();
    if (column >= columns) return;
    for (int tap = block_y(); tap < count; tap += grid_y())
    {
        long long offset = offset_of(taps, tap);
        float sum = 0.0f;
        for (int number = 0; number < sentences; number++)
        {
            Sentence sentence = sentence_of(offsets, number, rows);
            long long end = least((long long)sentence.length, sentence.length - offset);
            for (long long first = most(0LL, -offset); first < end; first += AtOnce)
            {
                float slopes[AtOnce], seen[AtOnce];
#pragma unroll
                for (int i = 0; i < AtOnce; i++)
                {
                    long long row = sentence.begin + least(first + i, end - 1);
                    slopes[i] = dy[row * dy_stride + column];
                    seen[i] = x[(row + offset) * x_stride + column];
                }

#pragma unroll
                for (int i = 0; i < AtOnce; i++) sum = first + i < end ? fused(slopes[i], seen[i], sum) : sum;
            }
        }

        gradient[tap * gradient_stride + column] += sum;
    }
}

// gradient [rows, columns] at a position of each sentence that has it += dy [sentences, columns].
KERNEL(Threads) take_position_gradient(
    const float* dy, long long dy_stride, const int* offsets, int sentences, int rows, int columns, int position, float* gradient,
    long long gradient_stride, int is_aligned)
{
    for_each_row(sentences, columns, is_aligned, [=](int number, auto own)
    {
        Sentence sentence = sentence_of(offsets, number, rows);
        if (position < 0 || position >= sentence.length) return;
        float* place = gradient + (sentence.begin + position) * gradient_stride;
        store(place, own, sum_of(load(place, own), load(dy + number * dy_stride, own)));
    });
}

// The derivatives by what their result says: of tanh and of the logistic function.
DEVICE float tangent_slope(float t) { return (1.0f - t) * (1.0f + t); }
DEVICE float logistic_slope(float s) { return s * (1.0f - s); }

// input and hidden have one gradient: d_input.
KERNEL(CellThreads) cell_tanh_gradient(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float*, long long, const float* dy,
    long long dy_stride, float* d_input, long long d_input_stride, float*, long long, float* d_state, long long d_state_stride,
    int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float sum = gate_of(input + row * input_stride, hidden + row * hidden_stride, 0, columns, column);
        d_input[row * d_input_stride + column] = dy[row * dy_stride + column] * tangent_slope(hyperbolic_tangent(sum));
        d_state[row * d_state_stride + column] = 0.0f;
    });
}

// input and hidden have one gradient: d_input.
KERNEL(CellThreads) cell_lstm_gradient(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float* state,
    long long state_stride, const float* dy, long long dy_stride, float* d_input, long long d_input_stride, float*, long long,
    float* d_state, long long d_state_stride, int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float before = state[row * state_stride + columns + column];
        float slope = dy[row * dy_stride + column], passed = dy[row * dy_stride + columns + column];
        Lstm lstm = lstm_of(input + row * input_stride, hidden + row * hidden_stride, before, columns, column);
        float t = hyperbolic_tangent(lstm.cell), of_cell = fused(slope * lstm.output, tangent_slope(t), passed);
        float* gates = d_input + row * d_input_stride + column;
        gates[0] = (of_cell * lstm.candidate) * logistic_slope(lstm.input);
        gates[columns] = (of_cell * before) * logistic_slope(lstm.forget);
        gates[2LL * columns] = (of_cell * lstm.input) * tangent_slope(lstm.candidate);
        gates[3LL * columns] = (slope * t) * logistic_slope(lstm.output);
        d_state[row * d_state_stride + column] = 0.0f;
        d_state[row * d_state_stride + columns + column] = of_cell * lstm.forget;
    });
}

KERNEL(CellThreads) cell_gru_gradient(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float* state,
    long long state_stride, const float* dy, long long dy_stride, float* d_input, long long d_input_stride, float* d_hidden,
    long long d_hidden_stride, float* d_state, long long d_state_stride, int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float before = state[row * state_stride + column], slope = dy[row * dy_stride + column];
        Gru gru = gru_of(input + row * input_stride, hidden + row * hidden_stride, columns, column);
        float candidate = (slope * (1.0f - gru.update)) * tangent_slope(gru.candidate);
        float update = (slope * (before - gru.candidate)) * logistic_slope(gru.update);
        float reset = (candidate * gru.recurrent) * logistic_slope(gru.reset);
        float* of_input = d_input + row * d_input_stride + column;
        float* of_hidden = d_hidden + row * d_hidden_stride + column;
        of_input[0] = reset;
        of_input[columns] = update;
        of_input[2LL * columns] = candidate;
        of_hidden[0] = reset;
        of_hidden[columns] = update;
        of_hidden[2LL * columns] = candidate * gru.reset;
        d_state[row * d_state_stride + column] = slope * gru.update;
    });
}
