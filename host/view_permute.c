// A filter that only moves values, and turns the signs of some: done by its map.
// SPDX-License-Identifier: MIT
#include "ops_host.h"
#include "runtime.h"
#include "tensor.h"
#include "view_probe.h"

// Where every value of n rows comes from, and its sign, as a device takes them.
static int moves_new(struct shape_proof *p, int64_t rows, int inverse, struct moves *m)
{
    int64_t len = p->chw[0] * p->chw[1] * p->chw[2], all = rows * len;
    tensor_unref(m->index);
    tensor_unref(m->sign);
    *m = (struct moves){.rows = rows};
    int e = tensor_new(KILN_I32, 1, &all, &m->index);
    e = e ? e : tensor_new(KILN_F32, 1, &all, &m->sign);
    if (e) {
        m->rows = 0;
        return e;
    }
    int32_t *index = tensor_data(m->index);
    float *sign = kiln_f32(m->sign);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < len; i++) {
            int64_t to = r * len + (inverse ? p->index[i] : i);
            index[to] = (int32_t)(r * len + (inverse ? i : p->index[i]));
            sign[to] = p->sign[i];
        }
    return KILN_OK;
}

// As rows of one value: [k] is [k,1].
static kiln_tensor flat(const kiln_tensor *t, int32_t ndim, const int64_t *shape)
{
    static const int64_t strides[] = {1, 1};
    kiln_tensor f = *t;
    f.ndim = ndim;
    f.shape = (int64_t *)(uintptr_t)shape;
    f.strides = (int64_t *)(uintptr_t)strides;
    return f;
}

static int permute_there(struct shape_proof *p, const kiln_tensor *x, int inverse, int use_sign,
                         kiln_tensor **out)
{
    struct moves *m = &p->there[inverse != 0];
    const int64_t shape[] = {kiln_numel(x), 1};
    kiln_tensor *in, *index, *sign, *made;
    int e = m->rows == x->shape[0] ? KILN_OK : moves_new(p, x->shape[0], inverse, m);
    e = e ? e : tensor_on(x, KILN_DEVICE_CUDA, TENSOR_READ, &in);
    e = e ? e : tensor_on(m->index, KILN_DEVICE_CUDA, TENSOR_READ, &index);
    e = e ? e : tensor_on(m->sign, KILN_DEVICE_CUDA, TENSOR_READ, &sign);
    e = e ? e : tensor_new_on(KILN_DEVICE_CUDA, KILN_F32, x->ndim, x->shape, &made);
    if (e)
        return e;
    kiln_tensor from = flat(in, 2, shape), to = flat(made, 2, shape), s = flat(sign, 2, shape);
    e = runtime.device_ops->gather(&plain_host, &from, index, &to);
    if (!e && use_sign && p->turns)
        e = runtime.device_ops->mul(&plain_host, &to, &s, &to);
    if (e)
        tensor_unref(made);
    *out = e ? NULL : tensor_taken(made);
    return e;
}

int shape_permute(struct shape_proof *p, const kiln_tensor *x, int inverse, int use_sign,
                  kiln_tensor **out)
{
    if (tensor_place(x) == KILN_DEVICE_CUDA && kiln_numel(x) <= INT32_MAX)
        return permute_there(p, x, inverse, use_sign, out);
    int e = tensor_home(x);
    e = e ? e : tensor_new(KILN_F32, x->ndim, x->shape, out);
    if (e)
        return e;
    int64_t n = p->chw[0] * p->chw[1] * p->chw[2];
    for (int64_t r = 0; r < x->shape[0]; r++) {
        const float *in = kiln_f32(x) + r * n;
        float *o = kiln_f32(*out) + r * n;
        for (int64_t i = 0; i < n; i++) {
            float s = use_sign ? p->sign[i] : 1.0f;
            if (inverse)
                o[p->index[i]] = s * in[i];
            else
                o[i] = s * in[p->index[i]];
        }
    }
    return KILN_OK;
}
