// What copies to shared memory and matrix units do, in as few lines of assembler as go; and without
// them, the copies. ON_MATRIX_UNITS: there are some. EMULATED_WARPS, in tests: by 32 threads of the
// CPU, who wait for each other where those of a warp exchange numbers.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_UNITS_H
#define KERNELS_CUDA_UNITS_H

#include <string.h>

#include "kernels/cuda/number.h"

enum { CHUNK = 16 };  // bytes

// Float with a mantissa of 10 bits, as the matrix units read it.
struct tf32 {
    float value;
};

ON_DEVICE float to_float(tf32 x)
{
    return x.value;
}

ON_DEVICE void to(tf32 &a, float x)
{
    uint32_t u = float_bits(x);
    if ((u & 0x7f800000u) != 0x7f800000u)
        u = (u + 0x1000u) & ~0x1fffu;  // to the nearest, ties away from zero
    a.value = bits_float(u);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define ON_MATRIX_UNITS

ON_DEVICE uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

// Zeros where in is 0; from is an address all the same.
ON_DEVICE void copy_chunk(unsigned char *to, const void *from, int in)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(from), "r"(in ? CHUNK : 0)
                 : "memory");
}

// The copies that a thread asked for since the last one are a group.
ON_DEVICE void copies_group()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// All groups but the last so many have arrived.
template <int left> ON_DEVICE void copies_arrived()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

ON_DEVICE void load_matrices(uint32_t *r, const unsigned char *p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

// Each of the four with rows for columns.
ON_DEVICE void load_turned(uint32_t *r, const unsigned char *p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

ON_DEVICE void mma(float *c, const uint32_t *a, const uint32_t *b, f16)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                 "{%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

ON_DEVICE void mma(float *c, const uint32_t *a, const uint32_t *b, bf16)
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

ON_DEVICE void mma(float *c, const uint32_t *a, const uint32_t *b, tf32)
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                 "{%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else

ON_DEVICE void copy_chunk(unsigned char *to, const void *from, int in)
{
    if (in)
        memcpy(to, from, CHUNK);
    else
        memset(to, 0, CHUNK);
}

ON_DEVICE void copies_group()
{
}
template <int left> ON_DEVICE void copies_arrived()
{
}

#ifdef EMULATED_WARPS
#define ON_MATRIX_UNITS
#include "tests/cuda/warps.h"
#endif

#endif
#endif
