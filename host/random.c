// SPDX-License-Identifier: MIT
#include "random.h"

#include <stdatomic.h>
#include <string.h>

#include "kernels/half.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
#define INLINE static inline __attribute__((always_inline))
#define NORMALS_INLINE INLINE
#define NORMALS_BITS bits_of_float
#define NORMALS_FLOAT float_of_bits
#include "kernels/normals.h"

enum { LANES = 16, GROUP = 4 * LANES };  // blocks worked on together, and their elements

void random_philox(uint32_t ctr[4], const uint32_t key[2])
{
    philox(ctr, key[0], key[1]);
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
            philox_round(c, row->key[0] + r * PHILOX_WEYL0, row->key[1] + r * PHILOX_WEYL1);
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
        for (int i = 0; i < LANES; i++)
            normals_pair(w[k][i], w[k + 1][i], &v[k][i], &v[k + 1][i]);
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
            out[4 * i + k] = normals_uniform(w[k][i]);
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
