// exp, log, tanh, erf and the activations by the same polynomials with the same fused steps as the CPU's, so that pointwise
// operators give the same bits on both. src/Cpu/Kernels says where the coefficients come from.
#pragma once
#include "device.cuh"

constexpr float LowestExponent = -87.33654f;    // ln 2^-126
constexpr float HighestExponent = 88.02969f;    // ln 2^127

DEVICE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

// clamped: x, not below the lowest and not above the highest exponent.
DEVICE float exponential_power(float x, float clamped)
{
    const float Integers = 12582912.0f;     // 1.5 * 2^23: a sum with it is an integer, ties to even, and its last bits are that
    float shifted = clamped * 1.44269504f + Integers;
    float n = shifted - Integers;
    float r = fused(n, -0.693359375f, clamped);
    r = fused(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fused(p, r, 1.3981999507e-3f);
    p = fused(p, r, 8.3334519073e-3f);
    p = fused(p, r, 4.1665795894e-2f);
    p = fused(p, r, 1.6666665459e-1f);
    p = fused(p, r, 5.0000001201e-1f);
    p = fused(p, r * r, r) + 1.0f;
    float power = float_of((bits_of(shifted) + 127u) << 23);
    return p * (x < LowestExponent ? 0.0f : power);
}

// e^x; 0 below ln 2^-126, 2^127 above ln 2^127; NaN stays.
DEVICE float exponential(float x)
{
    return exponential_power(x, smaller(HighestExponent, larger(LowestExponent, x)));
}

// The same for x that is not above 0, or NaN.
DEVICE float exponential_of_negative(float x) { return exponential_power(x, larger(LowestExponent, x)); }

// ln x for positive, finite, normal x: once a row, so in double precision.
DEVICE float logarithm(float x)
{
    const unsigned SqrtHalf = 0x3F3504F3u;
    unsigned bits = bits_of(x);
    int n = (int)(bits - SqrtHalf) >> 23;
    double m = float_of(bits - ((unsigned)n << 23));
    double z = (m - 1) / (m + 1), w = z * z;
    double p = 1.0 / 15;
    p = (p * w) + (1.0 / 13);
    p = (p * w) + (1.0 / 11);
    p = (p * w) + (1.0 / 9);
    p = (p * w) + (1.0 / 7);
    p = (p * w) + (1.0 / 5);
    p = (p * w) + (1.0 / 3);
    p = (p * w) + 1.0;
    return (float)((n * 0.69314718055994530942) + (2 * z * p));
}

// ln x in float32 for positive, finite, normal x.
DEVICE float single_logarithm(float x)
{
    const unsigned SqrtHalf = 0x3F3504F3u;
    unsigned bits = bits_of(x);
    int exponent = (int)(bits - SqrtHalf) >> 23;
    float n = (float)exponent, r = float_of(bits - ((unsigned)exponent << 23)) - 1.0f, square = r * r;
    float p = 7.0376836292e-2f;
    p = fused(p, r, -1.1514610310e-1f);
    p = fused(p, r, 1.1676998740e-1f);
    p = fused(p, r, -1.2420140846e-1f);
    p = fused(p, r, 1.4249322787e-1f);
    p = fused(p, r, -1.6668057665e-1f);
    p = fused(p, r, 2.0000714765e-1f);
    p = fused(p, r, -2.4999993993e-1f);
    p = fused(p, r, 3.3333331174e-1f);
    float y = fused(p * r, square, n * -2.12194440e-4f);
    y = fused(square, -0.5f, y);
    return fused(n, 0.693359375f, r + y);
}

DEVICE float magnitude_of(float x) { return float_of(bits_of(x) & 0x7FFFFFFFu); }

DEVICE float with_sign(float magnitude, float sign)
{
    return float_of((bits_of(magnitude) & 0x7FFFFFFFu) | (bits_of(sign) & 0x80000000u));
}

DEVICE float hyperbolic_tangent(float x)
{
    float magnitude = magnitude_of(x);
    float square = x * x;
    float p = -5.704987112e-3f;
    p = fused(p, square, 2.063908735e-2f);
    p = fused(p, square, -5.373971512e-2f);
    p = fused(p, square, 1.333144220e-1f);
    p = fused(p, square, -3.333328194e-1f);
    float small = fused(p * square, x, x);
    float large = 1.0f - (2.0f / (exponential(magnitude + magnitude) + 1.0f));
    return magnitude < 0.625f ? small : with_sign(large, x);
}

DEVICE float error_function(float x)
{
    float magnitude = magnitude_of(x);
    float square = x * x;
    float p = 7.853861179e-5f;
    p = fused(p, square, -8.010193576e-4f);
    p = fused(p, square, 5.188327681e-3f);
    p = fused(p, square, -2.685381193e-2f);
    p = fused(p, square, 1.128358515e-1f);
    p = fused(p, square, -3.761262582e-1f);
    p = fused(p, square, 1.283791657e-1f);
    float small = fused(p, x, x);

    float t = smaller(magnitude, 4.0f);
    float q = 1.863791536e-4f;
    q = fused(q, t, -2.947657952e-3f);
    q = fused(q, t, 2.183806269e-2f);
    q = fused(q, t, -1.031067520e-1f);
    q = fused(q, t, -6.381448356e-1f);
    q = fused(q, t, -1.127089189f);
    q = fused(q, t, -3.415234058e-4f);
    float large = 1.0f - exponential_power(0.0f, q);     // q is -18 to 0
    return magnitude < 1.0f ? small : with_sign(large, x);
}

DEVICE float logistic(float x)
{
    float e = exponential_of_negative(0.0f - magnitude_of(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// The numbers of Engine.Backends.Activation.
enum { ActivationNone, ActivationRelu, ActivationGelu, ActivationGeluTanh, ActivationGeluSigmoid, ActivationSilu,
    ActivationTanh, ActivationSigmoid };

DEVICE float activate(int activation, float x)
{
    switch (activation)
    {
        case ActivationRelu: return larger(x, 0.0f);
        case ActivationGelu: return (x * 0.5f) * (1.0f + error_function(x * 0.707106781f));
        case ActivationGeluTanh: return x * logistic(x * fused(x * x, 0.07135481627f, 1.595769122f));
        case ActivationGeluSigmoid: return x * logistic(x * 1.702f);
        case ActivationSilu: return x * logistic(x);
        case ActivationTanh: return hyperbolic_tangent(x);
        case ActivationSigmoid: return logistic(x);
        default: return x;
    }
}

// Stored numbers become float32, exactly. Weights are finite.
DEVICE float widen(float x) { return x; }
struct Half { unsigned short bits; };
struct BFloat { unsigned short bits; };
DEVICE float widen(BFloat x) { return float_of((unsigned)x.bits << 16); }
DEVICE float widen(Half x)
{
    return float_of(((unsigned)(int)(short)x.bits << 13) & 0x8FFFE000u) * 5.192296858534828e33f;
}

// To the nearest bfloat16, ties to even: the upper half of the result.
DEVICE unsigned round_to_bfloat16(float x)
{
    unsigned bits = bits_of(x);
    return bits + 0x7FFFu + ((bits >> 16) & 1u);
}

// Below a largest magnitude; NaN stays.
DEVICE float saturated(float x, float largest) { return x > largest ? largest : x < -largest ? -largest : x; }

constexpr float LargestFloat16 = 65504.0f;

// To the nearest float16, ties to even; what is larger than it has becomes its largest number.
DEVICE unsigned short round_to_float16(float x)
{
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(saturated(x, LargestFloat16)));
    return bits;
}

// As 16 bits of either type.
DEVICE unsigned rounded_to(float x, bool is_float16)
{
    return is_float16 ? round_to_float16(x) : round_to_bfloat16(x) >> 16;
}

// The sum of 64 chains as the numerics contract joins them: lane l holds the chains l and l + 32.
// (c0 + c1) + (c2 + c3) of sixteen lanes each, then the lanes by halves. Every lane gets the sum.
DEVICE float join_chains(float low, float high)
{
    low += exchange(low, 16);
    high += exchange(high, 16);
    float sum = low + high;
    sum += exchange(sum, 8);
    sum += exchange(sum, 4);
    sum += exchange(sum, 2);
    sum += exchange(sum, 1);
    return sum;
}
