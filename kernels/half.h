// The 16-bit float types, one number at a time: to float exactly, from float to the nearest, ties
// to even. SPDX-License-Identifier: MIT
#ifndef KERNELS_HALF_H
#define KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static inline uint32_t bits_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static inline float float_of_bf16(uint16_t b)
{
    return float_of_bits((uint32_t)b << 16);
}

static inline uint16_t bf16_of_float(float f)
{
    uint32_t u = bits_of_float(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);  // stays a NaN
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float float_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, m = h & 0x3ffu;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000u | (m << 13));
    if (exponent)
        return float_of_bits(sign | ((exponent + 112) << 23) | (m << 13));
    float f = (float)m * 0x1p-24f;  // zero or subnormal: exact
    return sign ? -f : f;
}

static inline uint16_t f16_of_float(float f)
{
    uint32_t u = bits_of_float(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u)  // rounds beyond the largest, 65504
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) {  // below the least normal number: units of 2^-24
        // Adding 0.5 puts the units of 2^-24 at the end of the mantissa; the sum rounds to them.
        return (uint16_t)(sign | (bits_of_float(float_of_bits(a) + 0.5f) - 0x3f000000u));
    }
    a += 0xfffu + ((a >> 13) & 1u);
    return (uint16_t)(sign | ((a - 0x38000000u) >> 13));
}

#endif
