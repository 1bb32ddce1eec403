// What a net says, as noise, image, v or flow. SPDX-License-Identifier: MIT
#include "estimate.h"

#include "error.h"
#include "tensor.h"

// value' = a value + b x. With x = alpha x0 + sigma e, v = alpha e - sigma x0, flow = e - x0.
static int coefficients(int from, int to, double alpha, double sigma, double *a, double *b)
{
    // e = e_a value + e_b x, from each kind; then the wanted kind from e and x.
    double e_a, e_b, n;
    switch (from) {
    case KILN_EPS:
        e_a = 1, e_b = 0;
        break;
    case KILN_X0:
        if (sigma <= 0)
            return 0;
        e_a = -alpha / sigma, e_b = 1 / sigma;
        break;
    case KILN_V:
        n = alpha * alpha + sigma * sigma;
        e_a = alpha / n, e_b = sigma / n;
        break;
    case KILN_FLOW:
        n = alpha + sigma;
        e_a = alpha / n, e_b = 1 / n;
        break;
    default:
        return 0;
    }
    // x0 directly where the way over e divides by sigma or alpha.
    double x_a, x_b;
    if (from == KILN_V)
        n = alpha * alpha + sigma * sigma, x_a = -sigma / n, x_b = alpha / n;
    else if (from == KILN_FLOW)
        n = alpha + sigma, x_a = -sigma / n, x_b = 1 / n;
    else if (alpha > 0)
        x_a = -sigma * e_a / alpha, x_b = (1 - sigma * e_b) / alpha;
    else
        return 0;
    switch (to) {
    case KILN_EPS:
        *a = e_a, *b = e_b;
        return 1;
    case KILN_X0:
        *a = x_a, *b = x_b;
        return 1;
    case KILN_V:
        *a = alpha * e_a - sigma * x_a, *b = alpha * e_b - sigma * x_b;
        return 1;
    default:
        *a = e_a - x_a, *b = e_b - x_b;
        return to == KILN_FLOW;
    }
}

int estimate_factors(int from, int to, const kiln_level *level, double *a, double *b)
{
    *a = *b = 0;
    if (from == KILN_X0 && to == KILN_EPS && level->sigma <= 0)
        return 1;  // no noise, and none is estimated
    return coefficients(from, to, level->alpha, level->sigma, a, b);
}

int estimate_check(int from, int to, const kiln_level *level, double *a, double *b)
{
    return estimate_factors(from, to, level, a, b)
               ? KILN_OK
               : fail(KILN_ERR_UNSUPPORTED, "an estimate cannot be converted at t = %g", level->t);
}

int estimate_convert(const kiln_tensor *value, int from, int to, const kiln_tensor *x,
                     const kiln_level *level, kiln_tensor **out)
{
    int e = tensor_home(x);
    e = e ? e : tensor_new(KILN_F32, value->ndim, value->shape, out);
    if (e)
        return e;
    int64_t n = value->shape[0], row = n ? kiln_numel(value) / n : 0;
    for (int64_t i = 0; i < n; i++) {
        double a, b;
        e = estimate_check(from, to, &level[i], &a, &b);
        if (e) {
            tensor_unref(*out);
            *out = NULL;
            return e;
        }
        const float *v = kiln_f32(value) + i * row, *p = kiln_f32(x) + i * row;
        float *o = kiln_f32(*out) + i * row;
        for (int64_t j = 0; j < row; j++)
            o[j] = (float)(a * (double)v[j] + b * (double)p[j]);
    }
    return KILN_OK;
}

void estimate_free(kiln_estimate *e)
{
    tensor_unref(e->value);
    tensor_unref(e->var);
    e->value = e->var = NULL;
}
