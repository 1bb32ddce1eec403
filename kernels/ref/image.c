// Operations on images [n,c,h,w] and samplers' arithmetic.
// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

#include <stdlib.h>

int ref_combine(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
                const kiln_tensor *const *x, kiln_tensor *out)
{
    int64_t size = kiln_numel(out), per_row = size / out->shape[0];
    (void)h;
    for (int64_t i = 0; i < size; i++) {
        double sum = 0;
        for (int j = 0; j < k; j++) {
            double weight = a[j];
            if (r && r[j])
                weight *= (double)kiln_f32(r[j])[i / per_row];
            sum += x[j] ? weight * (double)kiln_f32(x[j])[i] : weight;
        }
        kiln_f32(out)[i] = (float)sum;
    }
    return KILN_OK;
}

int ref_blend(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a,
              const kiln_tensor *b, kiln_tensor *out)
{
    int64_t n = out->shape[0], c = out->shape[1], plane = out->shape[2] * out->shape[3];
    (void)h;
    for (int64_t i = 0; i < n * c; i++) {
        int64_t mn = mask->shape[0] == 1 ? 0 : i / c, mc = mask->shape[1] == 1 ? 0 : i % c;
        const float *m = kiln_f32(mask) + (mn * mask->shape[1] + mc) * plane;
        for (int64_t p = i * plane; p < (i + 1) * plane; p++) {
            double w = (double)m[p - i * plane];
            kiln_f32(out)[p] =
                (float)(w * (double)kiln_f32(a)[p] + (1 - w) * (double)kiln_f32(b)[p]);
        }
    }
    return KILN_OK;
}

int ref_add_range_noise(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z, double lo,
                        double hi, kiln_tensor *x)
{
    int64_t size = kiln_numel(x);
    (void)h;
    for (int64_t i = 0; i < size; i++) {
        double log_variance = lo + (hi - lo) * ((double)kiln_f32(v)[i] + 1) / 2;
        double noise = exp(log_variance / 2) * (double)kiln_f32(z)[i];
        kiln_f32(x)[i] = (float)((double)kiln_f32(x)[i] + noise);
    }
    return KILN_OK;
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int ref_dynamic_threshold(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                          kiln_tensor *out)
{
    int64_t rows = x->shape[0], size = kiln_numel(x) / rows;
    kiln_tensor *scratch;
    int err = h->tensor_new(h, NULL, KILN_I32, 1, &size, &scratch);
    if (err)
        return err;
    uint32_t *bits = scratch->data;
    for (int64_t r = 0; r < rows; r++) {
        const float *in = kiln_f32(x) + r * size;
        float *o = kiln_f32(out) + r * size;
        // Without the sign, floats are ordered as their bits are, a NaN above all.
        for (int64_t i = 0; i < size; i++)
            bits[i] = bits_of_float(in[i]) & 0x7fffffffu;
        qsort(bits, (size_t)size, sizeof(*bits), compare_u32);
        // Between two elements: linear, as torch.quantile.
        double rank = quantile * (double)(size - 1);
        int64_t below = (int64_t)rank, above = below + (below < size - 1);
        double first = (double)float_of_bits(bits[below]);
        double second = (double)float_of_bits(bits[above]);
        double s = first + (rank - (double)below) * (second - first);
        s = s < 1 ? 1 : s > max ? max : s;
        for (int64_t i = 0; i < size; i++) {
            double y = (double)in[i];
            o[i] = (float)((y < -s ? -s : y > s ? s : y) / s);
        }
    }
    h->tensor_free(h, scratch);
    return KILN_OK;
}

// Where position i outside of [0,n) takes its value from; -1: from nowhere.
static int64_t beyond(int64_t i, int64_t n, int border)
{
    if (i >= 0 && i < n)
        return i;
    if (border == KILN_ZERO)
        return -1;
    while (n > 1 && (i < 0 || i >= n))  // the edge itself is not repeated
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

// Along one axis of x [outer,n,inner].
static void convolve_axis(const double *x, int64_t outer, int64_t n, int64_t inner,
                          const float *kernel, int taps, int border, double *out)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < inner; j++) {
                double sum = 0;
                for (int t = 0; t < taps; t++) {
                    int64_t from = beyond(i + t - taps / 2, n, border);
                    if (from >= 0)
                        sum += (double)kernel[t] * x[(o * n + from) * inner + j];
                }
                out[(o * n + i) * inner + j] = sum;
            }
}

int ref_convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx, const float *ky,
                 int ny, int border, kiln_tensor *out)
{
    int64_t size = kiln_numel(x), height = x->shape[2], width = x->shape[3];
    int64_t planes = x->shape[0] * x->shape[1];
    kiln_tensor *scratch;
    int err = h->tensor_new(h, NULL, KILN_F64, 2, (int64_t[]){2, size}, &scratch);
    if (err)
        return err;
    double *from = scratch->data, *to = from + size;
    for (int64_t i = 0; i < size; i++)
        from[i] = (double)kiln_f32(x)[i];
    convolve_axis(from, planes * height, width, 1, kx, nx, border, to);
    if (ny) {
        convolve_axis(to, planes, height, width, ky, ny, border, from);
        to = from;
    }
    for (int64_t i = 0; i < size; i++)
        kiln_f32(out)[i] = (float)to[i];
    h->tensor_free(h, scratch);
    return KILN_OK;
}
