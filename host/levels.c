// SPDX-License-Identifier: MIT
#include "levels.h"

#include <stdlib.h>

#include "util.h"

int levels_new(struct levels *l, int64_t n, const kiln_level *level)
{
    *l = (struct levels){.n = n, .stride = 1};
    int e = tensor_new(KILN_F32, 2, (const int64_t[]){3, n}, &l->block);
    if (e)
        return e;
    l->level = xmemdup(level, (size_t)n * sizeof(*level));
    float *p = kiln_f32(l->block);
    for (int64_t i = 0; i < n; i++) {
        p[i] = (float)level[i].t;
        p[n + i] = (float)level[i].alpha;
        p[2 * n + i] = (float)level[i].sigma;
    }
    return KILN_OK;
}

int levels_on(struct levels *l, int device, kiln_query *q)
{
    kiln_tensor *side;
    int e = tensor_on(l->block, device, TENSOR_READ, &side);
    for (int k = 0; k < 3 && !e; k++) {
        l->side[k] = *side;
        l->side[k].ndim = 1;
        l->side[k].shape = &l->n;
        l->side[k].strides = &l->stride;
        l->side[k].byte_offset += (uint64_t)k * (uint64_t)l->n * sizeof(float);
    }
    q->t = &l->side[0];
    q->alpha = &l->side[1];
    q->sigma = &l->side[2];
    q->level = l->level;
    return e;
}

void levels_free(struct levels *l)
{
    tensor_unref(l->block);
    free(l->level);
    *l = (struct levels){0};
}
