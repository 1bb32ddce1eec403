// Eight floats: the few vector operations that gemm_rows.h is written in, for AVX2 and FMA.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_MATRIX_VEC256_H
#define KERNELS_CPU_MATRIX_VEC256_H

#include <immintrin.h>
#include <stdint.h>

typedef __m256 vec;
enum { LANES = 8 };

static inline __m256i v_lanes(int64_t n)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n));
}

static inline vec v_set(float x)
{
    return _mm256_set1_ps(x);
}

// The first n lanes, zeros behind them; n >= LANES: all.
static inline vec v_load(const float *p, int64_t n)
{
    return n >= LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, v_lanes(n));
}

static inline void v_store(float *p, int64_t n, vec x)
{
    if (n >= LANES)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, v_lanes(n), x);
}

// Past the caches; p is aligned.
static inline void v_stream(float *p, vec x)
{
    _mm256_stream_ps(p, x);
}

static inline vec v_load_bf16(const uint16_t *p, int64_t n)
{
    if (n >= LANES) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
        return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    uint32_t x[LANES] = {0};
    for (int i = 0; i < LANES && i < n; i++)
        x[i] = (uint32_t)p[i] << 16;
    return _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)(const void *)x));
}

static inline vec v_load_f16(const uint16_t *p, int64_t n)
{
    if (n >= LANES)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
    uint16_t x[LANES] = {0};
    for (int i = 0; i < n; i++)
        x[i] = p[i];
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)x));
}

// Rounds to nearest, ties to even; NaN stays NaN.
static inline void v_store_bf16(uint16_t *p, int64_t n, vec x)
{
    uint32_t u[LANES];
    _mm256_storeu_si256((__m256i *)(void *)u, _mm256_castps_si256(x));
    for (int i = 0; i < LANES && i < n; i++)
        p[i] = (u[i] & 0x7fffffffu) > 0x7f800000u
                   ? (uint16_t)(u[i] >> 16 | 0x40u)
                   : (uint16_t)((u[i] + 0x7fffu + (u[i] >> 16 & 1u)) >> 16);
}

static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

// Of a NaN and a number: y.
static inline vec v_min(vec x, vec y)
{
    return _mm256_min_ps(x, y);
}

static inline vec v_max(vec x, vec y)
{
    return _mm256_max_ps(x, y);
}

static inline vec v_round(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// x 2^n, n whole and the power not subnormal.
static inline vec v_scale(vec x, vec n)
{
    __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
}

#endif
