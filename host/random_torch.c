// PyTorch's vector code computes normals with polynomials of Cephes (Moshier) in single precision,
// and its compiler fused some products with their sums. Each fma here is one of those, and what is
// not one must not be fused.
// SPDX-License-Identifier: MIT
#include "random_torch.h"

#include <kiln/base.h>
#include <math.h>

#include "kernels/half.h"
#include "random.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
#define INLINE static inline __attribute__((always_inline))

enum { WORDS = 624, SHIFT = 397, BLOCK = 16 };
#define TWO_PI 6.283185307179586

static void twist(uint32_t mt[WORDS])
{
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % WORDS] & 0x7fffffffu);
        mt[i] = mt[(i + SHIFT) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

void torch_random_seed(struct torch_random *r, uint64_t seed)
{
    *r = (struct torch_random){.at = WORDS};
    r->mt[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < WORDS; i++)
        r->mt[i] = 1812433253u * (r->mt[i - 1] ^ r->mt[i - 1] >> 30) + i;
}

uint32_t torch_random_u32(struct torch_random *r)
{
    if (r->at == WORDS) {
        twist(r->mt);
        r->at = 0;
    }
    r->drawn++;
    uint32_t y = r->mt[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint64_t torch_random_u64(struct torch_random *r)
{
    uint64_t high = torch_random_u32(r);
    return high << 32 | torch_random_u32(r);
}

static float unit(struct torch_random *r)
{
    return (float)(torch_random_u32(r) & 0xffffff) * 0x1p-24f;
}

static double unit_double(struct torch_random *r)
{
    return (double)(torch_random_u64(r) & ((1ull << 53) - 1)) * 0x1p-53;
}

static double normal_double(struct torch_random *r)
{
    if (r->waiting) {
        r->waiting = 0;
        return r->half;
    }
    double u1 = unit_double(r), u2 = unit_double(r);
    double radius = sqrt(-2 * log1p(-u2)), angle = TWO_PI * u1;
    r->half = radius * sin(angle);
    r->waiting = r->drawn;
    return radius * cos(angle);
}

static void skip(struct torch_random *r, uint64_t until)
{
    while (until - r->drawn > WORDS - r->at) {
        r->drawn += WORDS - r->at;
        twist(r->mt);
        r->at = 0;
    }
    r->at += (unsigned)(until - r->drawn);
    r->drawn = until;
}

int torch_random_restore(struct torch_random *r, uint64_t seed, uint64_t drawn, uint64_t waiting)
{
    torch_random_seed(r, seed);
    if (waiting > drawn || (waiting && waiting < 4))
        return KILN_ERR_ARG;
    if (waiting) {
        skip(r, waiting - 4);  // a pair takes two doubles of two numbers each
        normal_double(r);
    }
    skip(r, drawn);
    return KILN_OK;
}

void torch_random_uniform(struct torch_random *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = unit(r);
}

void torch_random_uniform_in(struct torch_random *r, double a, double b, float *out, size_t n)
{
    float from = (float)a, range = (float)b - (float)a;
    for (size_t i = 0; i < n; i++)
        out[i] = fmaf(unit(r), range, from);
}

INLINE float ln(float u)
{
    int32_t bits = (int32_t)bits_of_float(u);
    float e = (float)((bits >> 23) - 126);  // u = m 2^e, m in [1/2, 1)
    float m = float_of_bits(((uint32_t)bits & 0x7fffff) | 0x3f000000u);
    float x = m - 1.0f;
    if (m < 0.707106781186547524f) {
        e -= 1.0f;
        x += m;
    }
    float z = x * x, y = 7.0376836292e-2f;
    y = fmaf(y, x, -1.1514610310e-1f);
    y = fmaf(y, x, 1.1676998740e-1f);
    y = fmaf(y, x, -1.2420140846e-1f);
    y = fmaf(y, x, 1.4249322787e-1f);
    y = fmaf(y, x, -1.6668057665e-1f);
    y = fmaf(y, x, 2.0000714765e-1f);
    y = fmaf(y, x, -2.4999993993e-1f);
    y = fmaf(y, x, 3.3333331174e-1f);
    y = y * x;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, x + y);
}

INLINE void sincos_of(float theta, float *s, float *c)
{
    uint32_t j = ((uint32_t)(int32_t)(theta * 1.27323954473516f) + 1) & ~1u;  // octants
    float k = (float)(int32_t)j, x = theta;
    x = fmaf(k, -0.78515625f, x);
    x = fmaf(k, -2.4187564849853515625e-4f, x);
    x = fmaf(k, -3.77489497744594108e-8f, x);
    float z = x * x, half = z * 0.5f;
    float p = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    p = fmaf(p, z, 4.166664568298827e-2f) * z;
    p = fmaf(p, z, -half) + 1.0f;
    float q = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    q = fmaf(q, z, -1.6666654611e-1f) * z;
    q = fmaf(q, x, x);
    float sine = j & 2 ? p : q, cosine = j & 2 ? q : p;
    *s = float_of_bits(bits_of_float(sine) ^ (j & 4) << 29);
    *c = float_of_bits(bits_of_float(cosine) ^ (~(j - 2) & 4) << 29);
}

// 16 uniform numbers become 16 normals, the first half paired with the second.
INLINE void block_normal(float *d, float mean, float std)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        float radius = sqrtf(-2.0f * ln(1.0f - d[j])), s, c;
        sincos_of(6.28318530717958647692f * d[j + BLOCK / 2], &s, &c);
        d[j] = fmaf(radius * c, std, mean);
        d[j + BLOCK / 2] = fmaf(radius * s, std, mean);
    }
}

INLINE void blocks_normal(float *d, size_t blocks, float mean, float std)
{
    for (size_t i = 0; i < blocks; i++)
        block_normal(d + i * BLOCK, mean, std);
}

static void blocks_plain(float *d, size_t blocks, float mean, float std)
{
    blocks_normal(d, blocks, mean, std);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void blocks_avx2(float *d, size_t blocks, float mean,
                                                            float std)
{
    blocks_normal(d, blocks, mean, std);
}
#endif

static void blocks_any(float *d, size_t blocks, float mean, float std)
{
#if defined(__x86_64__)
    if (random_has_vectors()) {
        blocks_avx2(d, blocks, mean, std);
        return;
    }
#endif
    blocks_plain(d, blocks, mean, std);
}

void torch_random_normal_with(struct torch_random *r, float mean, float std, float *out, size_t n)
{
    if (n < BLOCK) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(normal_double(r) * (double)std + (double)mean);
        return;
    }
    torch_random_uniform(r, out, n);
    blocks_any(out, n / BLOCK, mean, std);
    if (n % BLOCK) {  // the last 16 are made anew, whatever of them was there
        float *last = out + n - BLOCK;
        torch_random_uniform(r, last, BLOCK);
        blocks_any(last, 1, mean, std);
    }
}

void torch_random_normal(struct torch_random *r, float *out, size_t n)
{
    torch_random_normal_with(r, 0, 1, out, n);
}

void torch_random_normal_each(struct torch_random *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)normal_double(r);
}

void torch_random_integers(struct torch_random *r, int64_t low, int64_t high, int64_t *out,
                           size_t n)
{
    uint64_t range = (uint64_t)high - (uint64_t)low;
    for (size_t i = 0; i < n; i++) {
        uint64_t v = range < 1u << 28 ? torch_random_u32(r) : torch_random_u64(r);
        out[i] = (int64_t)(v % range + (uint64_t)low);
    }
}

void torch_random_permutation(struct torch_random *r, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int64_t)i;
    for (size_t i = 0; i + 1 < n; i++) {
        size_t k = i + torch_random_u32(r) % (n - i);
        int64_t v = out[i];
        out[i] = out[k];
        out[k] = v;
    }
}

void torch_random_epoch(struct torch_random *r, int64_t *out, size_t n)
{
    struct torch_random order;
    (void)torch_random_u64(r);  // the base seed of workers, drawn without workers too
    torch_random_seed(&order, torch_random_u64(r));
    torch_random_permutation(&order, out, n);
}
