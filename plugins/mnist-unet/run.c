// The tensors of one pass through the net.
// SPDX-License-Identifier: MIT
#include "net.h"

kiln_tensor *run_typed(struct run *r, int dtype, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t = NULL;
    if (!r->err)
        r->err = kiln_live_typed(&r->live, r->host, dtype, ndim, shape, &t);
    return t;
}

kiln_tensor *run_new(struct run *r, int64_t h, int64_t w, int64_t c)
{
    return run_typed(r, r->map_dtype, 4, (const int64_t[]){r->n, h, w, c});
}

kiln_tensor *run_rows(struct run *r, int64_t c)
{
    return run_typed(r, r->map_dtype, 2, (const int64_t[]){r->n, c});
}

kiln_tensor *run_statistics(struct run *r, int64_t c)
{
    return run_typed(r, KILN_F32, 2, (const int64_t[]){2, c});
}

kiln_tensor *run_copy(struct run *r, const kiln_tensor *x)
{
    kiln_tensor *out = run_typed(r, r->map_dtype, x->ndim, x->shape);
    if (!r->err)
        r->err = r->host->tensor_copy(r->host, out, x);
    return out;
}

const kiln_tensor *run_as_map(struct run *r, const kiln_tensor *x)
{
    return r->err || r->map_dtype == KILN_F32 ? x : run_copy(r, x);
}

const kiln_tensor *run_time(struct run *r, const struct config *c, const kiln_query *q)
{
    kiln_view rows;
    if (c->arch == ARCH_PLAIN)
        return NULL;
    kiln_tensor *out = run_typed(r, KILN_F32, 2, (const int64_t[]){r->n, 1});
    const kiln_tensor *t = view_rows(&rows, q->t);
    const double a = 1 / (double)c->T;
    if (!r->err)
        r->err = r->ops->combine(r->host, 1, &a, NULL, &t, out);
    return run_as_map(r, out);
}

void run_head(struct run *r, const kiln_packed *w, const kiln_tensor *bias, const kiln_tensor *x,
              kiln_tensor *image)
{
    kiln_view view;
    view_map(&view, image);
    kiln_tensor *out = r->map_dtype == KILN_F32 ? &view.t : run_new(r, SIDE, SIDE, 1);
    if (!r->err)
        r->err = r->ops->conv(r->host, w, x, NULL, bias, NULL, 1, KILN_ACT_NONE, out);
    if (!r->err && out != &view.t)
        r->err = r->host->tensor_copy(r->host, &view.t, out);
}

void run_free(struct run *r, const kiln_tensor *t)
{
    kiln_live_free(&r->live, r->host, t);
}

int run_end(struct run *r)
{
    kiln_live_end(&r->live, r->host);
    return r->err;
}

// With one channel the two layouts of an image are the same.
const kiln_tensor *view_map(kiln_view *v, const kiln_tensor *x)
{
    return kiln_view_as(v, x, 4, (const int64_t[]){x->shape[0], x->shape[2], x->shape[3], 1});
}

const kiln_tensor *view_rows(kiln_view *v, const kiln_tensor *x)
{
    return kiln_view_as(v, x, 2, (const int64_t[]){x->shape[0], 1});
}
