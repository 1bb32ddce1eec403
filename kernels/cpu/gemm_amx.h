// Tile products on AMX, of fp32 operands as sums of bf16 parts: x = x0 + x1 (+ x2), each part the
// rounded rest of those before. The products kept, smallest first, give about 2^-17 with two parts
// and about 2^-24, fp32's own, with three.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_GEMM_AMX_H
#define KERNELS_CPU_GEMM_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_ROWS = 16, TILE_DEPTH = 32, TILE_BYTES = 1024 };

// c (+)= sum over steps of a b, each step TILE_DEPTH deep. Strides in bytes.
struct tile_args {
    const char *a;
    int64_t a_row, a_part;
    const int64_t *a_step;  // [steps] from a
    const char *b;          // [steps][parts][column tiles], each of TILE_BYTES
    int64_t steps;
    float *c;
    int64_t c_row;
    int accumulate;
};
typedef void tile_kernel(const struct tile_args *args);

// By parts - 1, row tiles - 1, column tiles - 1.
extern tile_kernel *const tile_kernels[3][2][2];

// Around calls of kernels, on the thread that calls them.
void tiles_begin(void);
void tiles_end(void);

// Maps are read once, in order, from memory: the processor alone does not look far enough ahead.
static inline void fetch_ahead(const void *at)
{
    enum { BYTES_AHEAD = 4096 };
    _mm_prefetch((const char *)at + BYTES_AHEAD, _MM_HINT_T0);
}

// n <= 16 floats from an fp32 or bf16 row, zeros behind them.
static inline __m512 load_row(const void *row, int bf16, int64_t at, int64_t n)
{
    __mmask16 m = n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
    if (!bf16)
        return _mm512_maskz_loadu_ps(m, (const float *)row + at);
    __m256i x = _mm256_maskz_loadu_epi16(m, (const uint16_t *)row + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

// The next part of two vectors, as pairs (x, y) of bf16 in 32 bits; x and y become the rest.
static inline __m512i split_pairs(__m512 *x, __m512 *y)
{
    static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(*y, *x);
    __m512i pairs = _mm512_permutexvar_epi16(_mm512_loadu_si512(order), both);
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)));
    __m512i high = _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000u));
    *y = _mm512_sub_ps(*y, _mm512_castsi512_ps(high));
    return pairs;
}

// The next part of two vectors, one behind the other.
static inline __m512i split_halves(__m512 *x, __m512 *y)
{
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(*y, *x);
    __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
    __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1));
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)));
    *y = _mm512_sub_ps(*y, _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)));
    return both;
}

#endif
