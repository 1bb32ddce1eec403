// No sum here has an unrounded product as an operand, and none may be contracted into an fma behind
// our back: where one is meant it is written. That is what makes the bits the same everywhere.
// SPDX-License-Identifier: MIT
#include "random.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "kernels/half.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, GROUP = 4 * LANES };  // blocks worked on together, and their elements

// Constants of the Philox4x32 paper.
#define MUL0 0xd2511f53u
#define MUL1 0xcd9e8d57u
#define WEYL0 0x9e3779b9u
#define WEYL1 0xbb67ae85u

INLINE void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    uint64_t p0 = (uint64_t)MUL0 * c[0], p1 = (uint64_t)MUL1 * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)p0;
}

void random_philox(uint32_t ctr[4], const uint32_t key[2])
{
    for (uint32_t i = 0; i < 10; i++)
        philox_round(ctr, key[0] + i * WEYL0, key[1] + i * WEYL1);
}

uint64_t random_node(const char *name, uint64_t nth)
{
    uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 0x100000001b3u;
    h *= 0x100000001b3u;  // the end of the name
    for (int i = 0; i < 8; i++)
        h = (h ^ (nth >> 8 * i & 0xff)) * 0x100000001b3u;
    return h;
}

// Keeps the state, a hash of what came before, and takes in one word.
static void absorb(uint32_t state[4], uint64_t word)
{
    uint32_t next[4], key[2] = {(uint32_t)word, (uint32_t)(word >> 32)};
    memcpy(next, state, sizeof(next));
    random_philox(next, key);
    for (int i = 0; i < 4; i++)
        state[i] ^= next[i];
}

struct random_row random_row(const struct random_key *key, enum random_kind kind)
{
    uint32_t s[4] = {0x6b696c6e, (uint32_t)kind, key->use, 0};
    double t = key->t == 0 ? 0 : key->t;  // -0 is 0
    uint64_t bits;
    memcpy(&bits, &t, sizeof(bits));
    absorb(s, key->seed);
    absorb(s, key->node);
    absorb(s, (uint64_t)key->id);
    absorb(s, bits);
    return (struct random_row){.key = {s[0], s[1]}, .place = {s[2], s[3]}};
}

// Bits choose, as a branch would keep loops from being vectorised.
INLINE float choose(int32_t mask, float a, float b)
{
    uint32_t x = bits_of_float(a), y = bits_of_float(b);
    return float_of_bits(y ^ ((x ^ y) & (uint32_t)mask));
}

// -2 ln of a number of (0, 1) made of 32 random bits. Both ends are kept fine: near 0, which is the
// tail of the normals, and near 1, where bits below 2^-24 count.
INLINE float minus_two_log(uint32_t bits)
{
    int32_t s = (int32_t)bits, upper = s >> 31;  // 0, -1: below, above one half
    float small = ((float)(s ^ upper) + 0.5f) * 0x1p-32f;
    float u = choose(upper, 1.0f - small, small);
    // u = m 2^e, m in [sqrt(1/2), sqrt(2))
    int32_t b = (int32_t)bits_of_float(u) - 0x3f3504f3;
    int32_t e = b >> 23;  // <= 0
    float m = float_of_bits((uint32_t)(b & 0x7fffff) + 0x3f3504f3u);
    float f = choose(upper & ~(e >> 31), -small, m - 1.0f);
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
INLINE void circle(uint32_t bits, float *c, float *s)
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
    float cosine = choose(odd, y, x), sine = choose(odd, x, y);
    *c = float_of_bits(bits_of_float(cosine) ^ ((quarter + 1) & 2) << 30);
    *s = float_of_bits(bits_of_float(sine) ^ (quarter & 2) << 30);
}

// The words of LANES successive blocks, word by word.
INLINE void blocks(const struct random_row *row, uint64_t block, uint32_t w[4][LANES])
{
    for (uint32_t i = 0; i < LANES; i++) {
        w[0][i] = (uint32_t)(block + i);
        w[1][i] = (uint32_t)((block + i) >> 32);
        w[2][i] = row->place[0];
        w[3][i] = row->place[1];
    }
    for (uint32_t r = 0; r < 10; r++)
        for (uint32_t i = 0; i < LANES; i++) {
            uint32_t c[4] = {w[0][i], w[1][i], w[2][i], w[3][i]};
            philox_round(c, row->key[0] + r * WEYL0, row->key[1] + r * WEYL1);
            for (int k = 0; k < 4; k++)
                w[k][i] = c[k];
        }
}

INLINE void group_normal(const struct random_row *row, uint64_t block, float *out)
{
    uint32_t w[4][LANES];
    float v[4][LANES];
    blocks(row, block, w);
    for (int k = 0; k < 4; k += 2)
        for (int i = 0; i < LANES; i++) {
            float r = sqrtf(minus_two_log(w[k][i])), c, s;
            circle(w[k + 1][i], &c, &s);
            v[k][i] = r * c;
            v[k + 1][i] = r * s;
        }
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = v[k][i];
}

INLINE void group_uniform(const struct random_row *row, uint64_t block, float *out)
{
    uint32_t w[4][LANES];
    blocks(row, block, w);
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = (float)(int32_t)(w[k][i] >> 8) * 0x1p-24f;
}

INLINE void fill(const struct random_row *row, enum random_kind kind, uint64_t block, float *out,
                 size_t groups)
{
    for (size_t g = 0; g < groups; g++, block += LANES, out += GROUP)
        if (kind == RANDOM_NORMAL)
            group_normal(row, block, out);
        else
            group_uniform(row, block, out);
}

static void fill_plain(const struct random_row *row, enum random_kind kind, uint64_t block,
                       float *out, size_t groups)
{
    fill(row, kind, block, out, groups);
}

static atomic_int vectors = 1;

void random_use_vectors(int on)
{
    atomic_store(&vectors, on);
}

int random_has_vectors(void)
{
#if defined(__x86_64__)
    return atomic_load(&vectors) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 0;
#endif
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void fill_avx2(const struct random_row *row,
                                                          enum random_kind kind, uint64_t block,
                                                          float *out, size_t groups)
{
    fill(row, kind, block, out, groups);
}
#endif

static void fill_any(const struct random_row *row, enum random_kind kind, uint64_t block,
                     float *out, size_t groups)
{
#if defined(__x86_64__)
    if (random_has_vectors()) {
        fill_avx2(row, kind, block, out, groups);
        return;
    }
#endif
    fill_plain(row, kind, block, out, groups);
}

static void row_fill(const struct random_key *key, enum random_kind kind, uint64_t offset,
                     float *out, size_t n)
{
    struct random_row row = random_row(key, kind);
    float part[GROUP];
    while (n) {
        size_t skip = offset % 4;  // elements of the first block that are not asked for
        size_t groups = skip ? 0 : n / GROUP;
        if (groups) {
            fill_any(&row, kind, offset / 4, out, groups);
        } else {
            fill_any(&row, kind, offset / 4, part, 1);
            size_t count = n < GROUP - skip ? n : GROUP - skip;
            memcpy(out, part + skip, count * sizeof(*out));
            offset += count;
            out += count;
            n -= count;
            continue;
        }
        offset += groups * GROUP;
        out += groups * GROUP;
        n -= groups * GROUP;
    }
}

void random_normal(const struct random_key *key, uint64_t offset, float *out, size_t n)
{
    row_fill(key, RANDOM_NORMAL, offset, out, n);
}

void random_uniform(const struct random_key *key, uint64_t offset, float *out, size_t n)
{
    row_fill(key, RANDOM_UNIFORM, offset, out, n);
}
