// The layers that mix positions without attention: convolutions, of whole sentences and of the newest position of a cache, positions
// taken out of a batch and put back, recurrent cells, sentences cut in groups. x and y [rows, columns] with a stride.
#include "sequence.cuh"

constexpr int Positions = 16;   // of a block of the cache, whose values have one head: [16][columns]

// y [rows, taps * columns]: tap by tap the row at its position, or zeros. is_aligned: columns are a multiple of four, too.
KERNEL(Threads) unfold(
    const float* x, long long x_stride, const int* offsets, int sentences, int rows, int columns, int count, int before, int dilation,
    float* y, long long y_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_position(offsets, sentences, rows, count * columns, is_aligned, [=](Sentence sentence, int position, auto own)
    {
        int tap = own.column / columns;
        long long seen = position + offset_of(taps, tap);
        decltype(own) from{own.column - tap * columns};
        decltype(load(x, own)) value = {};
        if (0 <= seen && seen < sentence.length) value = load(x + (sentence.begin + seen) * x_stride, from);
        store(y + (sentence.begin + position) * y_stride, own, value);
    });
}

// y = bias + the sum of filter [taps, columns] times x at the taps that the sentence has, ascending. bias may be null.
KERNEL(Threads) depthwise(
    const float* x, long long x_stride, const float* filter, long long filter_stride, const float* bias, const int* offsets,
    int sentences, int rows, int columns, int count, int before, int dilation, float* y, long long y_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_position(offsets, sentences, rows, columns, is_aligned, [=](Sentence sentence, int position, auto own)
    {
        decltype(load(x, own)) sum = {};
        if (bias != nullptr) sum = load(bias, own);
        Range within = taps_within(taps, position, sentence.length - 1 - position);
#pragma unroll 4
        for (int tap = within.first; tap < within.end; tap++)
        {
            const float* seen = x + (sentence.begin + position + offset_of(taps, tap)) * x_stride;
            sum = fused_of(load(seen, own), load(filter + tap * filter_stride, own), sum);
        }

        store(y + (sentence.begin + position) * y_stride, own, sum);
    });
}

// What a row sees of a cache: a table of blocks, and how many positions.
struct History
{
    const float* values;
    int blocks;
    const int* table;
    int length, columns;
};

DEVICE History history_of(
    const float* values, int blocks, const int* table, long long table_stride, int table_columns, const int* lengths, int row,
    int columns)
{
    int length = (int)least((long long)lengths[row], (long long)table_columns * Positions);
    return History{values, blocks, table + row * table_stride, length, columns};
}

// The values of a position, or null where the table has no block there that is in the cache. The position is in the history.
DEVICE const float* values_at(const History& history, int position)
{
    int block = history.table[position / Positions];
    if ((unsigned)block >= (unsigned)history.blocks) return nullptr;
    return history.values + ((long long)block * Positions + position % Positions) * history.columns;
}

// unfold for the newest position of each row.
KERNEL(Threads) cached_unfold(
    const float* values, int blocks, const int* table, long long table_stride, int table_columns, const int* lengths, int rows,
    int columns, int count, int before, int dilation, float* y, long long y_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_row(rows, count * columns, is_aligned, [=](int row, auto own)
    {
        int tap = own.column / columns;
        History history = history_of(values, blocks, table, table_stride, table_columns, lengths, row, columns);
        long long seen = history.length - 1 + offset_of(taps, tap);
        decltype(own) from{own.column - tap * columns};
        decltype(load(values, own)) value = {};
        if (0 <= seen && seen < history.length)
        {
            const float* there = values_at(history, (int)seen);
            if (there != nullptr) value = load(there, from);
        }

        store(y + row * y_stride, own, value);
    });
}

// depthwise for the newest position of each row.
KERNEL(Threads) cached_depthwise(
    const float* values, int blocks, const int* table, long long table_stride, int table_columns, const int* lengths,
    const float* filter, long long filter_stride, const float* bias, int rows, int columns, int count, int before, int dilation,
    float* y, long long y_stride, int is_aligned)
{
    Taps taps{count, before, dilation};
    for_each_row(rows, columns, is_aligned, [=](int row, auto own)
    {
        History history = history_of(values, blocks, table, table_stride, table_columns, lengths, row, columns);
        decltype(load(values, own)) sum = {};
        if (bias != nullptr) sum = load(bias, own);
        Range within = history.length > 0 ? taps_within(taps, history.length - 1, 0) : Range{0, 0};
#pragma unroll 4
        for (int tap = within.first; tap < within.end; tap++)
        {
            const float* there = values_at(history, (int)(history.length - 1 + offset_of(taps, tap)));
            if (there != nullptr) sum = fused_of(load(there, own), load(filter + tap * filter_stride, own), sum);
        }

        store(y + row * y_stride, own, sum);
    });
}

// y [sentences, columns]: the row of each sentence at a position, or zeros.
KERNEL(Threads) take_position(
    const float* x, long long x_stride, const int* offsets, int sentences, int rows, int columns, int position, float* y,
    long long y_stride, int is_aligned)
{
    for_each_row(sentences, columns, is_aligned, [=](int number, auto own)
    {
        Sentence sentence = sentence_of(offsets, number, rows);
        decltype(load(x, own)) value = {};
        if (0 <= position && position < sentence.length) value = load(x + (sentence.begin + position) * x_stride, own);
        store(y + number * y_stride, own, value);
    });
}

// x [sentences, columns] becomes the rows at a position of the sentences that have it.
KERNEL(Threads) put_position(
    const float* x, long long x_stride, const int* offsets, int sentences, int rows, int columns, int position, float* y,
    long long y_stride, int is_aligned)
{
    for_each_row(sentences, columns, is_aligned, [=](int number, auto own)
    {
        Sentence sentence = sentence_of(offsets, number, rows);
        if (position < sentence.length) store(y + (sentence.begin + position) * y_stride, own, load(x + number * x_stride, own));
    });
}

// y = tanh(input + hidden).
KERNEL(CellThreads) cell_tanh(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float*, long long, float* y,
    long long y_stride, int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float sum = gate_of(input + row * input_stride, hidden + row * hidden_stride, 0, columns, column);
        y[row * y_stride + column] = hyperbolic_tangent(sum);
    });
}

// state and y [rows, 2 * columns]: h, and the cell's numbers beside it.
KERNEL(CellThreads) cell_lstm(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float* state,
    long long state_stride, float* y, long long y_stride, int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float before = state[row * state_stride + columns + column];
        Lstm lstm = lstm_of(input + row * input_stride, hidden + row * hidden_stride, before, columns, column);
        y[row * y_stride + column] = lstm.output * hyperbolic_tangent(lstm.cell);
        y[row * y_stride + columns + column] = lstm.cell;
    });
}

KERNEL(CellThreads) cell_gru(
    const float* input, long long input_stride, const float* hidden, long long hidden_stride, const float* state,
    long long state_stride, float* y, long long y_stride, int rows, int columns)
{
    for_each_unit(rows, columns, [=](int row, int column)
    {
        float before = state[row * state_stride + column];
        Gru gru = gru_of(input + row * input_stride, hidden + row * hidden_stride, columns, column);
        y[row * y_stride + column] = fused(gru.update, before - gru.candidate, gru.candidate);
    });
}

// groups [sentences * of_sentence + 1]: where each group of so many positions begins, and the last one's end.
KERNEL(Threads) cut(const int* offsets, int sentences, int of_sentence, int size, int* groups)
{
    unsigned count = (unsigned)sentences * (unsigned)of_sentence, i = (unsigned)block_x() * Threads + (unsigned)thread_x();
    if (i > count) return;
    if (i == count)
    {
        groups[i] = offsets[sentences];
        return;
    }

    unsigned sentence = i / (unsigned)of_sentence, group = i - sentence * (unsigned)of_sentence;
    long long start = offsets[sentence] + (long long)group * size;
    groups[i] = (int)least(start, (long long)offsets[sentence + 1]);
}
