// y = table[id] * scale + positions[position]: a block a row. An id that is not in the table gives zeros, so that nothing is read
// outside it; -1 asks for that.
#include "math.cuh"

constexpr int Threads = 128;

template <typename T>
struct FloatTable
{
    const T* first;
    float scale;

    __device__ __attribute__((always_inline)) float at(int column) const { return widen(first[column]) * scale; }
};

template <typename T>
struct IntegerTable
{
    const T* first;
    float factor, scale;

    __device__ __attribute__((always_inline)) float at(int column) const { return (float)first[column] * factor * scale; }
};

template <typename TTable>
DEVICE void embed_row(
    const TTable& table, bool is_zero, const float* position, float* y, int columns)
{
    for (int column = thread_x(); column < columns; column += Threads)
    {
        float value = is_zero ? 0.0f : table.at(column);
        if (position != nullptr) value += position[column];
        y[column] = value;
    }
}

DEVICE const float* position_row(
    const float* positions, long long position_stride, const int* position_ids, int position_rows, int row)
{
    if (positions == nullptr) return nullptr;
    int id = position_ids[row];
    return (unsigned)id < (unsigned)position_rows ? positions + id * position_stride : nullptr;
}

template <typename T>
DEVICE void embed_floats(
    const int* ids, const T* table, long long stride, int words, float scale, const float* positions,
    long long position_stride, const int* position_ids, int position_rows, float* y, long long y_stride, int columns)
{
    int row = block_x(), id = ids[row];
    bool is_zero = (unsigned)id >= (unsigned)words;
    FloatTable<T> words_of{table + (is_zero ? 0 : id) * stride, scale};
    embed_row(
        words_of, is_zero, position_row(positions, position_stride, position_ids, position_rows, row), y + row * y_stride, columns);
}

template <typename T>
DEVICE void embed_integers(
    const int* ids, const T* table, long long stride, const float* scales, int words, float scale, const float* positions,
    long long position_stride, const int* position_ids, int position_rows, float* y, long long y_stride, int columns)
{
    int row = block_x(), id = ids[row];
    bool is_zero = (unsigned)id >= (unsigned)words;
    int word = is_zero ? 0 : id;
    IntegerTable<T> words_of{table + word * stride, words == 0 ? 0.0f : 1.0f / scales[word], scale};
    embed_row(
        words_of, is_zero, position_row(positions, position_stride, position_ids, position_rows, row), y + row * y_stride, columns);
}

#define EMBED_FLOATS(name, T) \
    KERNEL(Threads) name( \
        const int* ids, const T* table, long long stride, const float*, int words, float scale, const float* positions, \
        long long position_stride, const int* position_ids, int position_rows, float* y, long long y_stride, int columns) \
    { \
        embed_floats( \
            ids, table, stride, words, scale, positions, position_stride, position_ids, position_rows, y, y_stride, columns); \
    }

#define EMBED_INTEGERS(name, T) \
    KERNEL(Threads) name( \
        const int* ids, const T* table, long long stride, const float* scales, int words, float scale, const float* positions, \
        long long position_stride, const int* position_ids, int position_rows, float* y, long long y_stride, int columns) \
    { \
        embed_integers( \
            ids, table, stride, scales, words, scale, positions, position_stride, position_ids, position_rows, y, y_stride, \
            columns); \
    }

EMBED_FLOATS(embed_f32, float)
EMBED_FLOATS(embed_f16, Half)
EMBED_FLOATS(embed_bf16, BFloat)
EMBED_INTEGERS(embed_i8, signed char)
EMBED_INTEGERS(embed_i16, short)

// Rows of a table of any type, which are some times 16 bytes, and their scales, which may be null. A block a row; rows that are not there
// are not asked for.
KERNEL(Threads) select_outputs(
    const Int4* table, const float* scales, const int* rows, Int4* selected, float* selected_scales, int quads)
{
    long long from = rows[block_x()], to = block_x();
#pragma unroll 4
    for (int i = thread_x(); i < quads; i += Threads) selected[to * quads + i] = table[from * quads + i];
    if (scales != nullptr && thread_x() == 0) selected_scales[to] = scales[from];
}
