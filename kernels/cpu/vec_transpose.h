// A square of LANES x LANES values, mirrored at its diagonal.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_VEC_TRANSPOSE_H
#define KERNELS_CPU_VEC_TRANSPOSE_H

#include "kernels/cpu/vec.h"

#if defined(__AVX512F__)

// Pairs of rows, then fours, eights and sixteens of them exchange their halves.
static inline void v_transpose(vec r[LANES])
{
    __m512 a[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        __m512d x = _mm512_castps_pd(a[i]), y = _mm512_castps_pd(a[i + 2]);
        __m512d z = _mm512_castps_pd(a[i + 1]), w = _mm512_castps_pd(a[i + 3]);
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(z, w));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(z, w));
    }
    for (int i = 0; i < LANES; i += 8)
        for (int k = 0; k < 4; k++) {
            a[i + k] = _mm512_shuffle_f32x4(r[i + k], r[i + k + 4], 0x88);
            a[i + k + 4] = _mm512_shuffle_f32x4(r[i + k], r[i + k + 4], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        r[k] = _mm512_shuffle_f32x4(a[k], a[k + 8], 0x88);
        r[k + 8] = _mm512_shuffle_f32x4(a[k], a[k + 8], 0xdd);
    }
}

#else

static inline void v_transpose(vec r[LANES])
{
    __m256 a[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        __m256d x = _mm256_castps_pd(a[i]), y = _mm256_castps_pd(a[i + 2]);
        __m256d z = _mm256_castps_pd(a[i + 1]), w = _mm256_castps_pd(a[i + 3]);
        r[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(x, y));
        r[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
        r[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(z, w));
        r[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(z, w));
    }
    for (int k = 0; k < 4; k++) {
        a[k] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x20);
        a[k + 4] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x31);
    }
    for (int k = 0; k < LANES; k++)
        r[k] = a[k];
}

#endif

#endif
