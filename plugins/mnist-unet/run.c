// The tensors of one pass through the net. They are listed, so that a step that fails needs no
// cleaning up of its own.
// SPDX-License-Identifier: MIT
#include "net.h"

static kiln_tensor *keep(struct run *r, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t = NULL;
    if (!r->err && r->n_live == MAX_LIVE)
        r->err = r->host->fail(r->host, KILN_ERR_INTERNAL, "too many tensors in a pass");
    if (!r->err)
        r->err = r->host->tensor_new(r->host, r->host->device, KILN_F32, ndim, shape, &t);
    if (r->err)
        return NULL;
    return r->live[r->n_live++] = t;
}

kiln_tensor *run_new(struct run *r, int64_t h, int64_t w, int64_t c)
{
    return keep(r, 4, (const int64_t[]){r->n, h, w, c});
}

kiln_tensor *run_rows(struct run *r, int64_t c)
{
    return keep(r, 2, (const int64_t[]){r->n, c});
}

kiln_tensor *run_statistics(struct run *r, int64_t c)
{
    return keep(r, 2, (const int64_t[]){2, c});
}

void run_free(struct run *r, const kiln_tensor *t)
{
    for (uint32_t i = r->n_live; t && i-- > 0;)
        if (r->live[i] == t) {
            r->live[i] = r->live[--r->n_live];
            r->host->tensor_free(r->host, t);
            return;
        }
}

int run_end(struct run *r)
{
    while (r->n_live)
        r->host->tensor_free(r->host, r->live[--r->n_live]);
    return r->err;
}

static const kiln_tensor *view(struct view *v, const kiln_tensor *x, int32_t ndim)
{
    int64_t stride = 1;
    v->t = *x;
    v->t.ndim = ndim;
    v->t.shape = v->shape;
    v->t.strides = v->strides;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        v->strides[i] = stride;
        stride *= v->shape[i];
    }
    return &v->t;
}

// With one channel the two layouts of an image are the same.
const kiln_tensor *view_map(struct view *v, const kiln_tensor *x)
{
    v->shape[0] = x->shape[0];
    v->shape[1] = x->shape[2];
    v->shape[2] = x->shape[3];
    v->shape[3] = 1;
    return view(v, x, 4);
}

const kiln_tensor *view_rows(struct view *v, const kiln_tensor *x)
{
    v->shape[0] = x->shape[0];
    v->shape[1] = 1;
    return view(v, x, 2);
}
