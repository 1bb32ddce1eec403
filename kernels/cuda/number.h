// The types that maps and weights are stored in; sums are of float whatever the type.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_NUMBER_H
#define KERNELS_CUDA_NUMBER_H

#include "kernels/cuda/thread.h"
#include "kernels/half.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

struct f16 {
    uint16_t bits;
};
struct bf16 {
    uint16_t bits;
};

ON_DEVICE float to_float(float x)
{
    return x;
}

ON_DEVICE float to_float(f16 x)
{
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(x.bits));
#else
    return float_of_f16(x.bits);
#endif
}

ON_DEVICE float to_float(bf16 x)
{
#ifdef __CUDA_ARCH__
    return __uint_as_float((uint32_t)x.bits << 16);
#else
    return float_of_bf16(x.bits);
#endif
}

// to(a, x): a = x, rounded to the nearest of its type.
ON_DEVICE void to(float &a, float x)
{
    a = x;
}

ON_DEVICE void to(f16 &a, float x)
{
#ifdef __CUDA_ARCH__
    a.bits = __half_as_ushort(__float2half_rn(x));
#else
    a.bits = f16_of_float(x);
#endif
}

ON_DEVICE void to(bf16 &a, float x)
{
#ifdef __CUDA_ARCH__
    a.bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
#else
    a.bits = bf16_of_float(x);
#endif
}

ON_DEVICE uint32_t float_bits(float x)
{
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    return bits_of_float(x);
#endif
}

ON_DEVICE float bits_float(uint32_t x)
{
#ifdef __CUDA_ARCH__
    return __uint_as_float(x);
#else
    return float_of_bits(x);
#endif
}

#endif
