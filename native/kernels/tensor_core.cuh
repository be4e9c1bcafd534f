// What tensor cores want: factors of 16 or, as TF32, 19 bits, laid out in a warp as mma.sync says it (lane l has group l / 4 and place
// l % 4), matrices out of shared memory, and copies into it that run beside the arithmetic.
#pragma once
#include "math.cuh"

// 16 rows of 32 bytes of a left factor. Register i has the rows group + 8 (i % 2), and from byte 4 place + 16 (i / 2) on.
struct alignas(16) Fragment { unsigned x[4]; };

#define MULTIPLY(shape) \
    asm("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) \
        : "r"(left.x[0]), "r"(left.x[1]), "r"(left.x[2]), "r"(left.x[3]), "r"(low), "r"(high))

// The arithmetics: how many elements a register has, how they get there, and sums += left * right. A sum i is in row group + 8 (i / 2)
// and column 2 place + i % 2.
struct BFloat16Arithmetic
{
    using Element = unsigned short;
    static constexpr int Elements = 2;
    static constexpr float Largest = 3.38953139e38f;

    DEVICE unsigned pack(float low, float high)
    {
        unsigned both;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
        return both;
    }

    DEVICE void multiply(float (&sums)[4], const Fragment& left, unsigned low, unsigned high)
    {
        MULTIPLY("m16n8k16.row.col.f32.bf16.bf16.f32");
    }
};

struct Float16Arithmetic
{
    using Element = unsigned short;
    static constexpr int Elements = 2;
    static constexpr float Largest = LargestFloat16;

    DEVICE unsigned pack(float low, float high)
    {
        unsigned both;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
        return both;
    }

    DEVICE void multiply(float (&sums)[4], const Fragment& left, unsigned low, unsigned high)
    {
        MULTIPLY("m16n8k16.row.col.f32.f16.f16.f32");
    }
};

struct Tf32Arithmetic
{
    using Element = unsigned;
    static constexpr int Elements = 1;
    static constexpr float Largest = 3.40116213e38f;

    DEVICE unsigned pack(float value, float)
    {
        unsigned bits;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
        return bits;
    }

    DEVICE void multiply(float (&sums)[4], const Fragment& left, unsigned low, unsigned high)
    {
        MULTIPLY("m16n8k8.row.col.f32.tf32.tf32.f32");
    }
};

// One register of numbers that may be larger than the type has.
template <typename Arithmetic>
DEVICE unsigned pack_saturated(float low, float high)
{
    return Arithmetic::pack(saturated(low, Arithmetic::Largest), saturated(high, Arithmetic::Largest));
}

// The same number, of which the compiler knows nothing: sums with it are formed where they are used, not kept in a register each.
template <bool IsTight>
DEVICE unsigned unknown_if(unsigned value)
{
    if constexpr (IsTight) asm volatile("" : "+r"(value));
    return value;
}

DEVICE unsigned shared_address(const void* pointer)
{
    return (unsigned)(unsigned long long)(const __attribute__((address_space(3))) void*)pointer;
}

// Four matrices of 8 rows of 16 bytes; the lanes 8 i .. 8 i + 7 have the addresses of the rows of matrix i.
DEVICE void load_matrices(unsigned (&registers)[4], unsigned address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3]) : "r"(address) : "memory");
}

// The same of 16-bit elements, each matrix transposed.
DEVICE void load_turned_matrices(unsigned (&registers)[4], unsigned address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3]) : "r"(address) : "memory");
}

DEVICE unsigned load_shared(unsigned address)
{
    unsigned value;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
    return value;
}

// 16 bytes, or zeros where the source is not there; it is not read then. Both addresses are multiples of 16.
DEVICE void copy_async(unsigned target, const void* source, bool is_there)
{
    int bytes = is_there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(target), "l"(source), "r"(bytes) : "memory");
}

DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until at most some of the latest groups are on their way.
template <int Groups>
DEVICE void wait_for_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(Groups) : "memory"); }

// 2^x within two units in the last place; 0 below 2^-126.
DEVICE float power_of_two(float x) { return __nvvm_ex2_approx_ftz_f(x); }
