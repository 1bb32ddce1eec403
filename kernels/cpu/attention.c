// Attention in fp32, on the micro-kernels of the matrix family.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/attention.h"

#include "kernels/cpu/conv_plan.h"
#include "kernels/cpu/vec_transpose.h"

#if defined(__AVX512F__)
#define ISA gemm_avx512
#else
#define ISA gemm_avx2
#endif

enum { TILE_MOST = 2 * GEMM_MAX_ROWS };  // queries whose scores are there at once

// What one item works in. Rows of v and sums are vw long, whole half panels.
struct attention_scratch {
    float *q;       // [group,width], scaled
    float *k;       // [panel][width][columns]
    float *v;       // [ATTENTION_KEYS,vw]
    float *scores;  // [TILE_MOST,ATTENTION_KEYS]
    float *sums;    // [group,vw]
    struct attention_row *row;
    int64_t vw;
};

static const int64_t no_run[1] = {0};

static void load_queries(const struct attention_job *j, const struct attention_item *item,
                         const struct attention_scratch *s)
{
    const vec scale = v_set(j->scale);
    for (int64_t r = 0; r < item->queries; r++) {
        const float *q =
            j->q + (item->image * j->l + item->first + r) * j->c + item->head * j->width;
        for (int64_t i = 0; i < j->width; i += LANES)
            v_store(s->q + r * j->width + i, j->width - i,
                    v_mul(v_load(q + i, j->width - i), scale));
        for (int64_t i = 0; i < s->vw; i += LANES)
            v_store(s->sums + r * s->vw + i, LANES, v_set(0));
        s->row[r] = (struct attention_row){-FLT_MAX, 0};
    }
}

// Keys first .. first + keys with a channel of all of them together; their values as rows.
static void load_keys(const struct attention_job *j, const struct attention_item *item,
                      int64_t first, int64_t keys, const struct attention_scratch *s)
{
    const int64_t columns = ISA.columns;
    for (int64_t key = 0; key < keys; key += LANES) {
        float *panel = s->k + key / columns * columns * j->width + key % columns;
        for (int64_t i = 0; i < j->width; i += LANES) {
            vec r[LANES];
            for (int64_t t = 0; t < LANES; t++)
                r[t] = key + t < keys
                           ? v_load(attention_key(j, j->k2, j->k, item, first + key + t) + i,
                                    j->width - i)
                           : v_set(0);
            v_transpose(r);
            for (int64_t t = 0; t < LANES && i + t < j->width; t++)
                v_store(panel + (i + t) * columns, LANES, r[t]);
        }
    }
    for (int64_t key = 0; key < keys; key++) {
        const float *v = attention_key(j, j->v2, j->v, item, first + key);
        for (int64_t i = 0; i < s->vw; i += LANES)
            v_store(s->v + key * s->vw + i, LANES,
                    i < j->width ? v_load(v + i, j->width - i) : v_set(0));
    }
}

// c (+)= a b: [rows,steps] times [steps,columns]; b comes in panels, b_panel floats apart.
static void multiply(const float *a, int64_t a_row, int64_t rows, const float *b, int64_t b_step,
                     int64_t b_panel, int64_t steps, int64_t columns, float *c, int64_t c_row,
                     int accumulate)
{
    struct gemm_args args = {
        .a_row = a_row * 4,
        .a_step = 4,
        .a_run = no_run,
        .b_step = b_step * 4,
        .runs = 1,
        .steps = steps,
        .c_row = c_row * 4,
        .accumulate = accumulate,
    };
    int64_t pieces = (rows + ISA.rows - 1) / ISA.rows;
    for (int64_t o = 0; o < columns; o += ISA.columns)
        for (int64_t p = 0; p < pieces; p++) {
            int64_t r = rows * p / pieces, n = rows * (p + 1) / pieces - r;
            args.a = a + r * a_row;
            args.b = b + o / ISA.columns * b_panel;
            args.c = c + r * c_row + o;
            ISA.kernel[columns - o > ISA.columns / 2][WEIGHT_F32][n](&args);
        }
}

// scores become e^(score - largest).
static void weigh(float *scores, int64_t padded, struct attention_row *row)
{
    vec sum = v_set(0), largest = v_set(row->largest);
    for (int64_t i = 0; i < padded; i += LANES) {
        vec p = vm_exp(v_sub(v_load(scores + i, LANES), largest));
        v_store(scores + i, LANES, p);
        sum = v_add(sum, p);
    }
    row->sum += attention_add(sum);
}

static void attend(const struct attention_job *j, const struct attention_item *item,
                   const struct attention_scratch *s)
{
    const int64_t tile = 2 * ISA.rows, half = ISA.columns / 2;
    load_queries(j, item, s);
    for (int64_t first = 0; first < item->keys; first += ATTENTION_KEYS) {
        int64_t keys = item->keys - first < ATTENTION_KEYS ? item->keys - first : ATTENTION_KEYS;
        int64_t padded = (keys + half - 1) / half * half;
        load_keys(j, item, first, keys, s);
        for (int64_t q = 0; q < item->queries; q += tile) {
            int64_t rows = item->queries - q < tile ? item->queries - q : tile;
            multiply(s->q + q * j->width, j->width, rows, s->k, ISA.columns, ISA.columns * j->width,
                     j->width, padded, s->scores, ATTENTION_KEYS, 0);
            for (int64_t r = 0; r < rows; r++) {
                float *scores = s->scores + r * ATTENTION_KEYS;
                int64_t query = item->head * j->l + item->first + q + r;
                const float *bias = j->bias ? j->bias + query * (j->m2 + j->m) + first : NULL;
                attention_largest(scores, bias, keys, padded, &s->row[q + r],
                                  s->sums + (q + r) * s->vw, s->vw);
                weigh(scores, padded, &s->row[q + r]);
            }
            multiply(s->scores, ATTENTION_KEYS, rows, s->v, s->vw, ISA.columns, keys, s->vw,
                     s->sums + q * s->vw, s->vw, 1);
        }
    }
}

static void store_queries(const struct attention_job *j, const struct attention_item *item,
                          const struct attention_scratch *s)
{
    for (int64_t r = 0; r < item->queries; r++) {
        float *out = j->out + (item->image * j->l + item->first + r) * j->c + item->head * j->width;
        const vec share = v_set(1 / s->row[r].sum);
        for (int64_t i = 0; i < j->width; i += LANES)
            v_store(out + i, j->width - i, v_mul(v_load(s->sums + r * s->vw + i, LANES), share));
    }
}

static int attention_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct attention_job *j = ctx;
    const int64_t half = ISA.columns / 2, vw = (j->width + half - 1) / half * half;
    // Each part whole cache lines.
    int64_t q = (j->group * j->width + 15) / 16 * 16, k = ATTENTION_KEYS * j->width;
    int64_t v = ATTENTION_KEYS * vw, scores = TILE_MOST * ATTENTION_KEYS, sums = j->group * vw;
    kiln_tensor *owner;
    (void)chunk;
    float *at = scratch_new(
        j->h, (size_t)(q + k + v + scores + sums + 2 * j->group) * sizeof(float), &owner);
    if (!at)
        return KILN_ERR_MEMORY;
    struct attention_scratch s = {.q = at, .vw = vw};
    s.k = s.q + q;
    s.v = s.k + k;
    s.scores = s.v + v;
    s.sums = s.scores + scores;
    s.row = (struct attention_row *)(void *)(s.sums + sums);
    for (int64_t i = begin; i < end; i++) {
        struct attention_item item = attention_item(j, i);
        attend(j, &item, &s);
        store_queries(j, &item, &s);
    }
    j->h->tensor_free(j->h, owner);
    return KILN_OK;
}

static int attention(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                     const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                     const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,
                     kiln_tensor *out)
{
    struct attention_job job;
    attention_job_init(&job, h, q, k, v, k2, v2, bias, valid, heads, scale, out);
    return h->parallel_for(h, q->shape[0] * heads * job.groups, 1, attention_items, &job);
}

void CPU(attention_init)(kiln_ops *ops)
{
    ops->attention = attention;
}
