// y = norm(x), alone or after x + residual: a warp a row, by the fixed steps and the fixed order of the CPU, so the bits are the same.
// x, residual, sum, y [rows, columns], gain [columns], bias [columns] or null; residual and sum may be null.
#include "norm.cuh"

constexpr int Threads = 128;

KERNEL(Threads) norm(
    const float* x, long long x_stride, const float* residual, long long residual_stride, float* sum, long long sum_stride,
    float* y, long long y_stride, const float* gain, const float* bias, int rows, int columns, float epsilon, int is_rms)
{
    int number = block_x() * (Threads / WarpLanes) + thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
    if (number >= rows) return;
    NormRow row;
    row.x = x + number * x_stride;
    row.residual = residual == nullptr ? nullptr : residual + number * residual_stride;
    float mean = is_rms ? 0.0f : row_sum<false>(row, columns, lane, 0.0f) / (float)columns;
    float squares = row_sum<true>(row, columns, lane, mean);
    float factor = 1.0f / __nvvm_sqrt_rn_f((squares / (float)columns) + epsilon);
    float* output = y + number * y_stride;
    float* added = sum == nullptr ? nullptr : sum + number * sum_stride;
#pragma unroll 4
    for (int column = lane; column < columns; column += WarpLanes)
    {
        float value = element(row, column);
        if (added != nullptr) added[column] = value;
        float scaled = (value - mean) * factor;
        output[column] = bias == nullptr ? scaled * gain[column] : fused(scaled, gain[column], bias[column]);
    }
}
