// Checks of what training needs beside the products.
// SPDX-License-Identifier: MIT
#include "ops_check.h"
#include "runtime.h"

static int batch_norm_train(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                            const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                            kiln_tensor *mean, kiln_tensor *var, kiln_tensor *saved,
                            kiln_tensor *out)
{
    struct check c = {.op = "batch_norm_train"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_channels(&c, "gamma", gamma, x) ||
        !check_channels(&c, "beta", beta, x) || !check_act(&c, act) ||
        !check_channels(&c, "mean", mean, x) || !check_channels(&c, "var", var, x) ||
        !check_shape(&c, "saved", saved, T_F32, 2, (int64_t[]){2, last_of(x)}) ||
        !check_like(&c, "out", out, x) || !check_apart(&c, "out", out, x))
        return c.code;
    return ops_of(&c)->batch_norm_train(h, x, eps, momentum, gamma, beta, act, mean, var, saved,
                                        out);
}

static int batch_norm_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved,
                           float eps, const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                           const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                           kiln_tensor *dbeta)
{
    struct check c = {.op = "batch_norm_grad"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        !check_shape(&c, "saved", saved, T_F32, 2, (int64_t[]){2, last_of(x)}) ||
        !check_channels(&c, "gamma", gamma, x) || !check_channels(&c, "beta", beta, x) ||
        !check_act(&c, act) || !check_like(&c, "dout", dout, x) ||
        !check_maybe_like(&c, "dx", dx, x) ||
        (dgamma && !check_channels(&c, "dgamma", dgamma, x)) ||
        (dbeta && !check_channels(&c, "dbeta", dbeta, x)) || !check_apart(&c, "dx", dx, x))
        return c.code;
    return ops_of(&c)->batch_norm_grad(h, x, saved, eps, gamma, beta, act, dout, dx, dgamma, dbeta);
}

static int act_grad(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
                    kiln_tensor *dx)
{
    struct check c = {.op = "act_grad"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) || !check_act(&c, act) ||
        !check_like(&c, "dout", dout, x) || !check_like(&c, "dx", dx, x))
        return c.code;
    return ops_of(&c)->act_grad(h, x, act, dout, dx);
}

static int affine_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                       const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul,
                       kiln_tensor *dadd)
{
    struct check c = {.op = "affine_grad"};
    if (!check_given(&c, "x", x, T_MAP, ANY_NDIM) ||
        !check_arg(&c, x->ndim > 1, "x", "2 dimensions or more"))
        return c.code;
    const int64_t nc[2] = {x->shape[0], last_of(x)};
    const int type = same_type(x);
    if ((mul && !check_shape(&c, "mul", mul, type, 2, nc)) || !check_like(&c, "dout", dout, x) ||
        !check_maybe_like(&c, "dx", dx, x) ||
        (dmul && !check_shape(&c, "dmul", dmul, type, 2, nc)) ||
        (dadd && !check_shape(&c, "dadd", dadd, type, 2, nc)))
        return c.code;
    return ops_of(&c)->affine_grad(h, x, mul, dout, dx, dmul, dadd);
}

static int avg_pool_grad(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx)
{
    struct check c = {.op = "avg_pool_grad"};
    if (!check_given(&c, "dx", dx, T_MAP, 4))
        return c.code;
    const int64_t *s = dx->shape;
    if (!check_arg(&c, k >= 1 && k <= s[1] && k <= s[2], "k", "1 to the size of dx") ||
        !check_shape(&c, "dout", dout, same_type(dx), 4,
                     (int64_t[]){s[0], s[1] / k, s[2] / k, s[3]}) ||
        !check_apart(&c, "dx", dx, dout))
        return c.code;
    return ops_of(&c)->avg_pool_grad(h, k, dout, dx);
}

static int mse(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target,
               kiln_tensor *loss, kiln_tensor *dy)
{
    struct check c = {.op = "mse"};
    if (!check_given(&c, "y", y, T_F32, ANY_NDIM) || !check_like(&c, "target", target, y) ||
        !check_maybe(&c, "loss", loss, 1, (int64_t[]){1}) || !check_maybe_like(&c, "dy", dy, y))
        return c.code;
    return ops_of(&c)->mse(h, y, target, loss, dy);
}

static int check_adam(struct check *c, const kiln_tensor *grad, const kiln_tensor *rate,
                      const kiln_tensor *value, const kiln_tensor *m, const kiln_tensor *v)
{
    return check_given(c, "value", value, T_F32, ANY_NDIM) && check_like(c, "grad", grad, value) &&
           check_like(c, "m", m, value) && check_like(c, "v", v, value) &&
           check_shape(c, "rate", rate, T_F64, 1, (int64_t[]){2});
}

static int adam(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
                double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v)
{
    struct check c = {.op = "adam"};
    if (!check_adam(&c, grad, rate, value, m, v))
        return c.code;
    return ops_of(&c)->adam(h, grad, rate, beta1, beta2, eps, value, m, v);
}

static int adams(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
                 double beta1, double beta2, double eps, kiln_tensor *const *value,
                 kiln_tensor *const *m, kiln_tensor *const *v)
{
    struct check c = {.op = "adams"};
    if (!check_at_once(&c, n) ||
        !check_arg(&c, grad && value && m && v, "grad, value, m and v", "n each"))
        return c.code;
    for (int i = 0; i < n; i++)
        if (!check_adam(&c, grad[i], rate, value[i], m[i], v[i]))
            return c.code;
    return ops_of(&c)->adams(h, n, grad, rate, beta1, beta2, eps, value, m, v);
}

void ops_check_train(kiln_ops *ops)
{
    ops->batch_norm_train = batch_norm_train;
    ops->batch_norm_grad = batch_norm_grad;
    ops->act_grad = act_grad;
    ops->affine_grad = affine_grad;
    ops->avg_pool_grad = avg_pool_grad;
    ops->mse = mse;
    ops->adam = adam;
    ops->adams = adams;
}
