// Sixteen floats: the few vector operations that gemm_rows.h is written in, for AVX-512.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_MATRIX_VEC512_H
#define KERNELS_CPU_MATRIX_VEC512_H

#include <immintrin.h>
#include <stdint.h>

typedef __m512 vec;
enum { LANES = 16 };

static inline __mmask16 v_lanes(int64_t n)
{
    return n >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

static inline vec v_set(float x)
{
    return _mm512_set1_ps(x);
}

// The first n lanes, zeros behind them; n >= LANES: all.
static inline vec v_load(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_lanes(n), p);
}

static inline void v_store(float *p, int64_t n, vec x)
{
    _mm512_mask_storeu_ps(p, v_lanes(n), x);
}

// Past the caches; p is aligned.
static inline void v_stream(float *p, vec x)
{
    _mm512_stream_ps(p, x);
}

static inline vec v_load_bf16(const uint16_t *p, int64_t n)
{
    __m512i x = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v_lanes(n), p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

static inline vec v_load_f16(const uint16_t *p, int64_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_lanes(n), p));
}

// Rounds to nearest, ties to even; NaN stays NaN.
static inline void v_store_bf16(uint16_t *p, int64_t n, vec x)
{
    __m512i u = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i y = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    y = _mm512_mask_or_epi32(y, nan, u, _mm512_set1_epi32(0x400000));
    _mm256_mask_storeu_epi16(p, v_lanes(n), _mm512_cvtepi32_epi16(_mm512_srli_epi32(y, 16)));
}

static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

// Of a NaN and a number: y.
static inline vec v_min(vec x, vec y)
{
    return _mm512_min_ps(x, y);
}

static inline vec v_max(vec x, vec y)
{
    return _mm512_max_ps(x, y);
}

static inline vec v_round(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// x 2^n, n whole.
static inline vec v_scale(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}

#endif
