// SPDX-License-Identifier: MIT
#include "tests/kernels/matrix_problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/half.h"

static uint64_t seed = 1;

static float uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(seed >> 32) * 0x1p-31f;
}

void *tensor_data(const kiln_tensor *t)
{
    return (char *)t->data + t->byte_offset;
}

static kiln_tensor *tensor(const kiln_host *h, int type, int ndim, const int64_t *shape)
{
    kiln_tensor *t;
    if (h->tensor_new(h, NULL, type, ndim, shape, &t))
        abort();
    for (int64_t i = 0; i < kiln_numel(t); i++) {
        float x = uniform();
        if (type == KILN_F32)
            ((float *)tensor_data(t))[i] = x;
        else
            ((uint16_t *)tensor_data(t))[i] =
                type == KILN_BF16 ? bf16_of_float(x) : f16_of_float(x);
    }
    return t;
}

double tensor_value(const kiln_tensor *t, int64_t i)
{
    if (t->dtype.bits == 32)
        return (double)((const float *)tensor_data(t))[i];
    uint16_t x = ((const uint16_t *)tensor_data(t))[i];
    return (double)(t->dtype.code == 4 ? float_of_bf16(x) : float_of_f16(x));
}

static int64_t weight_index(const struct layer *l, int ci, int co, int ky, int kx)
{
    int64_t row = l->conv.transposed ? (int64_t)ci * l->co + co : (int64_t)co * l->ci + ci;
    return (row * l->conv.kernel + ky) * l->conv.kernel + kx;
}

// Visits all pairs of pixels of input and output that a tap joins.
void problem_reference(struct problem *p)
{
    const struct layer *l = &p->l;
    const kiln_conv *c = &l->conv;
    int small_h = c->transposed ? l->h : p->oh, small_w = c->transposed ? l->w : p->ow;
    int big_h = c->transposed ? p->oh : l->h, big_w = c->transposed ? p->ow : l->w;
    int64_t size = (int64_t)l->ci * l->co * c->kernel * c->kernel;
    double *w = malloc((size_t)size * sizeof(double));
    for (int64_t i = 0; i < size; i++)
        w[i] = tensor_value(p->w, i);
    p->conv = calloc((size_t)kiln_numel(p->out), sizeof(double));
    p->want_dx = calloc((size_t)kiln_numel(p->x), sizeof(double));
    p->want_dw = calloc((size_t)size, sizeof(double));
    p->want_dbias = calloc((size_t)l->co, sizeof(double));
    p->dbias_size = calloc((size_t)l->co, sizeof(double));
    for (int64_t n = 0; n < l->n; n++)
        for (int sy = 0; sy < small_h; sy++)
            for (int sx = 0; sx < small_w; sx++)
                for (int ky = 0; ky < c->kernel; ky++)
                    for (int kx = 0; kx < c->kernel; kx++) {
                        int by = sy * c->stride + ky - c->pad, bx = sx * c->stride + kx - c->pad;
                        if (by < 0 || by >= big_h || bx < 0 || bx >= big_w)
                            continue;
                        int64_t s = (n * small_h + sy) * small_w + sx;
                        int64_t b = (n * big_h + by) * big_w + bx;
                        int64_t in = (c->transposed ? s : b) * l->ci;
                        int64_t out = (c->transposed ? b : s) * l->co;
                        for (int i = 0; i < l->ci; i++) {
                            double x = tensor_value(p->x, in + i), sum = 0;
                            for (int o = 0; o < l->co; o++) {
                                int64_t k = weight_index(l, i, o, ky, kx);
                                double g = tensor_value(p->dout, out + o);
                                p->conv[out + o] += x * w[k];
                                sum += g * w[k];
                                p->want_dw[k] += x * g;
                            }
                            p->want_dx[in + i] += sum;
                        }
                    }
    for (int64_t i = 0; i < kiln_numel(p->out); i++) {
        double g = tensor_value(p->dout, i);
        p->want_dbias[i % l->co] += g;
        p->dbias_size[i % l->co] += g * g;
    }
    for (int o = 0; o < l->co; o++)
        p->dbias_size[o] = sqrt(p->dbias_size[o]);
    free(w);
}

void problem_new(const kiln_host *h, struct problem *p, const struct layer *l, int type, int rows)
{
    const kiln_conv *c = &l->conv;
    memset(p, 0, sizeof(*p));
    p->l = *l;
    if (c->transposed) {
        p->oh = (l->h - 1) * c->stride - 2 * c->pad + c->kernel;
        p->ow = (l->w - 1) * c->stride - 2 * c->pad + c->kernel;
    } else {
        p->oh = (l->h + 2 * c->pad - c->kernel) / c->stride + 1;
        p->ow = (l->w + 2 * c->pad - c->kernel) / c->stride + 1;
    }
    int64_t x[] = {l->n, l->h, l->w, l->ci}, out[] = {l->n, p->oh, p->ow, l->co};
    int64_t w[] = {c->transposed ? l->ci : l->co, c->transposed ? l->co : l->ci, c->kernel,
                   c->kernel};
    int64_t x2[] = {l->n, l->ci}, out2[] = {l->n, l->co}, bias[] = {l->co};
    int dims = rows ? 2 : 4;
    p->x = tensor(h, KILN_F32, dims, rows ? x2 : x);
    p->w = tensor(h, type, dims, w);
    p->bias = tensor(h, KILN_F32, 1, bias);
    p->add = tensor(h, KILN_F32, dims, rows ? out2 : out);
    p->out = tensor(h, KILN_F32, dims, rows ? out2 : out);
    p->dout = tensor(h, KILN_F32, dims, rows ? out2 : out);
    p->dx = tensor(h, KILN_F32, dims, rows ? x2 : x);
    p->dw = tensor(h, KILN_F32, dims, w);
    p->dbias = tensor(h, KILN_F32, 1, bias);
}

void problem_free(const kiln_host *h, struct problem *p)
{
    kiln_tensor *all[] = {p->x, p->w, p->bias, p->add, p->out, p->dout, p->dx, p->dw, p->dbias};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        h->tensor_free(h, all[i]);
    free(p->conv);
    free(p->want_dx);
    free(p->want_dw);
    free(p->want_dbias);
    free(p->dbias_size);
}
