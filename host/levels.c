// SPDX-License-Identifier: MIT
#include "levels.h"

#include <stdlib.h>
#include <string.h>

#include "estimate.h"
#include "ops_host.h"
#include "runtime.h"
#include "util.h"

// Rows of the block: t, alpha, sigma, then four of each pair of kinds: value' = a value + b x, a
// and b each as two floats, whose sum has the digits of a double.
enum { T, ALPHA, SIGMA, FACTORS, PARTS = 4 };
enum { KINDS = ESTIMATE_KINDS, ROWS = FACTORS + KINDS * KINDS * PARTS };

static int first_factor(int from, int to)
{
    return FACTORS + ((from - 1) * KINDS + to - 1) * PARTS;
}

static void set_factors(float *p, int64_t n, int64_t i, const kiln_level *level)
{
    if (i && !memcmp(level, level - 1, sizeof(*level))) {
        for (int k = FACTORS; k < ROWS; k++)
            p[k * n + i] = p[k * n + i - 1];
        return;
    }
    for (int from = 1; from <= KINDS; from++)
        for (int to = 1; to <= KINDS; to++) {
            double f[2] = {0, 0};
            float *row = p + first_factor(from, to) * n + i;
            if (from != to)
                estimate_factors(from, to, level, &f[0], &f[1]);  // zeros where it has none
            for (int k = 0; k < 2; k++) {
                row[2 * k * n] = (float)f[k];
                row[(2 * k + 1) * n] = (float)(f[k] - (double)(float)f[k]);
            }
        }
}

int levels_set(struct levels *l, int64_t n, const kiln_level *level)
{
    int e = l->block && l->n == n ? tensor_home_own(l->block) : KILN_OK;
    if (!l->block || l->n != n) {
        levels_free(l);
        e = tensor_new(KILN_F32, 2, (const int64_t[]){ROWS, n}, &l->block);
    }
    if (e)
        return e;
    free(l->level);
    l->n = n;
    l->level = xmemdup(level, (size_t)n * sizeof(*level));
    float *p = kiln_f32(l->block);
    for (int64_t i = 0; i < n; i++) {
        p[T * n + i] = (float)level[i].t;
        p[ALPHA * n + i] = (float)level[i].alpha;
        p[SIGMA * n + i] = (float)level[i].sigma;
        if (runtime.device != KILN_DEVICE_CPU)
            set_factors(p, n, i, &level[i]);
    }
    return KILN_OK;
}

static int64_t one = 1;

// The first rows of row k of the block.
static kiln_tensor row_of(const struct levels *l, const kiln_tensor *side, int k, int64_t *n)
{
    kiln_tensor t = *side;
    t.ndim = 1;
    t.shape = n;
    t.strides = &one;
    t.byte_offset += (uint64_t)k * (uint64_t)l->n * sizeof(float);
    return t;
}

int levels_on(const struct levels *l, int64_t n, int device, struct level_sides *sides,
              kiln_query *q)
{
    kiln_tensor *side;
    int e = tensor_on(l->block, device, TENSOR_READ, &side);
    sides->n = n;
    sides->t = row_of(l, side, T, &sides->n);
    sides->alpha = row_of(l, side, ALPHA, &sides->n);
    sides->sigma = row_of(l, side, SIGMA, &sides->n);
    q->t = &sides->t;
    q->alpha = &sides->alpha;
    q->sigma = &sides->sigma;
    q->level = l->level;
    return e;
}

int levels_convert(const struct levels *l, const kiln_tensor *value, int from, int to,
                   const kiln_tensor *x, kiln_tensor **out)
{
    static const double ones[] = {1, 1, 1, 1};
    if (from == to || !to) {
        *out = tensor_ref(value);
        return KILN_OK;
    }
    if (tensor_place(value) == KILN_DEVICE_CPU)
        return estimate_convert(value, from, to, x, l->level, out);
    int64_t n = value->shape[0];
    kiln_tensor *v, *p, *side, *made, factor[PARTS];
    const kiln_tensor *r[PARTS];
    double a, b;
    int e = KILN_OK;
    for (int64_t i = 0; i < n && !e; i++)
        e = estimate_check(from, to, &l->level[i], &a, &b);
    e = e ? e : tensor_on(value, KILN_DEVICE_CUDA, TENSOR_READ, &v);
    e = e ? e : tensor_on(x, KILN_DEVICE_CUDA, TENSOR_READ, &p);
    e = e ? e : tensor_on(l->block, KILN_DEVICE_CUDA, TENSOR_READ, &side);
    e = e ? e : tensor_new_on(KILN_DEVICE_CUDA, KILN_F32, value->ndim, value->shape, &made);
    if (e)
        return e;
    for (int k = 0; k < PARTS; k++) {
        factor[k] = row_of(l, side, first_factor(from, to) + k, &n);
        r[k] = &factor[k];
    }
    const kiln_tensor *const parts[] = {v, v, p, p};
    e = runtime.device_ops->combine(&plain_host, PARTS, ones, r, parts, made);
    if (e)
        tensor_unref(made);
    *out = e ? NULL : tensor_taken(made);
    return e;
}

void levels_free(struct levels *l)
{
    tensor_unref(l->block);
    free(l->level);
    *l = (struct levels){0};
}
