// Attention in blocks of keys, whose scores alone are ever stored: with each block the largest
// score of a query may grow, and what was summed so far is scaled down to it (online softmax).
// The bounds of blocks follow from nothing but the number of the key, so that the bits of a query's
// result depend neither on other queries nor on threads.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_ATTENTION_H
#define KERNELS_CPU_ATTENTION_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec_math.h"

#include <float.h>

enum { ATTENTION_KEYS = 256 };  // of a block

struct attention_job {
    const kiln_host *h;
    const float *q, *k, *v, *k2, *v2, *bias;
    const int32_t *valid;
    int64_t l, m, m2, c, heads, width;  // width: channels of a head
    float scale;
    float *out;
    int64_t group, groups;  // queries of an item, items of a head
};

// An item of work: some queries of one head of one image.
struct attention_item {
    int64_t image, head, first, queries, keys;
};

static inline void attention_job_init(struct attention_job *j, const kiln_host *h,
                                      const kiln_tensor *q, const kiln_tensor *k,
                                      const kiln_tensor *v, const kiln_tensor *k2,
                                      const kiln_tensor *v2, const kiln_tensor *bias,
                                      const kiln_tensor *valid, int heads, float scale,
                                      kiln_tensor *out)
{
    // Keys are packed anew for each group of queries: few groups, but work for many threads.
    enum { ITEMS = 32, LEAST = 128, MOST = 512 };
    *j = (struct attention_job){
        .h = h,
        .q = kiln_f32(q),
        .k = kiln_f32(k),
        .v = kiln_f32(v),
        .k2 = f32_of(k2),
        .v2 = f32_of(v2),
        .bias = f32_of(bias),
        .valid = i32_of(valid),
        .l = q->shape[1],
        .m = k->shape[1],
        .m2 = k2 ? k2->shape[1] : 0,
        .c = q->shape[2],
        .heads = heads,
        .width = q->shape[2] / heads,
        .scale = scale,
        .out = kiln_f32(out),
    };
    int64_t group = j->l * q->shape[0] * heads / ITEMS;
    group = group < LEAST ? LEAST : group > MOST ? MOST : group;
    j->groups = (j->l + group - 1) / group;
    group = (j->l + j->groups - 1) / j->groups;
    j->group = j->groups > 1 ? (group + 31) / 32 * 32 : group;
    j->groups = (j->l + j->group - 1) / j->group;
}

static inline struct attention_item attention_item(const struct attention_job *j, int64_t item)
{
    struct attention_item i = {.image = item / (j->groups * j->heads),
                               .head = item / j->groups % j->heads,
                               .first = item % j->groups * j->group,
                               .keys = j->m2 + j->m};
    i.queries = j->l - i.first < j->group ? j->l - i.first : j->group;
    if (j->valid && j->valid[i.image] < i.keys)
        i.keys = j->valid[i.image];
    return i;
}

// Channels of the head in key (or value) number key; those of k2 come first.
static inline const float *attention_key(const struct attention_job *j, const float *first,
                                         const float *second, const struct attention_item *i,
                                         int64_t key)
{
    int64_t at = i->head * j->width;
    return key < j->m2 ? first + (i->image * j->m2 + key) * j->c + at
                       : second + (i->image * j->m + key - j->m2) * j->c + at;
}

// What is known of a query: its largest score so far, and the sum of e^(score - largest).
struct attention_row {
    float largest, sum;
};

static inline float attention_max(vec x)
{
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps(x);
#else
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_shuffle_ps(y, y, 1)));
#endif
}

static inline float attention_add(vec x)
{
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps(x);
#else
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_shuffle_ps(y, y, 1)));
#endif
}

// Adds bias (or NULL) to the scores of one query and a block of keys, fills up to whole vectors
// with -infinity, and scales what was summed so far to the largest of them; scores has room for
// padded of them. Lanes of sums [width] are behind as well.
static inline void attention_largest(float *scores, const float *bias, int64_t keys, int64_t padded,
                                     struct attention_row *row, float *sums, int64_t width)
{
    vec largest = v_set(row->largest);
    for (int64_t i = keys; i < padded; i++)
        scores[i] = -HUGE_VALF;
    for (int64_t i = 0; i < padded; i += LANES) {
        vec s = v_load(scores + i, LANES);
        if (bias && i < keys) {
            s = v_add(s, v_load(bias + i, keys - i));
            v_store(scores + i, LANES, s);
        }
        largest = v_max(s, largest);
    }
    float top = attention_max(largest);
    if (top <= row->largest)
        return;
    vec down = vm_exp(v_set(row->largest - top));
    for (int64_t i = 0; i < width; i += LANES)
        v_store(sums + i, LANES, v_mul(v_load(sums + i, LANES), down));
    row->sum *= attention_max(down);  // all lanes are the same
    row->largest = top;
}

#endif
