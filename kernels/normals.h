// The arithmetic of random numbers, in one text for every processor: Philox4x32-10, and normals of
// it by the Box-Muller transform, in +, *, fma, sqrt of float and integers alone. No sum has an
// unrounded product as an operand, and none may be contracted into an fma behind our back: where
// one is meant it is written. That is what makes the bits the same everywhere.
//
// Who includes it says first how its functions are declared (NORMALS_INLINE) and names the two
// that take a float for its bits and back (NORMALS_BITS, NORMALS_FLOAT).
// SPDX-License-Identifier: MIT
#ifndef KERNELS_NORMALS_H
#define KERNELS_NORMALS_H

#include <math.h>
#include <stdint.h>

// Constants of the Philox4x32 paper.
#define PHILOX_MUL0 0xd2511f53u
#define PHILOX_MUL1 0xcd9e8d57u
#define PHILOX_WEYL0 0x9e3779b9u
#define PHILOX_WEYL1 0xbb67ae85u

NORMALS_INLINE void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    uint64_t p0 = (uint64_t)PHILOX_MUL0 * c[0], p1 = (uint64_t)PHILOX_MUL1 * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)p0;
}

NORMALS_INLINE void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (uint32_t i = 0; i < 10; i++)
        philox_round(c, k0 + i * PHILOX_WEYL0, k1 + i * PHILOX_WEYL1);
}

// Bits choose, as a branch would keep loops from being vectorised.
NORMALS_INLINE float normals_choose(int32_t mask, float a, float b)
{
    uint32_t x = NORMALS_BITS(a), y = NORMALS_BITS(b);
    return NORMALS_FLOAT(y ^ ((x ^ y) & (uint32_t)mask));
}

// -2 ln of a number of (0, 1) made of 32 random bits. Both ends are kept fine: near 0, which is the
// tail of the normals, and near 1, where bits below 2^-24 count.
NORMALS_INLINE float normals_minus_two_log(uint32_t bits)
{
    int32_t s = (int32_t)bits, upper = s >> 31;  // 0, -1: below, above one half
    float small = ((float)(s ^ upper) + 0.5f) * 0x1p-32f;
    float u = normals_choose(upper, 1.0f - small, small);
    // u = m 2^e, m in [sqrt(1/2), sqrt(2))
    int32_t b = (int32_t)NORMALS_BITS(u) - 0x3f3504f3;
    int32_t e = b >> 23;  // <= 0
    float m = NORMALS_FLOAT((uint32_t)(b & 0x7fffff) + 0x3f3504f3u);
    float f = normals_choose(upper & ~(e >> 31), -small, m - 1.0f);
    float p = fmaf(f, -0.0763694048f, 0.127624854f);
    p = fmaf(f, p, -0.131595507f);
    p = fmaf(f, p, 0.142015398f);
    p = fmaf(f, p, -0.166234106f);
    p = fmaf(f, p, 0.200012431f);
    p = fmaf(f, p, -0.250008196f);
    p = fmaf(f, p, 0.333333313f);
    float ff = f * f;
    p = fmaf(f, p, -0.5f);
    p = fmaf(ff, p, f);                              // ln(1 + f)
    return -2.0f * fmaf((float)e, 0.693147182f, p);  // and of 2^e
}

// The point at an angle of bits 2^-32 turns on the unit circle: an octant to either side of the
// nearest axis by polynomials, then quarter turns.
NORMALS_INLINE void normals_circle(uint32_t bits, float *c, float *s)
{
    uint32_t quarter = (bits + 0x20000000u) >> 30;
    float a = (float)(int32_t)(bits - (quarter << 30)) * 0x1p-32f;  // [-1/8, 1/8]
    float z = a * a;
    float y = fmaf(z, -76.8297501f, 81.6266708f);
    y = fmaf(z, y, -41.3418698f);
    y = fmaf(z, y, 6.28318548f) * a;
    float x = fmaf(z, 58.5568848f, -85.4230652f);
    x = fmaf(z, x, 64.9391403f);
    x = fmaf(z, x, -19.7392082f);
    x = fmaf(z, x, 1.0f);
    int32_t odd = -(int32_t)(quarter & 1);
    float cosine = normals_choose(odd, y, x), sine = normals_choose(odd, x, y);
    *c = NORMALS_FLOAT(NORMALS_BITS(cosine) ^ ((quarter + 1) & 2) << 30);
    *s = NORMALS_FLOAT(NORMALS_BITS(sine) ^ (quarter & 2) << 30);
}

// Two normals of two words.
NORMALS_INLINE void normals_pair(uint32_t a, uint32_t b, float *x, float *y)
{
    float r = sqrtf(normals_minus_two_log(a)), c, s;
    normals_circle(b, &c, &s);
    *x = r * c;
    *y = r * s;
}

// A multiple of 2^-24 in [0, 1).
NORMALS_INLINE float normals_uniform(uint32_t word)
{
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

#endif
