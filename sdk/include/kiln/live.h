// kiln/live.h: the tensors that a call holds in between, and shapes as they are looked at
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_LIVE_H
#define KILN_LIVE_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

// A list of them, so that a step of a net that fails has nothing to clean up: kiln_live_end frees
// what is left. Begins zeroed.
enum { KILN_LIVE_MAX = 512 };
typedef struct kiln_live {
    uint32_t n;
    kiln_tensor *tensor[KILN_LIVE_MAX];
} kiln_live;

// A new one where nets run; *out is NULL on failure.
static inline int kiln_live_typed(kiln_live *l, const kiln_host *h, int dtype, int32_t ndim,
                                  const int64_t *shape, kiln_tensor **out)
{
    *out = NULL;
    if (l->n == KILN_LIVE_MAX)
        return h->fail(h, KILN_ERR_INTERNAL, "too many tensors are held at once");
    int e = h->tensor_new(h, h->device, dtype, ndim, shape, out);
    if (e)
        *out = NULL;
    else
        l->tensor[l->n++] = *out;
    return e;
}

// F32, and a feature map.
static inline int kiln_live_new(kiln_live *l, const kiln_host *h, int32_t ndim,
                                const int64_t *shape, kiln_tensor **out)
{
    return kiln_live_typed(l, h, KILN_F32, ndim, shape, out);
}

static inline int kiln_live_map(kiln_live *l, const kiln_host *h, int32_t ndim,
                                const int64_t *shape, kiln_tensor **out)
{
    return kiln_live_typed(l, h, h->map_dtype, ndim, shape, out);
}

// Off the list, and the caller's; NULL: it is not on it. The last ones are found first.
static inline kiln_tensor *kiln_live_take(kiln_live *l, const kiln_tensor *t)
{
    for (uint32_t i = l->n; t && i-- > 0;)
        if (l->tensor[i] == t) {
            kiln_tensor *taken = l->tensor[i];
            l->tensor[i] = l->tensor[--l->n];
            return taken;
        }
    return NULL;
}

// Frees what is on the list; others are not touched.
static inline void kiln_live_free(kiln_live *l, const kiln_host *h, const kiln_tensor *t)
{
    h->tensor_free(h, kiln_live_take(l, t));
}

static inline void kiln_live_end(kiln_live *l, const kiln_host *h)
{
    while (l->n)
        h->tensor_free(h, l->tensor[--l->n]);
}

// The elements of a contiguous tensor with another shape of as many, or of its first ones with a
// shape of fewer.
typedef struct kiln_view {
    kiln_tensor t;
    int64_t shape[8], strides[8];
} kiln_view;

// Gives &v->t, or NULL for t NULL. ndim <= 8.
static inline kiln_tensor *kiln_view_as(kiln_view *v, const kiln_tensor *t, int32_t ndim,
                                        const int64_t *shape)
{
    int64_t stride = 1;
    if (!t)
        return NULL;
    v->t = *t;
    v->t.ndim = ndim;
    v->t.shape = v->shape;
    v->t.strides = v->strides;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        v->shape[i] = shape[i];
        v->strides[i] = stride;
        stride *= shape[i];
    }
    return &v->t;
}

#ifdef __cplusplus
}
#endif
#endif
