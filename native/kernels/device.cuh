// What the kernels need of CUDA, without its headers: they are compiled by clang alone, so that no kit has to be installed.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

#define DEVICE __device__ static inline __attribute__((always_inline))
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

// With as many registers as leave room for some blocks on a multiprocessor. Without a number of blocks the driver's compiler takes fewer
// registers than a kernel needs, and spills the rest, where that makes room for one block more.
#define KERNEL_FOR(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

constexpr int WarpLanes = 32;
constexpr unsigned AllLanes = 0xFFFFFFFFu;

DEVICE int thread_x() { return (int)__nvvm_read_ptx_sreg_tid_x(); }
DEVICE int block_x() { return (int)__nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE int block_y() { return (int)__nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE int block_z() { return (int)__nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE int grid_x() { return (int)__nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE int grid_y() { return (int)__nvvm_read_ptx_sreg_nctaid_y(); }
DEVICE int grid_z() { return (int)__nvvm_read_ptx_sreg_nctaid_z(); }

DEVICE void block_barrier() { __syncthreads(); }
DEVICE void warp_barrier() { __nvvm_bar_warp_sync(AllLanes); }

// The value of the lane whose number differs in the bits of a mask. All lanes must come here.
DEVICE float exchange(float value, int mask) { return __nvvm_shfl_sync_bfly_f32(AllLanes, value, mask, 31); }
DEVICE int exchange(int value, int mask) { return __nvvm_shfl_sync_bfly_i32(AllLanes, value, mask, 31); }

DEVICE unsigned bits_of(float x) { return __builtin_bit_cast(unsigned, x); }
DEVICE float float_of(unsigned bits) { return __builtin_bit_cast(float, bits); }

DEVICE int least(int a, int b) { return a < b ? a : b; }
DEVICE int most(int a, int b) { return a > b ? a : b; }
DEVICE long long least(long long a, long long b) { return a < b ? a : b; }
DEVICE long long most(long long a, long long b) { return a > b ? a : b; }

// As the CPU's vectors have it: where the left is NaN or both are equal, the right.
DEVICE float larger(float left, float right) { return left > right ? left : right; }
DEVICE float smaller(float left, float right) { return left < right ? left : right; }

// Two or four floats that are read or written at once; the address is a multiple of 8 or 16.
struct alignas(8) Float2 { float x, y; };
struct alignas(16) Float4 { float x, y, z, w; };
struct alignas(16) Int4 { int x, y, z, w; };
struct alignas(8) UInt2 { unsigned x, y; };

// Numbers that nobody writes meanwhile, read at once whatever stands around: the compiler takes reads apart that share a part with another.
DEVICE Float2 read_two(const float* x)
{
    Float2 two;
    asm("ld.global.v2.f32 {%0, %1}, [%2];" : "=f"(two.x), "=f"(two.y) : "l"(x));
    return two;
}

DEVICE Float4 read_four(const float* x)
{
    Float4 four;
    asm("ld.global.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(four.x), "=f"(four.y), "=f"(four.z), "=f"(four.w) : "l"(x));
    return four;
}

constexpr float LowestFloat = -3.40282347e+38f;
constexpr float HighestFloat = 3.40282347e+38f;

// The rows begin .. begin + length - 1, which are in the table whatever the offsets say.
struct Sentence { int begin, length; };

DEVICE Sentence sentence_of(const int* offsets, int sentence, int rows)
{
    int begin = most(0, least(offsets[sentence], rows));
    return Sentence{begin, most(begin, least(offsets[sentence + 1], rows)) - begin};
}
