// y = activation(x W^T + b) in float32, where each output is ONE chain of fused multiply-adds in ascending k: the CPU's bits, and the
// same for a row alone or among others. x [rows, inputs], W [outputs, inputs] of f32, f16 or bf16, b [outputs] or null, y [rows, outputs].
// Tiles split rows and outputs, never k. Grid: tiles of outputs, tiles of rows.
#include "math.cuh"

DEVICE void load(float (&numbers)[1], const float* from) { numbers[0] = *from; }
DEVICE void load(float (&numbers)[4], const float* from)
{
    Float4 four = *(const Float4*)from;
    numbers[0] = four.x;
    numbers[1] = four.y;
    numbers[2] = four.z;
    numbers[3] = four.w;
}

// A block of ThreadRows x ThreadColumns threads, each with Rows x Columns outputs; Depth inputs are in shared memory at once.
template <typename T, int ThreadRows, int ThreadColumns, int Rows, int Columns, int Depth>
DEVICE void multiply(
    const float* x, long long x_stride, const T* w, long long w_stride, const float* bias, float* y, long long y_stride, int rows,
    int outputs, int inputs, int activation)
{
    constexpr int Threads = ThreadRows * ThreadColumns, TileRows = ThreadRows * Rows, TileColumns = ThreadColumns * Columns;
    constexpr int RowStride = TileRows + 4, ColumnStride = TileColumns + 4;
    constexpr int RowLoads = TileRows * Depth / Threads, ColumnLoads = TileColumns * Depth / Threads;
    constexpr int LoadStep = Threads / Depth;
    static_assert(RowLoads * Threads == TileRows * Depth && ColumnLoads * Threads == TileColumns * Depth, "whole loads");
    alignas(16) __shared__ float x_tile[Depth * RowStride];
    alignas(16) __shared__ float w_tile[Depth * ColumnStride];
    int thread = thread_x(), load_k = thread % Depth, load_row = thread / Depth;
    int first_output = block_x() * TileColumns;
    int thread_row = thread / ThreadColumns * Rows, thread_column = thread % ThreadColumns * Columns;
    for (int first_row = block_y() * TileRows; first_row < rows; first_row += grid_y() * TileRows)
    {
        float next_x[RowLoads], next_w[ColumnLoads], sums[Rows][Columns];
#pragma unroll
        for (int r = 0; r < Rows; r++)
#pragma unroll
            for (int c = 0; c < Columns; c++) sums[r][c] = 0.0f;

        const float* x_row = x + (first_row + load_row) * x_stride + load_k;
        const T* w_row = w + (first_output + load_row) * w_stride + load_k;
        for (int start = -Depth; start < inputs; start += Depth)
        {
            // What the threads hold goes to shared memory; what comes next is on its way while it is multiplied.
            if (start >= 0)
            {
                block_barrier();
#pragma unroll
                for (int i = 0; i < RowLoads; i++) x_tile[load_k * RowStride + load_row + i * LoadStep] = next_x[i];
#pragma unroll
                for (int i = 0; i < ColumnLoads; i++) w_tile[load_k * ColumnStride + load_row + i * LoadStep] = next_w[i];
                block_barrier();
            }

            int next = start + Depth;
            bool is_input = next + load_k < inputs;
#pragma unroll
            for (int i = 0; i < RowLoads; i++)
                next_x[i] = is_input && first_row + load_row + i * LoadStep < rows ? x_row[i * LoadStep * x_stride + next] : 0.0f;
#pragma unroll
            for (int i = 0; i < ColumnLoads; i++)
            {
                next_w[i] = is_input && first_output + load_row + i * LoadStep < outputs
                    ? widen(w_row[i * LoadStep * w_stride + next])
                    : 0.0f;
            }

            if (start < 0) continue;
            int depth = least(Depth, inputs - start);
#pragma unroll 8
            for (int k = 0; k < depth; k++)
            {
                float a[Rows], b[Columns];
                load(a, x_tile + k * RowStride + thread_row);
                load(b, w_tile + k * ColumnStride + thread_column);
#pragma unroll
                for (int r = 0; r < Rows; r++)
#pragma unroll
                    for (int c = 0; c < Columns; c++) sums[r][c] = fused(a[r], b[c], sums[r][c]);
            }
        }

#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            int output = first_output + thread_column + c;
            if (output >= outputs) continue;
            float added = bias == nullptr ? 0.0f : bias[output];
#pragma unroll
            for (int r = 0; r < Rows; r++)
            {
                int row = first_row + thread_row + r;
                if (row >= rows) continue;
                y[row * y_stride + output] = bias == nullptr ? sums[r][c] : sums[r][c] + added;
            }
        }

        // The activation is applied to what is stored, in a loop of its own: its code stands here once.
        if (activation != ActivationNone)
        {
#pragma unroll 1
            for (int i = 0; i < Rows * Columns; i++)
            {
                int row = first_row + thread_row + i / Columns, output = first_output + thread_column + i % Columns;
                if (row >= rows || output >= outputs) continue;
                float* place = y + row * y_stride + output;
                *place = activate(activation, *place);
            }
        }

        block_barrier();
    }
}

#define GEMM(name, T, thread_rows, thread_columns, tile_rows, tile_columns, depth) \
    KERNEL(256) name( \
        const float* x, long long x_stride, const T* w, long long w_stride, const float* bias, float* y, long long y_stride, \
        int rows, int outputs, int inputs, int activation) \
    { \
        multiply<T, thread_rows, thread_columns, tile_rows, tile_columns, depth>( \
            x, x_stride, w, w_stride, bias, y, y_stride, rows, outputs, inputs, activation); \
    }

// 64 rows by 64 outputs.
GEMM(gemm_f32, float, 16, 16, 4, 4, 16)
GEMM(gemm_f16, Half, 16, 16, 4, 4, 16)
GEMM(gemm_bf16, BFloat, 16, 16, 4, 4, 16)

// 8 rows by 32 outputs, for few rows: more blocks, so that more of the GPU works.
GEMM(gemm_few_f32, float, 8, 32, 1, 1, 32)
GEMM(gemm_few_f16, Half, 8, 32, 1, 1, 32)
GEMM(gemm_few_bf16, BFloat, 8, 32, 1, 1, 32)
