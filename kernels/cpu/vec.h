// A vector of floats of the instruction set that the file is compiled for: type vec, LANES of them.
// v_load and v_store take the number of elements that are left; what is beyond is not touched.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_VEC_H
#define KERNELS_CPU_VEC_H

#if defined(__AVX512F__)
#include "kernels/cpu/matrix_vec512.h"
#else
#include "kernels/cpu/matrix_vec256.h"
#endif

#include "kernels/cpu/gemm.h"

// Elements at and on of weights of a type.
static inline vec v_load_weight(const void *p, int type, int64_t at, int64_t n)
{
    if (type == WEIGHT_F32)
        return v_load((const float *)p + at, n);
    const uint16_t *x = (const uint16_t *)p + at;
    return type == WEIGHT_BF16 ? v_load_bf16(x, n) : v_load_f16(x, n);
}

#if defined(__AVX512F__)

static inline vec v_sqrt(vec x)
{
    return _mm512_sqrt_ps(x);
}

// Doubles, half as many; v_load_double takes floats.
typedef __m512d vecd;

static inline vecd v_load_double(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}

static inline void v_store_double(float *p, vecd x)
{
    _mm256_storeu_ps(p, _mm512_cvtpd_ps(x));
}

static inline vecd v_set_double(double x)
{
    return _mm512_set1_pd(x);
}

static inline vecd v_add_double(vecd x, vecd y)
{
    return _mm512_add_pd(x, y);
}

static inline vecd v_mul_double(vecd x, vecd y)
{
    return _mm512_mul_pd(x, y);
}

#else

static inline vec v_sqrt(vec x)
{
    return _mm256_sqrt_ps(x);
}

typedef __m256d vecd;

static inline vecd v_load_double(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

static inline void v_store_double(float *p, vecd x)
{
    _mm_storeu_ps(p, _mm256_cvtpd_ps(x));
}

static inline vecd v_set_double(double x)
{
    return _mm256_set1_pd(x);
}

static inline vecd v_add_double(vecd x, vecd y)
{
    return _mm256_add_pd(x, y);
}

static inline vecd v_mul_double(vecd x, vecd y)
{
    return _mm256_mul_pd(x, y);
}

#endif

// A result larger than the caches is written past them: nothing of it would be left there when it
// is read, and the memory would be read before it is written. That gains a third where little is
// computed, and loses as much where an activation stands between two stores, or in place.
// v_streams: whether to, for n floats with rows of c; a chunk of work that streams ends with
// v_stream_end.
static inline int v_streams(const float *p, int64_t n, int64_t c)
{
    return n > (2 << 20) && c % LANES == 0 && (uintptr_t)p % sizeof(vec) == 0;
}

static inline void v_put(float *p, int64_t left, vec x, int stream)
{
    if (stream)
        v_stream(p, x);
    else
        v_store(p, left, x);
}

static inline void v_stream_end(int stream)
{
    if (stream)
        _mm_sfence();
}

// The sum of all lanes, in double and in their order.
static inline double v_sum(vec x)
{
    float lane[LANES];
    double sum = 0;
    v_store(lane, LANES, x);
    for (int i = 0; i < LANES; i++)
        sum += (double)lane[i];
    return sum;
}

#endif
