// Attention on AMX tiles: queries, keys, probabilities and values as sums of bf16 parts.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/attention.h"

#include "conv_pass.h"
#include "gemm_amx.h"
#include "kernels/cpu/vec_transpose.h"

enum { QUERIES = 2 * TILE_ROWS, PAIR_BYTES = 2 * TILE_BYTES };

// What one item works in. Tiles of b come in panels of 32 columns, [panel][step][part][tile].
struct tile_scratch {
    char *q;        // [32 queries][part][query][channel]
    char *k, *v;    // panels of keys, of channels of values
    char *p;        // [part][query][key]: probabilities
    float *scores;  // [QUERIES,ATTENTION_KEYS]
    float *sums;    // [group,depth]
    struct attention_row *row;
    int64_t depth;  // width in whole steps of 32
    int parts;      // of queries and keys
    int p_parts;    // of probabilities and values
};

struct tile_job {
    struct attention_job base;
    int parts, p_parts;
};

static inline __m512 load_scaled(const float *p, int64_t left, __m512 scale)
{
    return left > 0 ? _mm512_mul_ps(v_load(p, left), scale) : _mm512_setzero_ps();
}

static void load_queries(const struct attention_job *j, const struct attention_item *item,
                         const struct tile_scratch *s)
{
    const __m512 scale = v_set(j->scale);
    int64_t row_bytes = s->depth * 2, part_bytes = QUERIES * row_bytes;
    for (int64_t r = 0; r < j->group; r++) {
        const float *q =
            j->q + (item->image * j->l + item->first + r) * j->c + item->head * j->width;
        char *to = s->q + r / QUERIES * s->parts * part_bytes + r % QUERIES * row_bytes;
        int there = r < item->queries;
        for (int64_t i = 0; i < s->depth; i += 32) {
            __m512 a = load_scaled(q + i, there ? j->width - i : 0, scale);
            __m512 b = load_scaled(q + i + 16, there ? j->width - i - 16 : 0, scale);
            for (int part = 0; part < s->parts; part++)
                _mm512_storeu_si512(to + part * part_bytes + i * 2, split_halves(&a, &b));
        }
        for (int64_t i = 0; i < s->depth; i += LANES)
            v_store(s->sums + r * s->depth + i, LANES, v_set(0));
        s->row[r] = (struct attention_row){-FLT_MAX, 0};
    }
}

static inline __m512 load_left(const float *p, int64_t left)
{
    return left > 0 ? v_load(p, left) : _mm512_setzero_ps();
}

// 16 keys as columns of tiles: pairs of channels of one key are 32 bits, transposed as such.
static void load_keys(const struct attention_job *j, const struct attention_item *item,
                      int64_t first, int64_t keys, const struct tile_scratch *s)
{
    int64_t steps = s->depth / 32;
    for (int64_t key = 0; key < (keys + 31) / 32 * 32; key += 16) {
        char *tile = s->k + key / 32 * steps * s->parts * PAIR_BYTES + key % 32 / 16 * TILE_BYTES;
        for (int64_t i = 0; i < s->depth; i += 32, tile += s->parts * PAIR_BYTES) {
            __m512 part[3][16];
            for (int64_t t = 0; t < 16; t++) {
                const float *k = key + t < keys
                                     ? attention_key(j, j->k2, j->k, item, first + key + t) + i
                                     : NULL;
                __m512 a = load_left(k, k ? j->width - i : 0);
                __m512 b = load_left(k + 16, k ? j->width - i - 16 : 0);
                for (int n = 0; n < s->parts; n++)
                    part[n][t] = _mm512_castsi512_ps(split_halves(&a, &b));
            }
            for (int n = 0; n < s->parts; n++) {
                v_transpose(part[n]);
                for (int t = 0; t < 16; t++)
                    _mm512_storeu_ps(tile + n * PAIR_BYTES + t * 64, part[n][t]);
            }
        }
    }
}

// Pairs of values below each other, by 16 channels.
static void load_values(const struct attention_job *j, const struct attention_item *item,
                        int64_t first, int64_t keys, const struct tile_scratch *s)
{
    int64_t steps = (keys + 31) / 32, panel_bytes = steps * s->p_parts * PAIR_BYTES;
    for (int64_t key = 0; key < steps * 32; key += 2) {
        const float *v = key < keys ? attention_key(j, j->v2, j->v, item, first + key) : NULL;
        const float *w =
            key + 1 < keys ? attention_key(j, j->v2, j->v, item, first + key + 1) : NULL;
        char *row = s->v + key / 32 * s->p_parts * PAIR_BYTES + key % 32 / 2 * 64;
        for (int64_t i = 0; i < s->depth; i += 16) {
            char *to = row + i / 32 * panel_bytes + i % 32 / 16 * TILE_BYTES;
            __m512 a = load_left(v + i, v ? j->width - i : 0);
            __m512 b = load_left(w + i, w ? j->width - i : 0);
            for (int n = 0; n < s->p_parts; n++)
                _mm512_storeu_si512(to + n * PAIR_BYTES, split_pairs(&a, &b));
        }
    }
}

// Parts of e^(score - largest); their sum is that of the unrounded ones.
VM_INLINE void weigh_as(const float *scores, int64_t padded, struct attention_row *row, char *to,
                        int parts)
{
    enum { PART_BYTES = QUERIES * ATTENTION_KEYS * 2 };
    vec sum = v_set(0), sum2 = v_set(0), largest = v_set(row->largest);
    for (int64_t i = 0; i < padded; i += 32) {
        vec a = vm_exp(v_sub(v_load(scores + i, LANES), largest));
        vec b = vm_exp(v_sub(v_load(scores + i + 16, LANES), largest));
        sum = v_add(sum, a);
        sum2 = v_add(sum2, b);
        for (int n = 0; n < parts; n++)
            _mm512_storeu_si512(to + n * PART_BYTES + i * 2, split_halves(&a, &b));
    }
    row->sum += attention_add(v_add(sum, sum2));
}

// The number of parts is known in each loop.
static void weigh(const float *scores, int64_t padded, struct attention_row *row, char *to,
                  int parts)
{
    if (parts == 1)
        weigh_as(scores, padded, row, to, 1);
    else if (parts == 2)
        weigh_as(scores, padded, row, to, 2);
    else
        weigh_as(scores, padded, row, to, 3);
}

// Products of QUERIES rows of a with panels of 32 columns of b, to c or added to it.
static void multiply(struct tile_args args, int parts, int64_t rows, int64_t panels)
{
    int64_t panel_bytes = args.steps * parts * PAIR_BYTES;
    for (int64_t i = 0; i < panels; i++, args.b += panel_bytes, args.c += 32)
        tile_kernels[parts - 1][rows > TILE_ROWS][1](&args);
}

static void attend(const struct attention_job *j, const struct attention_item *item,
                   const struct tile_scratch *s, const int64_t *step)
{
    int64_t tile_bytes = s->parts * QUERIES * s->depth * 2;
    load_queries(j, item, s);
    for (int64_t first = 0; first < item->keys; first += ATTENTION_KEYS) {
        int64_t keys = item->keys - first < ATTENTION_KEYS ? item->keys - first : ATTENTION_KEYS;
        int64_t padded = (keys + 31) / 32 * 32;
        load_keys(j, item, first, keys, s);
        load_values(j, item, first, keys, s);
        for (int64_t q = 0; q < item->queries; q += QUERIES) {
            int64_t rows = item->queries - q < QUERIES ? item->queries - q : QUERIES;
            struct tile_args args = {
                .a = s->q + q / QUERIES * tile_bytes,
                .a_row = s->depth * 2,
                .a_part = QUERIES * s->depth * 2,
                .a_step = step,
                .b = s->k,
                .steps = s->depth / 32,
                .c = s->scores,
                .c_row = ATTENTION_KEYS * 4,
            };
            multiply(args, s->parts, rows, padded / 32);
            for (int64_t r = 0; r < rows; r++) {
                float *scores = s->scores + r * ATTENTION_KEYS;
                int64_t query = item->head * j->l + item->first + q + r;
                const float *bias = j->bias ? j->bias + query * (j->m2 + j->m) + first : NULL;
                attention_largest(scores, bias, keys, padded, &s->row[q + r],
                                  s->sums + (q + r) * s->depth, s->depth);
                weigh(scores, padded, &s->row[q + r], s->p + r * ATTENTION_KEYS * 2, s->p_parts);
            }
            args = (struct tile_args){
                .a = s->p,
                .a_row = ATTENTION_KEYS * 2,
                .a_part = QUERIES * ATTENTION_KEYS * 2,
                .a_step = step,
                .b = s->v,
                .steps = padded / 32,
                .c = s->sums + q * s->depth,
                .c_row = s->depth * 4,
                .accumulate = 1,
            };
            multiply(args, s->p_parts, rows, s->depth / 32);
        }
    }
}

static void store_queries(const struct attention_job *j, const struct attention_item *item,
                          const struct tile_scratch *s)
{
    for (int64_t r = 0; r < item->queries; r++) {
        float *out = j->out + (item->image * j->l + item->first + r) * j->c + item->head * j->width;
        const vec share = v_set(1 / s->row[r].sum);
        for (int64_t i = 0; i < j->width; i += LANES)
            v_store(out + i, j->width - i, v_mul(v_load(s->sums + r * s->depth + i, LANES), share));
    }
}

static int attention_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct tile_job *job = ctx;
    const struct attention_job *j = &job->base;
    int64_t depth = (j->width + 31) / 32 * 32, group = (j->group + QUERIES - 1) / QUERIES * QUERIES;
    int64_t q = group * depth * 2 * job->parts, k = ATTENTION_KEYS * depth * 2 * job->parts;
    int64_t v = ATTENTION_KEYS * depth * 2 * job->p_parts;
    int64_t p = QUERIES * ATTENTION_KEYS * 2 * job->p_parts, scores = QUERIES * ATTENTION_KEYS * 4;
    int64_t steps = depth > ATTENTION_KEYS ? depth / 32 : ATTENTION_KEYS / 32;
    kiln_tensor *owner;
    (void)chunk;
    char *at = scratch_new(j->h,
                           (size_t)(q + k + v + p + scores + group * depth * 4 + group * 8 +
                                    steps * (int64_t)sizeof(int64_t)),
                           &owner);
    if (!at)
        return KILN_ERR_MEMORY;
    struct tile_scratch s = {.q = at, .depth = depth, .parts = job->parts, .p_parts = job->p_parts};
    s.k = s.q + q;
    s.v = s.k + k;
    s.p = s.v + v;
    s.scores = (float *)(void *)(s.p + p);
    s.sums = s.scores + scores / 4;
    s.row = (struct attention_row *)(void *)(s.sums + group * depth);
    int64_t *step = (int64_t *)(void *)(s.row + group);
    for (int64_t i = 0; i < steps; i++)
        step[i] = i * 64;
    tiles_begin();
    for (int64_t i = begin; i < end; i++) {
        struct attention_item item = attention_item(j, i);
        attend(j, &item, &s, step);
        store_queries(j, &item, &s);
    }
    tiles_end();
    j->h->tensor_free(j->h, owner);
    return KILN_OK;
}

#define ENTRY(name, n_parts, n_p_parts)                                                            \
    static int name(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,                \
                    const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,            \
                    const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,     \
                    kiln_tensor *out)                                                              \
    {                                                                                              \
        struct tile_job job = {.parts = (n_parts), .p_parts = (n_p_parts)};                        \
        attention_job_init(&job.base, h, q, k, v, k2, v2, bias, valid, heads, scale, out);         \
        return h->parallel_for(h, q->shape[0] * heads * job.base.groups, 1, attention_items,       \
                               &job);                                                              \
    }

ENTRY(fast, 2, 2)
ENTRY(exact, 3, 3)
ENTRY(rounded, 1, 1)

void attention_init_amx(kiln_ops *ops, int precision)
{
    ops->attention = precision == KERNELS_BF16    ? rounded
                     : precision == KERNELS_EXACT ? exact
                                                  : fast;
}
