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

const kiln_tensor *run_as_map(struct run *r, const kiln_tensor *x)
{
    if (r->err || r->map_dtype == KILN_F32)
        return x;
    kiln_tensor *out = run_typed(r, r->map_dtype, x->ndim, x->shape);
    if (!r->err)
        r->err = r->host->tensor_copy(r->host, out, x);
    return out;
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
