// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

// x [n,h,w,c] and x2 side by side, as one map of c channels.
struct pair {
    const float *a, *b;
    int64_t ca, cb;
};

static double pair_at(const struct pair *p, int64_t row, int64_t c)
{
    return (double)(c < p->ca ? p->a[row * p->ca + c] : p->b[row * p->cb + c - p->ca]);
}

int ref_group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
                   float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
                   const kiln_tensor *scale_shift, int act, kiln_tensor *out)
{
    struct pair in = {kiln_f32(x), ref_f32(x2), ref_last(x), x2 ? ref_last(x2) : 0};
    int64_t n = x->shape[0], rows = ref_middle(x), c = in.ca + in.cb, width = c / groups;
    const float *g = kiln_f32(gamma), *b = kiln_f32(beta), *ss = ref_f32(scale_shift);
    (void)h;
    for (int64_t i = 0; i < n * groups; i++) {
        int64_t image = i / groups, first = i % groups * width, r0 = image * rows;
        double sum = 0, squares = 0, count = (double)(rows * width);
        for (int64_t r = r0; r < r0 + rows; r++)
            for (int64_t k = first; k < first + width; k++)
                sum += pair_at(&in, r, k);
        double mean = sum / count;
        for (int64_t r = r0; r < r0 + rows; r++)
            for (int64_t k = first; k < first + width; k++) {
                double d = pair_at(&in, r, k) - mean;
                squares += d * d;
            }
        double inverse = 1 / sqrt(squares / count + (double)eps);
        for (int64_t r = r0; r < r0 + rows; r++)
            for (int64_t k = first; k < first + width; k++) {
                double y = (pair_at(&in, r, k) - mean) * inverse * (double)g[k] + (double)b[k];
                if (ss)
                    y = (1 + (double)ss[image * 2 * c + k]) * y + (double)ss[image * 2 * c + c + k];
                kiln_f32(out)[r * c + k] = (float)ref_act_value(act, y);
            }
    }
    return KILN_OK;
}

int ref_layer_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                   const kiln_tensor *beta, kiln_tensor *out)
{
    int64_t c = ref_last(x), rows = kiln_numel(x) / c;
    const float *g = kiln_f32(gamma), *b = kiln_f32(beta);
    (void)h;
    for (int64_t r = 0; r < rows; r++) {
        const float *in = kiln_f32(x) + r * c;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < c; i++)
            sum += (double)in[i];
        double mean = sum / (double)c;
        for (int64_t i = 0; i < c; i++)
            squares += ((double)in[i] - mean) * ((double)in[i] - mean);
        double inverse = 1 / sqrt(squares / (double)c + (double)eps);
        for (int64_t i = 0; i < c; i++)
            kiln_f32(out)[r * c + i] =
                (float)(((double)in[i] - mean) * inverse * (double)g[i] + (double)b[i]);
    }
    return KILN_OK;
}

int ref_rms_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                 kiln_tensor *out)
{
    int64_t c = ref_last(x), rows = kiln_numel(x) / c;
    const float *g = kiln_f32(gamma);
    (void)h;
    for (int64_t r = 0; r < rows; r++) {
        const float *in = kiln_f32(x) + r * c;
        double squares = 0;
        for (int64_t i = 0; i < c; i++)
            squares += (double)in[i] * (double)in[i];
        double inverse = 1 / sqrt(squares / (double)c + (double)eps);
        for (int64_t i = 0; i < c; i++)
            kiln_f32(out)[r * c + i] = (float)((double)in[i] * inverse * (double)g[i]);
    }
    return KILN_OK;
}

int ref_batch_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
                   const kiln_tensor *var, float eps, const kiln_tensor *gamma,
                   const kiln_tensor *beta, int act, kiln_tensor *out)
{
    int64_t c = ref_last(x), size = kiln_numel(x);
    const float *in = kiln_f32(x), *m = kiln_f32(mean), *v = kiln_f32(var);
    const float *g = kiln_f32(gamma), *b = kiln_f32(beta);
    (void)h;
    for (int64_t i = 0; i < size; i++) {
        int64_t k = i % c;
        double y = ((double)in[i] - (double)m[k]) / sqrt((double)v[k] + (double)eps);
        y = y * (double)g[k] + (double)b[k];
        kiln_f32(out)[i] = (float)ref_act_value(act, y);
    }
    return KILN_OK;
}
