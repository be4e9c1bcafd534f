// How activations become integers and sums of integers become numbers again: by the steps of the CPU, which are CTranslate2's.
#pragma once
#include "math.cuh"

constexpr float Int16Scale = 1000.0f;

DEVICE float between(float value, float lowest, float highest) { return smaller(larger(value, lowest), highest); }

// What a row is multiplied by: 127 / max|x|, 1 for a row of zeros.
DEVICE float int8_scale(float largest) { return largest == 0.0f ? 1.0f : 127.0f / largest; }

// round(x s + 128) - 128. Legacy: down to the next integer.
DEVICE signed char to_int8(float value, float scale, bool is_legacy)
{
    float shifted = value * scale + 128.0f;
    shifted = is_legacy ? __builtin_floorf(shifted) : __builtin_rintf(shifted);
    return (signed char)(int)between(shifted - 128.0f, -128.0f, 127.0f);
}

// round(x * 1000), within 16 bits. Legacy: toward zero.
DEVICE short to_int16(float value, bool is_legacy)
{
    value *= Int16Scale;
    value = is_legacy ? with_sign(__builtin_floorf(magnitude_of(value)), value) : __builtin_rintf(value);
    return (short)(int)between(value, -32768.0f, 32767.0f);
}

// factors: 1 / what each row was multiplied by, int8; null: int16. One order of the operations, that of CTranslate2.
DEVICE float scaled_back(int sum, const float* factors, int row, float scale)
{
    float value = (float)sum;
    return factors != nullptr ? value * factors[row] / scale : value * (1.0f / (Int16Scale * scale));
}
