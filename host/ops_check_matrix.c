// Checks of layout, matrix products and attention. A packed weight that a plugin holds is a
// wrapper, which knows its shape and the backend that made it. SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "error.h"
#include "ops_check.h"
#include "runtime.h"
#include "tensor.h"
#include "util.h"

// ---- layout -------------------------------------------------------------------------------------

static int to_nhwc(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    struct check c = {.op = "to_nhwc"};
    if (!check_given(&c, "x", x, T_F32, 4))
        return c.code;
    const int64_t *s = x->shape;
    if (!check_shape(&c, "out", out, T_MAP, 4, (int64_t[]){s[0], s[2], s[3], s[1]}) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->to_nhwc(h, x, out);
}

static int to_nchw(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    struct check c = {.op = "to_nchw"};
    if (!check_given(&c, "x", x, T_MAP, 4))
        return c.code;
    const int64_t *s = x->shape;
    if (!check_shape(&c, "out", out, T_F32, 4, (int64_t[]){s[0], s[3], s[1], s[2]}) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->to_nchw(h, x, out);
}

// t is x with another last dimension.
static int check_sibling(struct check *c, const char *arg, const kiln_tensor *t,
                         const kiln_tensor *x, int64_t last)
{
    int64_t shape[TENSOR_MAX_DIM];
    for (int32_t i = 0; i < x->ndim; i++)
        shape[i] = x->shape[i];
    shape[x->ndim - 1] = last;
    return check_shape(c, arg, t, same_type(x), x->ndim, shape);
}

static int concat(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out)
{
    struct check c = {.op = "concat"};
    if (!check_given(&c, "a", a, T_MAP, ANY_NDIM) ||
        !check_given(&c, "b", b, same_type(a), a->ndim) ||
        !check_sibling(&c, "b", b, a, last_of(b)) ||
        !check_sibling(&c, "out", out, a, last_of(a) + last_of(b)) ||
        !check_apart(&c, "out", out, a) || !check_apart(&c, "out", out, b))
        return c.code;
    return ops_of(&c)->concat(h, a, b, out);
}

static int split(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b)
{
    struct check c = {.op = "split"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        (a && !check_given(&c, "a", a, same_type(x), x->ndim)) ||
        (b && !check_given(&c, "b", b, same_type(x), x->ndim)) ||
        !check_arg(&c, a || b, "a and b", "one of the two at least"))
        return c.code;
    int64_t rest = last_of(x) - (a ? last_of(a) : last_of(b));  // what the other one has
    if (!check_arg(&c, rest > 0, a ? "a" : "b", "less than all of x") ||
        (a && !check_sibling(&c, "a", a, x, last_of(a))) ||
        (b && !check_sibling(&c, "b", b, x, a ? rest : last_of(b))) ||
        !check_apart(&c, "a", a, x) || !check_apart(&c, "b", b, x))
        return c.code;
    return ops_of(&c)->split(h, x, a, b);
}

static int check_numbers(struct check *c, const char *arg, const kiln_tensor *t, int64_t lo,
                         int64_t hi)
{
    if (t->device.type != KILN_DEVICE_CPU)
        return 1;  // nobody waits for a device to look
    const int32_t *v = tensor_data(t);
    for (int64_t i = 0, n = kiln_numel(t); i < n; i++)
        if (v[i] < lo || v[i] > hi) {
            c->code = fail(KILN_ERR_ARG, "ops.%s: %s: number %lld is %ld, wants %lld..%lld", c->op,
                           arg, (long long)i, (long)v[i], (long long)lo, (long long)hi);
            return 0;
        }
    return 1;
}

static int gather(const kiln_host *h, const kiln_tensor *t, const kiln_tensor *index,
                  kiln_tensor *out)
{
    struct check c = {.op = "gather"};
    if (!check_given(&c, "table", t, T_WEIGHT, 2) || !check_given(&c, "index", index, T_I32, 1) ||
        !check_numbers(&c, "index", index, 0, t->shape[0] - 1) ||
        !check_shape(&c, "out", out, T_MAP, 2, (int64_t[]){index->shape[0], t->shape[1]}) ||
        !check_apart(&c, "out", out, t))
        return c.code;
    return ops_of(&c)->gather(h, t, index, out);
}

// ---- packed weights -----------------------------------------------------------------------------

enum { PACKED_MARK = 0x4b50414b };

struct packed {
    uint32_t mark;  // so that what is none is found
    int grad;
    const kiln_ops *maker;
    int device;
    kiln_conv conv;
    int64_t in, out;  // channels of the product forward
    kiln_packed *made;
};

static const struct packed *packed_of(const kiln_packed *w)
{
    return (const struct packed *)(const void *)w;
}

static int check_conv(struct check *c, const kiln_conv *conv)
{
    return check_arg(c, conv != NULL, "conv", "a kiln_conv, NULL was given") &&
           check_arg(c, conv->kernel >= 1 && conv->kernel <= 1024, "conv.kernel", "1..1024") &&
           check_arg(c, conv->stride >= 1 && conv->stride <= 1024, "conv.stride", "1..1024") &&
           check_arg(c, conv->pad >= 0 && conv->pad <= 1024, "conv.pad", "0..1024");
}

static int wrap(const struct check *c, kiln_packed *made, int e, const struct packed *as,
                kiln_packed **out)
{
    if (e)
        return e;
    struct packed *p = xmemdup(as, sizeof(*as));
    p->mark = PACKED_MARK;
    p->maker = ops_of(c);
    p->device = c->device;
    p->made = made;
    *out = (kiln_packed *)(void *)p;
    return KILN_OK;
}

static int check_conv_weight(struct check *c, const kiln_conv *conv, const kiln_tensor *weight,
                             int grad, struct packed *as)
{
    if (!check_conv(c, conv) || !check_given(c, "weight", weight, T_WEIGHT, 4))
        return 0;
    const int64_t *s = weight->shape;
    *as = (struct packed){.grad = grad != 0,
                          .conv = *conv,
                          .in = s[conv->transposed ? 0 : 1],
                          .out = s[conv->transposed ? 1 : 0]};
    return check_shape(c, "weight", weight, T_WEIGHT, 4,
                       (int64_t[]){s[0], s[1], conv->kernel, conv->kernel});
}

static int check_linear_weight(struct check *c, const kiln_tensor *weight, int grad,
                               struct packed *as)
{
    if (!check_given(c, "weight", weight, T_WEIGHT, 2))
        return 0;
    *as = (struct packed){.grad = grad != 0,
                          .conv = {.kernel = 1, .stride = 1},
                          .in = weight->shape[1],
                          .out = weight->shape[0]};
    return 1;
}

static int check_place(struct check *c, kiln_packed **out)
{
    return check_arg(c, out != NULL, "out", "a place for the result");
}

static int pack_conv(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
                     kiln_packed **out)
{
    struct check c = {.op = "pack_conv"};
    struct packed as;
    kiln_packed *made;
    if (!check_conv_weight(&c, conv, weight, grad, &as) || !check_place(&c, out))
        return c.code;
    int e = ops_of(&c)->pack_conv(h, conv, weight, grad, &made);
    return wrap(&c, made, e, &as, out);
}

static int pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out)
{
    struct check c = {.op = "pack_linear"};
    struct packed as;
    kiln_packed *made;
    if (!check_linear_weight(&c, weight, grad, &as) || !check_place(&c, out))
        return c.code;
    int e = ops_of(&c)->pack_linear(h, weight, grad, &made);
    return wrap(&c, made, e, &as, out);
}

static int packs(const kiln_host *h, int n, const kiln_conv *const *conv,
                 const kiln_tensor *const *weight, const int *grad, kiln_packed **out)
{
    struct check c = {.op = "packs"};
    struct packed as[KILN_MOST_AT_ONCE];
    kiln_packed *made[KILN_MOST_AT_ONCE];
    if (!check_at_once(&c, n) || !check_place(&c, out) ||
        !check_arg(&c, conv && weight && grad, "conv, weight and grad", "n each"))
        return c.code;
    for (int i = 0; i < n; i++)
        if (conv[i] ? !check_conv_weight(&c, conv[i], weight[i], grad[i], &as[i])
                    : !check_linear_weight(&c, weight[i], grad[i], &as[i]))
            return c.code;
    int e = ops_of(&c)->packs(h, n, conv, weight, grad, made);
    for (int i = 0; i < n && !e; i++)
        e = wrap(&c, made[i], e, &as[i], &out[i]);
    return e;
}

static void pack_free(const kiln_host *h, kiln_packed *w)
{
    struct packed *p = (struct packed *)(void *)w;
    if (!p || p->mark != PACKED_MARK)
        return;
    p->maker->pack_free(h, p->made);
    p->mark = 0;
    free(p);
}

static int check_packed(struct check *c, const kiln_packed *w, int grad)
{
    const struct packed *p = packed_of(w);
    return check_arg(c, p && p->mark == PACKED_MARK, "w", "a packed weight") &&
           check_device(c, "w", p->device) &&
           check_arg(c, p->maker == ops_of(c), "w", "a weight packed by this backend") &&
           check_arg(c, p->grad == grad, "w",
                     grad ? "a weight packed for gradients" : "a weight not packed for gradients");
}

// The fine side of a strided convolution is its input, or a transposed one's output; a size of the
// coarse side belongs to several of the fine.
static int check_sides(struct check *c, const kiln_conv *conv, const char *arg,
                       const kiln_tensor *fine, const kiln_tensor *coarse, int out_is_fine)
{
    for (int k = 1; k < 3; k++) {
        int64_t room = fine->shape[k] + 2 * (int64_t)conv->pad - conv->kernel;
        int64_t want = room < 0 ? 0 : room / conv->stride + 1;
        if (coarse->shape[k] == want)
            continue;
        c->code = fail(KILN_ERR_SHAPE,
                       "ops.%s: %s is %s, which does not go with %s (kernel %d, stride %d, pad %d)",
                       c->op, arg, shape_text(4, (out_is_fine ? fine : coarse)->shape),
                       shape_text(4, (out_is_fine ? coarse : fine)->shape), conv->kernel,
                       conv->stride, conv->pad);
        return 0;
    }
    return 1;
}

// x, x2 (or NULL) and out of the product forward, by their names in the call, of one of these
// types; result: which of them it writes.
static int check_maps(struct check *c, const kiln_conv *conv, int types, int64_t in, int64_t out,
                      const char *x_name, const kiln_tensor *x, const char *x2_name,
                      const kiln_tensor *x2, const char *y_name, const kiln_tensor *y,
                      int y_is_result)
{
    if (!check_given(c, x_name, x, types, 4) || !check_given(c, y_name, y, same_type(x), 4) ||
        (x2 && !check_given(c, x2_name, x2, same_type(x), 4)))
        return 0;
    const int64_t *sx = x->shape, *sy = y->shape, behind = x2 ? in - sx[3] : 0;
    int fine_is_x = !conv->transposed;
    if (x2 &&
        !check_arg(c, behind > 0, x_name, "fewer channels than the weight, with a second map"))
        return 0;
    return check_shape(c, x_name, x, types, 4, (int64_t[]){sx[0], sx[1], sx[2], in - behind}) &&
           (!x2 ||
            check_shape(c, x2_name, x2, types, 4, (int64_t[]){sx[0], sx[1], sx[2], behind})) &&
           check_shape(c, y_name, y, types, 4, (int64_t[]){sx[0], sy[1], sy[2], out}) &&
           check_sides(c, conv, y_is_result ? y_name : x_name, fine_is_x ? x : y, fine_is_x ? y : x,
                       y_is_result ? !fine_is_x : fine_is_x);
}

static int conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *bias, const kiln_tensor *add, float scale,
                int act, kiln_tensor *out)
{
    struct check c = {.op = "conv"};
    const struct packed *p = packed_of(w);
    if (!check_packed(&c, w, 0) ||
        !check_maps(&c, &p->conv, T_MAP, p->in, p->out, "x", x, "x2", x2, "out", out, 1) ||
        !check_maybe(&c, "bias", bias, 1, &p->out) || !check_maybe_like(&c, "add", add, out) ||
        !check_act(&c, act) || !check_apart(&c, "out", out, x) || !check_apart(&c, "out", out, x2))
        return c.code;
    return ops_of(&c)->conv(h, p->made, x, x2, bias, add, scale, act, out);
}

static int conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                   kiln_tensor *dx, kiln_tensor *dx2)
{
    struct check c = {.op = "conv_dx"};
    const struct packed *p = packed_of(w);
    if (!check_packed(&c, w, 1) ||
        !check_maps(&c, &p->conv, T_MAP, p->in, p->out, "dx", dx, "dx2", dx2, "dout", dout, 0) ||
        !check_apart(&c, "dx", dx, dout) || !check_apart(&c, "dx2", dx2, dout) ||
        !check_apart(&c, "dx2", dx2, dx))
        return c.code;
    return ops_of(&c)->conv_dx(h, p->made, dout, dx, dx2);
}

static int conv_dw(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x,
                   const kiln_tensor *x2, const kiln_tensor *dout, kiln_tensor *dw,
                   kiln_tensor *dbias)
{
    struct check c = {.op = "conv_dw"};
    if (!check_conv(&c, conv) || !check_given(&c, "x", x, T_MAP, 4) ||
        (x2 && !check_given(&c, "x2", x2, same_type(x), 4)) ||
        !check_given(&c, "dout", dout, same_type(x), 4))
        return c.code;
    int64_t in = x->shape[3] + (x2 ? x2->shape[3] : 0), out = dout->shape[3], k = conv->kernel;
    int64_t shape[4] = {conv->transposed ? in : out, conv->transposed ? out : in, k, k};
    if (!check_maps(&c, conv, T_MAP, in, out, "x", x, "x2", x2, "dout", dout, 1) ||
        !check_maybe(&c, "dw", dw, 4, shape) || !check_maybe(&c, "dbias", dbias, 1, &out))
        return c.code;
    return ops_of(&c)->conv_dw(h, conv, x, x2, dout, dw, dbias);
}

// Rows of x [r,in] and y [r,out]; maps and tokens count as rows of their channels.
static int check_rows(struct check *c, int types, const char *x_name, const kiln_tensor *x,
                      int64_t in, const char *y_name, const kiln_tensor *y, int64_t out)
{
    if (!check_given(c, x_name, x, types, ANY_NDIM) ||
        !check_given(c, y_name, y, same_type(x), ANY_NDIM))
        return 0;
    if (last_of(x) == in && last_of(y) == out && kiln_numel(x) / in == kiln_numel(y) / out)
        return 1;
    c->code = fail(KILN_ERR_SHAPE, "ops.%s: %s is %s and %s %s, wants equal rows of %lld and %lld",
                   c->op, x_name, shape_text(x->ndim, x->shape), y_name,
                   shape_text(y->ndim, y->shape), (long long)in, (long long)out);
    return 0;
}

static int check_linear(struct check *c, const kiln_packed *w, int grad)
{
    return check_packed(c, w, grad) &&
           check_arg(c,
                     packed_of(w)->conv.kernel == 1 && packed_of(w)->conv.stride == 1 &&
                         packed_of(w)->conv.pad == 0,
                     "w", "a linear weight, or that of a 1x1 convolution");
}

static int linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                  const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out)
{
    struct check c = {.op = "linear"};
    const struct packed *p = packed_of(w);
    if (!check_linear(&c, w, 0) || !check_rows(&c, T_MAP, "x", x, p->in, "out", out, p->out) ||
        !check_maybe(&c, "bias", bias, 1, &p->out) || !check_maybe_like(&c, "add", add, out) ||
        !check_act(&c, act) || !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->linear(h, p->made, x, bias, act, add, out);
}

static int linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                   const kiln_tensor *const *bias, int act, kiln_tensor *const *out)
{
    struct check c = {.op = "linears"};
    const kiln_packed *made[KILN_MOST_AT_ONCE];
    if (!check_at_once(&c, n) || !check_arg(&c, w && bias && out, "w, bias and out", "n each") ||
        !check_act(&c, act))
        return c.code;
    for (int i = 0; i < n; i++) {
        const struct packed *p = packed_of(w[i]);
        if (!check_linear(&c, w[i], 0) ||
            !check_rows(&c, T_MAP, "x", x, p->in, "out", out[i], p->out) ||
            !check_maybe(&c, "bias", bias[i], 1, &p->out) || !check_apart(&c, "out", out[i], x))
            return c.code;
        made[i] = p->made;
    }
    return ops_of(&c)->linears(h, n, made, x, bias, act, out);
}

static int linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                     kiln_tensor *dx)
{
    struct check c = {.op = "linear_dx"};
    const struct packed *p = packed_of(w);
    if (!check_linear(&c, w, 1) || !check_rows(&c, T_MAP, "dx", dx, p->in, "dout", dout, p->out) ||
        !check_apart(&c, "dx", dx, dout))
        return c.code;
    return ops_of(&c)->linear_dx(h, p->made, dout, dx);
}

static int linear_dw(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout,
                     kiln_tensor *dw, kiln_tensor *dbias)
{
    struct check c = {.op = "linear_dw"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        !check_given(&c, "dout", dout, same_type(x), ANY_NDIM))
        return c.code;
    int64_t in = last_of(x), out = last_of(dout);
    if (!check_rows(&c, T_MAP, "x", x, in, "dout", dout, out) ||
        !check_maybe(&c, "dw", dw, 2, (int64_t[]){out, in}) ||
        !check_maybe(&c, "dbias", dbias, 1, &out))
        return c.code;
    return ops_of(&c)->linear_dw(h, x, dout, dw, dbias);
}

// ---- attention ----------------------------------------------------------------------------------

static int attention(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                     const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                     const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,
                     kiln_tensor *out)
{
    struct check c = {.op = "attention"};
    if (!check_given(&c, "q", q, T_MAP, 3) || !check_given(&c, "k", k, same_type(q), 3))
        return c.code;
    int64_t n = q->shape[0], l = q->shape[1], ch = q->shape[2], m = k->shape[1];
    if (!check_shape(&c, "k", k, same_type(q), 3, (int64_t[]){n, m, ch}) ||
        !check_like(&c, "v", v, k) || !check_arg(&c, !k2 == !v2, "k2 and v2", "both or neither") ||
        (k2 && !check_given(&c, "k2", k2, same_type(q), 3)))
        return c.code;
    int64_t m2 = k2 ? k2->shape[1] : 0;
    if ((k2 && !check_shape(&c, "k2", k2, same_type(q), 3, (int64_t[]){n, m2, ch})) ||
        (k2 && !check_like(&c, "v2", v2, k2)) ||
        !check_arg(&c, heads >= 1 && ch % heads == 0, "heads",
                   "a number that divides the channels") ||
        !check_maybe(&c, "bias", bias, 3, (int64_t[]){heads, l, m2 + m}) ||
        (valid && (!check_shape(&c, "valid", valid, T_I32, 1, &n) ||
                   !check_numbers(&c, "valid", valid, 1, m2 + m))) ||
        !check_like(&c, "out", out, q) || !check_apart(&c, "out", out, q) ||
        !check_apart(&c, "out", out, k) || !check_apart(&c, "out", out, v))
        return c.code;
    return ops_of(&c)->attention(h, q, k, v, k2, v2, bias, valid, heads, scale, out);
}

void ops_check_matrix(kiln_ops *ops)
{
    ops->to_nhwc = to_nhwc;
    ops->to_nchw = to_nchw;
    ops->concat = concat;
    ops->split = split;
    ops->gather = gather;
    ops->pack_conv = pack_conv;
    ops->pack_linear = pack_linear;
    ops->packs = packs;
    ops->pack_free = pack_free;
    ops->conv = conv;
    ops->linear = linear;
    ops->linears = linears;
    ops->attention = attention;
    ops->conv_dx = conv_dx;
    ops->conv_dw = conv_dw;
    ops->linear_dx = linear_dx;
    ops->linear_dw = linear_dw;
}
