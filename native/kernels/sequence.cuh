// What the layers that mix positions without attention have in common: where a sentence lies, which taps of a filter it has, and cells.
#pragma once
#include "elements.cuh"

// body(sentence, position, columns) for what a thread has. Grid: columns, positions, sentences.
template <typename Body>
DEVICE void for_each_position(const int* offsets, int sentences, int rows, int columns, int is_aligned, Body body)
{
    for (int number = block_z(); number < sentences; number += grid_z())
    {
        Sentence sentence = sentence_of(offsets, number, rows);
        for_each_row(sentence.length, columns, is_aligned, [=](int position, auto own) { body(sentence, position, own); });
    }
}

// Engine.Backends.Taps.
struct Taps { int count, before, dilation; };

// From a position to that of a tap.
DEVICE long long offset_of(const Taps& taps, int tap) { return ((long long)tap - taps.before) * taps.dilation; }

struct Range { int first, end; };

// The taps whose offset is -behind to ahead; both are at least 0.
DEVICE Range taps_within(const Taps& taps, int behind, int ahead)
{
    long long first = (long long)taps.before - behind / taps.dilation, end = (long long)taps.before + ahead / taps.dilation + 1;
    return Range{(int)most(0LL, least(first, (long long)taps.count)), (int)least(end, (long long)taps.count)};
}

DEVICE float fused_of(float a, float b, float c) { return fused(a, b, c); }
DEVICE Float4 fused_of(Float4 a, Float4 b, Float4 c)
{
    return Float4{fused(a.x, b.x, c.x), fused(a.y, b.y, c.y), fused(a.z, b.z, c.z), fused(a.w, b.w, c.w)};
}

// A thread of a cell has one number of the state: it asks for up to nine before it waits, and few rows are on many multiprocessors.
constexpr int CellThreads = 128;

// body(row, column) for what a thread of a cell has. Grid: columns, rows.
template <typename Body>
DEVICE void for_each_unit(int rows, int columns, Body body)
{
    int column = block_x() * CellThreads + thread_x();
    if (column >= columns) return;
    for (int row = block_y(); row < rows; row += grid_y()) body(row, column);
}

// What stands before the function of a gate: input and hidden are a row, gates side by side.
DEVICE float gate_of(const float* input, const float* hidden, int gate, int columns, int column)
{
    long long place = (long long)gate * columns + column;
    return input[place] + hidden[place];
}

struct Lstm { float input, forget, candidate, output, cell; };

// before: the cell's number of the position before.
DEVICE Lstm lstm_of(const float* input, const float* hidden, float before, int columns, int column)
{
    Lstm lstm;
    lstm.input = logistic(gate_of(input, hidden, 0, columns, column));
    lstm.forget = logistic(gate_of(input, hidden, 1, columns, column));
    lstm.candidate = hyperbolic_tangent(gate_of(input, hidden, 2, columns, column));
    lstm.output = logistic(gate_of(input, hidden, 3, columns, column));
    lstm.cell = fused(lstm.forget, before, lstm.input * lstm.candidate);
    return lstm;
}

struct Gru { float reset, update, candidate, recurrent; };

// recurrent: what the reset gate is multiplied by.
DEVICE Gru gru_of(const float* input, const float* hidden, int columns, int column)
{
    long long place = 2LL * columns + column;
    Gru gru;
    gru.reset = logistic(gate_of(input, hidden, 0, columns, column));
    gru.update = logistic(gate_of(input, hidden, 1, columns, column));
    gru.recurrent = hidden[place];
    gru.candidate = hyperbolic_tangent(fused(gru.reset, gru.recurrent, input[place]));
    return gru;
}
