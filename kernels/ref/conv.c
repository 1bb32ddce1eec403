// Convolutions. The gradient to the input of a convolution is a transposed convolution with the
// channels of the weight exchanged, and the other way round; so one product serves all four.
// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

#include <stdlib.h>

int ref_pack_conv(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
                  kiln_packed **out)
{
    int64_t a = weight->shape[0], b = weight->shape[1], taps = (int64_t)conv->kernel * conv->kernel;
    // weight [a,b,taps]: a is the output of a plain convolution, the input of a transposed one
    int a_is_in = !conv->transposed == !!grad;
    kiln_packed *p = calloc(1, sizeof(*p));
    *out = p;
    if (!p)
        return h->fail(h, KILN_ERR_MEMORY, "no memory for a weight");
    p->conv = *conv;
    p->conv.transposed = !conv->transposed == !!grad;
    p->in = a_is_in ? a : b;
    p->out = a_is_in ? b : a;
    int err = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){a * b * taps}, &p->value);
    if (err) {
        ref_pack_free(h, p);
        *out = NULL;
        return err;
    }
    float *value = kiln_f32(p->value);
    for (int64_t i = 0; i < a; i++)
        for (int64_t j = 0; j < b; j++)
            for (int64_t t = 0; t < taps; t++) {
                int64_t ci = a_is_in ? i : j, co = a_is_in ? j : i;
                value[(t * p->in + ci) * p->out + co] = ref_weight(weight, (i * b + j) * taps + t);
            }
    return KILN_OK;
}

void ref_pack_free(const kiln_host *h, kiln_packed *w)
{
    if (!w)
        return;
    h->tensor_free(h, w->value);
    free(w);
}

// Which input row (or column) meets output row o at tap k; -1: none.
static int64_t source(const kiln_conv *c, int64_t o, int64_t k, int64_t size)
{
    int64_t i;
    if (c->transposed) {
        i = o + c->pad - k;
        if (i < 0 || i % c->stride)
            return -1;
        i /= c->stride;
    } else {
        i = o * c->stride - c->pad + k;
    }
    return i >= 0 && i < size ? i : -1;
}

void ref_correlate_row(const kiln_packed *p, const float *x, int64_t h, int64_t w, int64_t y,
                       int64_t out_w, double *sum)
{
    int64_t k = p->conv.kernel;
    for (int64_t i = 0; i < out_w * p->out; i++)
        sum[i] = 0;
    for (int64_t ky = 0; ky < k; ky++) {
        int64_t iy = source(&p->conv, y, ky, h);
        for (int64_t ox = 0; iy >= 0 && ox < out_w; ox++)
            for (int64_t kx = 0; kx < k; kx++) {
                int64_t ix = source(&p->conv, ox, kx, w);
                if (ix < 0)
                    continue;
                const float *in = x + (iy * w + ix) * p->in;
                const float *weight = kiln_f32(p->value) + (ky * k + kx) * p->in * p->out;
                double *s = sum + ox * p->out;
                for (int64_t ci = 0; ci < p->in; ci++, weight += p->out)
                    for (int64_t co = 0; co < p->out; co++)
                        s[co] += (double)in[ci] * (double)weight[co];
            }
    }
}

struct conv_job {
    const kiln_host *host;
    const kiln_packed *w;
    const kiln_tensor *x, *out;
    const float *bias, *add;
    double scale;
    int act;
};

// Output rows [begin,end) of all images.
static int conv_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct conv_job *j = ctx;
    const kiln_host *host = j->host;
    int64_t h = j->x->shape[1], w = j->x->shape[2], oh = j->out->shape[1], ow = j->out->shape[2];
    int64_t co = j->w->out, size = ow * co;
    kiln_tensor *sums;
    (void)chunk;
    int err = host->tensor_new(host, NULL, KILN_F64, 1, &size, &sums);
    if (err)
        return err;
    double *sum = sums->data;
    for (int64_t row = begin; row < end; row++) {
        const float *image = kiln_f32(j->x) + row / oh * h * w * j->w->in;
        ref_correlate_row(j->w, image, h, w, row % oh, ow, sum);
        for (int64_t i = 0; i < size; i++) {
            double s = sum[i];
            if (j->bias)
                s += (double)j->bias[i % co];
            if (j->add)
                s += (double)j->add[row * size + i];
            kiln_f32(j->out)[row * size + i] = (float)ref_act_value(j->act, j->scale * s);
        }
    }
    host->tensor_free(host, sums);
    return KILN_OK;
}

// Room for x and x2 side by side.
static int new_pair(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2,
                    kiln_tensor **both)
{
    const int64_t *s = x->shape, shape[] = {s[0], s[1], s[2], s[3] + x2->shape[3]};
    return h->tensor_new(h, NULL, KILN_F32, 4, shape, both);
}

// x, or a copy of it and x2 side by side, which *owner owns.
static int join(const kiln_host *h, const kiln_tensor **x, const kiln_tensor *x2,
                kiln_tensor **owner)
{
    *owner = NULL;
    if (!x2)
        return KILN_OK;
    int err = new_pair(h, *x, x2, owner);
    if (!err)
        err = ref_concat(h, *x, x2, *owner);
    *x = *owner;
    return err;
}

int ref_conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x, const kiln_tensor *x2,
             const kiln_tensor *bias, const kiln_tensor *add, float scale, int act,
             kiln_tensor *out)
{
    kiln_tensor *owner;
    int err = join(h, &x, x2, &owner);
    struct conv_job job = {h, w, x, out, ref_f32(bias), ref_f32(add), (double)scale, act};
    if (!err)
        err = h->parallel_for(h, out->shape[0] * out->shape[1], 8, conv_rows, &job);
    h->tensor_free(h, owner);
    return err;
}

int ref_conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout, kiln_tensor *dx,
                kiln_tensor *dx2)
{
    kiln_tensor *both = NULL;
    int err = dx2 ? new_pair(h, dx, dx2, &both) : KILN_OK;
    if (!err)
        err = ref_conv(h, w, dout, NULL, NULL, NULL, 1, KILN_ACT_NONE, dx2 ? both : dx);
    if (!err && dx2)
        err = ref_split(h, both, dx, dx2);
    h->tensor_free(h, both);
    return err;
}

// The weight gradient. The map on the coarse grid (dout of a plain convolution, x of a transposed
// one) has channels a, the one on the fine grid channels b; dw is [a,b,taps].
struct dw_job {
    const kiln_host *host;
    const kiln_conv *conv;
    const kiln_tensor *coarse, *fine;
    float *dw;
};

enum { DW_BLOCK = 8 };  // channels a at a time

// Items: (tap, block of channels a).
static int dw_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct dw_job *j = ctx;
    const kiln_host *host = j->host;
    int64_t n = j->coarse->shape[0], h = j->coarse->shape[1], w = j->coarse->shape[2];
    int64_t a = j->coarse->shape[3], fh = j->fine->shape[1], fw = j->fine->shape[2];
    int64_t b = j->fine->shape[3], k = j->conv->kernel, blocks = (a + DW_BLOCK - 1) / DW_BLOCK;
    kiln_tensor *sums;
    (void)chunk;
    int err = host->tensor_new(host, NULL, KILN_F64, 2, (int64_t[]){DW_BLOCK, b}, &sums);
    if (err)
        return err;
    double *sum = sums->data;
    for (int64_t item = begin; item < end; item++) {
        int64_t tap = item / blocks, a0 = item % blocks * DW_BLOCK;
        int64_t na = a - a0 < DW_BLOCK ? a - a0 : DW_BLOCK;
        for (int64_t i = 0; i < na * b; i++)
            sum[i] = 0;
        for (int64_t p = 0; p < n * h * w; p++) {
            int64_t y = p / w % h * j->conv->stride - j->conv->pad + tap / k;
            int64_t x = p % w * j->conv->stride - j->conv->pad + tap % k;
            if (y < 0 || y >= fh || x < 0 || x >= fw)
                continue;
            const float *coarse = kiln_f32(j->coarse) + p * a + a0;
            const float *fine = kiln_f32(j->fine) + ((p / (h * w) * fh + y) * fw + x) * b;
            for (int64_t i = 0; i < na; i++)
                for (int64_t c = 0; c < b; c++)
                    sum[i * b + c] += (double)coarse[i] * (double)fine[c];
        }
        for (int64_t i = 0; i < na; i++)
            for (int64_t c = 0; c < b; c++)
                j->dw[((a0 + i) * b + c) * k * k + tap] = (float)sum[i * b + c];
    }
    host->tensor_free(host, sums);
    return KILN_OK;
}

int ref_conv_dw(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *dout, kiln_tensor *dw, kiln_tensor *dbias)
{
    kiln_tensor *owner;
    if (dbias)
        ref_linear_dw(h, x, dout, NULL, dbias);
    if (!dw)
        return KILN_OK;
    int err = join(h, &x, x2, &owner);
    if (err)
        return err;
    struct dw_job job = {h, conv, conv->transposed ? x : dout, conv->transposed ? dout : x,
                         kiln_f32(dw)};
    int64_t blocks = (job.coarse->shape[3] + DW_BLOCK - 1) / DW_BLOCK;
    err = h->parallel_for(h, conv->kernel * conv->kernel * blocks, 1, dw_items, &job);
    h->tensor_free(h, owner);
    return err;
}
