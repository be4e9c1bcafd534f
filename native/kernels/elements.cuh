// What a thread of an element-wise kernel has: four numbers of a row, which are read and written at once where all tables allow it. A
// block has 1024 columns of a row, or several rows where they are narrower.
#pragma once
#include "math.cuh"

constexpr int Threads = 256;

// One number, and four side by side at an address that is a multiple of their size.
struct One { int column; };
struct Four { int column; };

DEVICE float load(const float* row, One own) { return row[own.column]; }
DEVICE Float4 load(const float* row, Four own) { return *(const Float4*)(row + own.column); }
DEVICE int load(const int* row, One own) { return row[own.column]; }
DEVICE Int4 load(const int* row, Four own) { return *(const Int4*)(row + own.column); }
DEVICE void store(float* row, One own, float value) { row[own.column] = value; }
DEVICE void store(float* row, Four own, Float4 value) { *(Float4*)(row + own.column) = value; }

// Of a row that is longer than what is to be read of it: zeros behind. Four numbers are all there, or none.
DEVICE float load_padded(const float* row, int columns, One own) { return own.column < columns ? row[own.column] : 0.0f; }
DEVICE Float4 load_padded(const float* row, int columns, Four own)
{
    Float4 four = {};
    if (own.column < columns) four = load(row, own);
    return four;
}

// As 16 bits each, which formula gives.
template <typename Formula>
DEVICE void store_halves(unsigned short* row, One own, float x, Formula formula) { row[own.column] = (unsigned short)formula(x); }

template <typename Formula>
DEVICE void store_halves(unsigned short* row, Four own, Float4 x, Formula formula)
{
    struct alignas(8) Pairs { unsigned low, high; };
    unsigned first = formula(x.x), second = formula(x.y), third = formula(x.z), fourth = formula(x.w);
    *(Pairs*)(row + own.column) = Pairs{(first & 0xFFFFu) | second << 16, (third & 0xFFFFu) | fourth << 16};
}

// body(row, columns) for what a thread has. is_aligned: in all tables four numbers may be read and written at once.
template <typename Body>
DEVICE void for_each_row(int rows, int columns, int is_aligned, Body body)
{
    unsigned count = (unsigned)columns, width = (count + 3) / 4 < Threads ? (count + 3) / 4 : Threads;
    unsigned rows_of_block = Threads / width, own_row = (unsigned)thread_x() / width, place = (unsigned)thread_x() - own_row * width;
    if (own_row >= rows_of_block) return;
    unsigned column = (unsigned)block_x() * Threads * 4 + (is_aligned ? place * 4 : place);
    int first = (int)((unsigned)block_y() * rows_of_block + own_row), rows_of_grid = (int)((unsigned)grid_y() * rows_of_block);
    if (is_aligned && column + 4 <= count)
    {
        for (int row = first; row < rows; row += rows_of_grid) body(row, Four{(int)column});
        return;
    }

    unsigned step = is_aligned ? 1 : width, end = column + 4 * step < count ? column + 4 * step : count;
    for (int row = first; row < rows; row += rows_of_grid)
#pragma unroll 1
        for (unsigned one = column; one < end; one += step) body(row, One{(int)one});
}

template <typename Formula>
DEVICE float each(float x, Formula formula) { return formula(x); }

template <typename Formula>
DEVICE float each(float x, float y, Formula formula) { return formula(x, y); }

template <typename Formula>
DEVICE Float4 each(Float4 x, Formula formula)
{
    return Float4{formula(x.x), formula(x.y), formula(x.z), formula(x.w)};
}

template <typename Formula>
DEVICE Float4 each(Float4 x, Float4 y, Formula formula)
{
    return Float4{formula(x.x, y.x), formula(x.y, y.y), formula(x.z, y.z), formula(x.w, y.w)};
}

template <typename Numbers>
DEVICE Numbers sum_of(Numbers x, Numbers y)
{
    return each(x, y, [](float left, float right) { return left + right; });
}

template <int Kind>
DEVICE Float4 activated(Float4 x)
{
    return each(x, [](float value) { return activate(Kind, value); });
}

// The kind is looked at once for all four.
DEVICE Float4 activate(int activation, Float4 x)
{
    switch (activation)
    {
        case ActivationRelu: return activated<ActivationRelu>(x);
        case ActivationGelu: return activated<ActivationGelu>(x);
        case ActivationGeluTanh: return activated<ActivationGeluTanh>(x);
        case ActivationGeluSigmoid: return activated<ActivationGeluSigmoid>(x);
        case ActivationSilu: return activated<ActivationSilu>(x);
        case ActivationTanh: return activated<ActivationTanh>(x);
        case ActivationSigmoid: return activated<ActivationSigmoid>(x);
        default: return x;
    }
}
