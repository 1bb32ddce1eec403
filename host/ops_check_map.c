// Checks of norms, elementwise operations, pooling, images and samplers.
// SPDX-License-Identifier: MIT
#include "ops_check.h"
#include "runtime.h"

// ---- norms --------------------------------------------------------------------------------------

static int check_eps(struct check *c, float eps)
{
    return check_arg(c, eps >= 0 && eps < 1e30f, "eps", "a number of at least 0");
}

static int group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
                      float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
                      const kiln_tensor *scale_shift, int act, kiln_tensor *out)
{
    struct check c = {.op = "group_norm"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        !check_arg(&c, x->ndim > 1, "x", "2 dimensions or more") ||
        (x2 && !check_given(&c, "x2", x2, same_type(x), x->ndim)))
        return c.code;
    int64_t shape[8], all = last_of(x) + (x2 ? last_of(x2) : 0);
    for (int32_t i = 0; i < x->ndim; i++)
        shape[i] = x->shape[i];
    shape[x->ndim - 1] = x2 ? last_of(x2) : 0;
    if (x2 && !check_shape(&c, "x2", x2, same_type(x), x->ndim, shape))
        return c.code;
    shape[x->ndim - 1] = all;
    if (!check_arg(&c, groups >= 1 && all % groups == 0, "groups",
                   "a number that divides the channels") ||
        !check_eps(&c, eps) || !check_shape(&c, "gamma", gamma, T_F32, 1, &all) ||
        !check_shape(&c, "beta", beta, T_F32, 1, &all) ||
        (scale_shift && !check_shape(&c, "scale_shift", scale_shift, same_type(x), 2,
                                     (int64_t[]){x->shape[0], 2 * all})) ||
        !check_act(&c, act) || !check_shape(&c, "out", out, same_type(x), x->ndim, shape) ||
        !check_apart(&c, "out", out, x) || !check_apart(&c, "out", out, x2))
        return c.code;
    return ops_of(&c)->group_norm(h, x, x2, groups, eps, gamma, beta, scale_shift, act, out);
}

static int layer_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, kiln_tensor *out)
{
    struct check c = {.op = "layer_norm"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_eps(&c, eps) ||
        !check_channels(&c, "gamma", gamma, x) || !check_channels(&c, "beta", beta, x) ||
        !check_like(&c, "out", out, x) || !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->layer_norm(h, x, eps, gamma, beta, out);
}

static int rms_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                    kiln_tensor *out)
{
    struct check c = {.op = "rms_norm"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_eps(&c, eps) ||
        !check_channels(&c, "gamma", gamma, x) || !check_like(&c, "out", out, x) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->rms_norm(h, x, eps, gamma, out);
}

static int batch_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
                      const kiln_tensor *var, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, int act, kiln_tensor *out)
{
    struct check c = {.op = "batch_norm"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_channels(&c, "mean", mean, x) ||
        !check_channels(&c, "var", var, x) || !check_eps(&c, eps) ||
        !check_channels(&c, "gamma", gamma, x) || !check_channels(&c, "beta", beta, x) ||
        !check_act(&c, act) || !check_like(&c, "out", out, x) || !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->batch_norm(h, x, mean, var, eps, gamma, beta, act, out);
}

// ---- elementwise, pooling, embeddings -----------------------------------------------------------

static int act(const kiln_host *h, const kiln_tensor *x, int kind, kiln_tensor *out)
{
    struct check c = {.op = "act"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_act(&c, kind) ||
        !check_like(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->act(h, x, kind, out);
}

static int mul(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, kiln_tensor *out)
{
    struct check c = {.op = "mul"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_like(&c, "y", y, x) ||
        !check_like(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->mul(h, x, y, out);
}

static int affine(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *m,
                  const kiln_tensor *add, kiln_tensor *out)
{
    struct check c = {.op = "affine"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        !check_arg(&c, x->ndim > 1, "x", "2 dimensions or more"))
        return c.code;
    int64_t nc[2] = {x->shape[0], last_of(x)};
    if ((m && !check_shape(&c, "mul", m, same_type(x), 2, nc)) ||
        (add && !check_shape(&c, "add", add, same_type(x), 2, nc)) ||
        !check_like(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->affine(h, x, m, add, out);
}

static int avg_pool(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    struct check c = {.op = "avg_pool"};
    if (!check_given(&c, "x", x, T_MAP, 4))
        return c.code;
    const int64_t *s = x->shape;
    if (!check_arg(&c, k >= 1 && k <= s[1] && k <= s[2], "k", "1 to the size of x") ||
        !check_shape(&c, "out", out, same_type(x), 4,
                     (int64_t[]){s[0], s[1] / k, s[2] / k, s[3]}) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->avg_pool(h, x, k, out);
}

static int repeat2d(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    struct check c = {.op = "repeat2d"};
    if (!check_given(&c, "x", x, T_MAP, 4))
        return c.code;
    const int64_t *s = x->shape;
    if (!check_arg(&c, k >= 1 && k <= 1 << 16, "k", "1..65536") ||
        !check_shape(&c, "out", out, same_type(x), 4,
                     (int64_t[]){s[0], s[1] * k, s[2] * k, s[3]}) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->repeat2d(h, x, k, out);
}

static int mean_tokens(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    struct check c = {.op = "mean_tokens"};
    if (!check_given(&c, "x", x, T_MAP, 3) ||
        !check_shape(&c, "out", out, same_type(x), 2, (int64_t[]){x->shape[0], x->shape[2]}) ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->mean_tokens(h, x, out);
}

static int sinusoid(const kiln_host *h, const kiln_tensor *t, kiln_tensor *out)
{
    struct check c = {.op = "sinusoid"};
    if (!check_given(&c, "t", t, T_F32, 1) || !check_given(&c, "out", out, T_MAP, 2) ||
        !check_shape(&c, "out", out, T_MAP, 2, (int64_t[]){t->shape[0], out->shape[1]}) ||
        !check_arg(&c, out->shape[1] % 2 == 0, "out", "an even number of channels") ||
        !check_apart(&c, "out", out, t))
        return c.code;
    return ops_of(&c)->sinusoid(h, t, out);
}

// ---- images and samplers ------------------------------------------------------------------------

static int combine(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
                   const kiln_tensor *const *x, kiln_tensor *out)
{
    struct check c = {.op = "combine"};
    if (!check_arg(&c, k >= 1 && k <= 8, "k", "1..8") ||
        !check_arg(&c, a && x, "a and x", "k each") ||
        !check_given(&c, "out", out, T_MAP, ANY_NDIM))
        return c.code;
    for (int i = 0; i < k; i++)
        if (!check_maybe_like(&c, "x", x[i], out) ||
            (r && !check_maybe(&c, "r", r[i], 1, out->shape)))
            return c.code;
    return ops_of(&c)->combine(h, k, a, r, x, out);
}

static int blend(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a,
                 const kiln_tensor *b, kiln_tensor *out)
{
    struct check c = {.op = "blend"};
    if (!check_given(&c, "mask", mask, T_F32, 4) || !check_given(&c, "a", a, T_F32, 4))
        return c.code;
    const int64_t *m = mask->shape, *s = a->shape;
    if (!check_shape(&c, "mask", mask, T_F32, 4,
                     (int64_t[]){m[0] == 1 ? 1 : s[0], m[1] == 1 ? 1 : s[1], s[2], s[3]}) ||
        !check_like(&c, "b", b, a) || !check_like(&c, "out", out, a))
        return c.code;
    return ops_of(&c)->blend(h, mask, a, b, out);
}

static int add_range_noise(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z,
                           double lo, double hi, kiln_tensor *x)
{
    struct check c = {.op = "add_range_noise"};
    if (!check_given(&c, "x", x, T_F32, ANY_NDIM) || !check_like(&c, "v", v, x) ||
        !check_like(&c, "z", z, x))
        return c.code;
    return ops_of(&c)->add_range_noise(h, v, z, lo, hi, x);
}

static int dynamic_threshold(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                             kiln_tensor *out)
{
    struct check c = {.op = "dynamic_threshold"};
    if (!check_given(&c, "x", x, T_F32, ANY_NDIM) ||
        !check_arg(&c, quantile >= 0 && quantile <= 1, "quantile", "0..1") ||
        !check_arg(&c, max >= 1, "max", "a number of at least 1") || !check_like(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->dynamic_threshold(h, x, quantile, max, out);
}

static int resize(const kiln_host *h, const kiln_tensor *x, int filter, int antialias,
                  int align_corners, kiln_tensor *out)
{
    struct check c = {.op = "resize"};
    if (!check_given(&c, "x", x, T_F32, 4) || !check_given(&c, "out", out, T_F32, 4))
        return c.code;
    const int64_t *s = x->shape, *o = out->shape;
    if (!check_shape(&c, "out", out, T_F32, 4, (int64_t[]){s[0], s[1], o[2], o[3]}) ||
        !check_arg(&c, filter >= KILN_NEAREST && filter <= KILN_AREA, "filter",
                   "one of enum kiln_resample") ||
        !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->resize(h, x, filter, antialias, align_corners, out);
}

static int convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx,
                    const float *ky, int ny, int border, kiln_tensor *out)
{
    struct check c = {.op = "convolve"};
    if (!check_given(&c, "x", x, T_F32, 4) ||
        !check_arg(&c, kx && nx >= 1 && nx % 2, "kx", "an odd number of weights") ||
        !check_arg(&c, !ny || (ky && ny >= 1 && ny % 2), "ky",
                   "an odd number of weights, or none") ||
        !check_arg(&c, border == KILN_REFLECT || border == KILN_ZERO, "border",
                   "one of enum kiln_border") ||
        !check_like(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->convolve(h, x, kx, nx, ky, ny, border, out);
}

void ops_check_map(kiln_ops *ops)
{
    ops->group_norm = group_norm;
    ops->layer_norm = layer_norm;
    ops->rms_norm = rms_norm;
    ops->batch_norm = batch_norm;
    ops->act = act;
    ops->mul = mul;
    ops->affine = affine;
    ops->avg_pool = avg_pool;
    ops->repeat2d = repeat2d;
    ops->mean_tokens = mean_tokens;
    ops->sinusoid = sinusoid;
    ops->combine = combine;
    ops->blend = blend;
    ops->add_range_noise = add_range_noise;
    ops->dynamic_threshold = dynamic_threshold;
    ops->resize = resize;
    ops->convolve = convolve;
}
