// Operations on images [n,c,h,w] and samplers' arithmetic, in double where a result is the
// difference of large terms: images are small beside a net's maps. SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

#include <string.h>

namespace
{

// Of images, and of maps that are added.
template <class T> struct combine_body {
    double a[8];
    const float *r[8];
    const T *x[8];
    T *out;
    int64_t per_row;
    int k;
    ON_DEVICE void at(int64_t i) const
    {
        double sum = 0;
        UNROLL(8)
        for (int j = 0; j < 8; j++)
            if (j < k)
                sum += (r[j] ? a[j] * (double)r[j][i / per_row] : a[j]) *
                       (x[j] ? (double)to_float(x[j][i]) : 1);
        to(out[i], (float)sum);
    }
};

int combine(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
            const kiln_tensor *const *x, kiln_tensor *out)
{
    return by_type(out, [&](auto type) {
        typedef decltype(type) T;
        combine_body<T> body = {};
        for (int j = 0; j < k; j++) {
            body.a[j] = a[j];
            body.r[j] = r ? f32(r[j]) : nullptr;
            body.x[j] = data<T>(x[j]);
        }
        body.out = data<T>(out);
        body.per_row = kiln_numel(out) / out->shape[0];
        body.k = k;
        return for_each(h, kiln_numel(out), body);
    });
}

struct blend_body {
    const float *mask, *a, *b;
    float *out;
    int64_t c, plane, mask_n, mask_c;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t n = mask_n == 1 ? 0 : i / (c * plane), ch = mask_c == 1 ? 0 : i / plane % c;
        double w = (double)mask[(n * mask_c + ch) * plane + i % plane];
        out[i] = (float)(w * (double)a[i] + (1 - w) * (double)b[i]);
    }
};

int blend(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a, const kiln_tensor *b,
          kiln_tensor *out)
{
    blend_body body = {f32(mask),      f32(a),        f32(b),
                       f32(out),       out->shape[1], out->shape[2] * out->shape[3],
                       mask->shape[0], mask->shape[1]};
    return for_each(h, kiln_numel(out), body);
}

struct range_noise_body {
    const float *v, *z;
    float *x;
    double lo, hi;
    ON_DEVICE void at(int64_t i) const
    {
        double log_variance = lo + (hi - lo) * ((double)v[i] + 1) / 2;
        x[i] = (float)((double)x[i] + exp(log_variance / 2) * (double)z[i]);
    }
};

int add_range_noise(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z, double lo,
                    double hi, kiln_tensor *x)
{
    return for_each(h, kiln_numel(x), range_noise_body{f32(v), f32(z), f32(x), lo, hi});
}

// The quantile by radix selection, one row per block: without the sign, floats are ordered as their
// bits are, a NaN above all. Four passes each fix eight bits of the element of rank `below`.
struct threshold_kernel {
    static constexpr int threads = 256;
    const float *x;
    float *out;
    int64_t size, below;
    double part, max;  // how far the quantile is from that element to the next
    ON_DEVICE void block(int64_t row) const
    {
        SHARED uint32_t count[256], found[2], larger[threads];
        SHARED int64_t rank[1];
        const float *in = x + row * size;
        THREADS(t)
        if (t == 0)
            found[0] = found[1] = 0;
        for (int shift = 24; shift >= 0; shift -= 8) {
            THREADS(t)
            count[t] = 0;
            THREADS(t)
            for (int64_t i = t; i < size; i += threads) {
                uint32_t u = float_bits(in[i]) & 0x7fffffffu;
                if ((uint64_t)(u ^ found[0]) >> (shift + 8) == 0)
                    count_up(&count[u >> shift & 255]);
            }
            THREADS(t)
            if (t == 0) {
                int digit = 0;
                int64_t left = shift == 24 ? below : rank[0];
                for (; digit < 255 && left >= (int64_t)count[digit]; digit++)
                    left -= count[digit];
                rank[0] = left;
                found[0] |= (uint32_t)digit << shift;
                found[1] = count[digit];  // elements of this value, after the last pass
            }
        }
        // The next one: equal, or the least above.
        THREADS(t)
        {
            uint32_t least = 0x7fffffffu;
            for (int64_t i = t; i < size; i += threads) {
                uint32_t u = float_bits(in[i]) & 0x7fffffffu;
                if (u > found[0] && u < least)
                    least = u;
            }
            larger[t] = least;
        }
        for (int half = threads / 2; half; half /= 2)
            THREADS(t)
        if (t < half && larger[t + half] < larger[t])
            larger[t] = larger[t + half];
        THREADS(t)
        {
            int same = rank[0] + 1 < (int64_t)found[1] || below + 1 >= size;
            double first = (double)bits_float(found[0]);
            double second = same ? first : (double)bits_float(larger[0]);
            double s = first + part * (second - first);
            s = s < 1 ? 1 : s > max ? max : s;
            for (int64_t i = t; i < size; i += threads) {
                double y = (double)in[i];
                out[row * size + i] = (float)((y < -s ? -s : y > s ? s : y) / s);
            }
        }
    }
};

int dynamic_threshold(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                      kiln_tensor *out)
{
    int64_t size = kiln_numel(x) / x->shape[0];
    double rank = quantile * (double)(size - 1);  // between two elements: linear
    int64_t below = (int64_t)rank;
    return launch(h, x->shape[0],
                  threshold_kernel{f32(x), f32(out), size, below, rank - (double)below, max});
}

ON_DEVICE int64_t beyond(int64_t i, int64_t n, int border)
{
    if (i >= 0 && i < n)
        return i;
    if (border == KILN_ZERO)
        return -1;
    while (n > 1 && (i < 0 || i >= n))  // the edge itself is not repeated
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

// Along one axis of x [outer,n,inner]; at most MOST taps at a time, later ones are added.
enum { MOST_TAPS = 256 };
struct convolve_body {
    const float *x;
    float *out;
    int64_t n, inner;
    int first, count, centre, border;
    float tap[MOST_TAPS];
    ON_DEVICE void at(int64_t i) const
    {
        int64_t row = i / inner % n, base = i / (inner * n) * n;
        float sum = first ? out[i] : 0;
        for (int t = 0; t < count; t++) {
            int64_t from = beyond(row + first + t - centre, n, border);
            if (from >= 0)
                sum = multiply_add(tap[t], x[(base + from) * inner + i % inner], sum);
        }
        out[i] = sum;
    }
};

int convolve_axis(const kiln_host *h, const float *x, int64_t size, int64_t n, int64_t inner,
                  const float *kernel, int taps, int border, float *out)
{
    int err = KILN_OK;
    for (int first = 0; first < taps && !err; first += MOST_TAPS) {
        int count = taps - first < MOST_TAPS ? taps - first : MOST_TAPS;
        convolve_body body = {x, out, n, inner, first, count, taps / 2, border, {0}};
        memcpy(body.tap, kernel + first, (size_t)count * sizeof(float));
        err = for_each(h, size, body);
    }
    return err;
}

int convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx, const float *ky,
             int ny, int border, kiln_tensor *out)
{
    static const float one[1] = {1};
    int64_t size = kiln_numel(x), height = x->shape[2], width = x->shape[3];
    if (!ny && f32(x) != f32(out))
        return convolve_axis(h, f32(x), size, width, 1, kx, nx, border, f32(out));
    scratch rows(h, x, size);
    int err = rows.err;
    err = err ? err : convolve_axis(h, f32(x), size, width, 1, kx, nx, border, rows.get());
    return err ? err
               : convolve_axis(h, rows.get(), size, height, width, ny ? ky : one, ny ? ny : 1,
                               border, f32(out));
}

}  // namespace

void cuda_image(kiln_ops *ops)
{
    ops->combine = combine;
    ops->blend = blend;
    ops->add_range_noise = add_range_noise;
    ops->dynamic_threshold = dynamic_threshold;
    ops->convolve = convolve;
}
