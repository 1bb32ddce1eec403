// Resampling: which pixels an output pixel takes, and their weights. With antialias the filter is
// stretched over the input pixels that an output pixel covers: Pillow's and torchvision's
// antialiased resize, in float. Without, the conventions of torch.nn.functional.interpolate.
// Plain C, C++ and CUDA. SPDX-License-Identifier: MIT
#ifndef KERNELS_TAPS_H
#define KERNELS_TAPS_H

#include <math.h>
#include <stdint.h>

#include <kiln/ext/ops.h>

#ifdef __CUDACC__
#define TAPS_FUNCTION __host__ __device__ static inline
#else
#define TAPS_FUNCTION static inline
#endif

// One output pixel: count weights of the pixels from first on.
struct taps {
    int64_t first, count;
    double *weight;
};

TAPS_FUNCTION double taps_cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

TAPS_FUNCTION double taps_sinc(double x)
{
    const double pi = 3.14159265358979324;
    x *= pi;
    return fabs(x) < 1e-12 ? 1 : sin(x) / x;
}

TAPS_FUNCTION double taps_filter_weight(int filter, double x)
{
    switch (filter) {
    case KILN_BILINEAR:
        return fabs(x) < 1 ? 1 - fabs(x) : 0;
    case KILN_BICUBIC:
        return taps_cubic(x, -0.5);
    case KILN_LANCZOS:
        return fabs(x) < 3 ? taps_sinc(x) * taps_sinc(x / 3) : 0;
    default:  // box
        return x > -0.5 && x <= 0.5 ? 1 : 0;
    }
}

TAPS_FUNCTION double taps_filter_radius(int filter)
{
    switch (filter) {
    case KILN_BILINEAR:
        return 1;
    case KILN_BICUBIC:
        return 2;
    case KILN_LANCZOS:
        return 3;
    default:
        return 0.5;
    }
}

TAPS_FUNCTION int64_t taps_clamp(int64_t i, int64_t lo, int64_t hi)
{
    return i < lo ? lo : i > hi ? hi : i;
}

// A filter centred on the output pixel, its width in input pixels stretched, cut at the border and
// normalised.
TAPS_FUNCTION void taps_covered(struct taps *t, int filter, double centre, double stretch,
                                int64_t n)
{
    double support = taps_filter_radius(filter) * stretch, sum = 0;
    t->first = taps_clamp((int64_t)(centre - support + 0.5), 0, n - 1);
    t->count = taps_clamp((int64_t)(centre + support + 0.5), t->first + 1, n) - t->first;
    for (int64_t j = 0; j < t->count; j++) {
        double x = ((double)(t->first + j) + 0.5 - centre) / stretch;
        t->weight[j] = taps_filter_weight(filter, x);
        sum += t->weight[j];
    }
    for (int64_t j = 0; j < t->count; j++)
        t->weight[j] = sum < 0 || sum > 0 ? t->weight[j] / sum : 1 / (double)t->count;
}

// The 2 or 4 pixels about position at; those outside count as the edge pixel.
TAPS_FUNCTION void taps_interpolated(struct taps *t, int filter, double at, int64_t n)
{
    int64_t below = (int64_t)floor(at), radius = filter == KILN_BICUBIC ? 2 : 1;
    t->first = taps_clamp(below - radius + 1, 0, n - 1);
    t->count = taps_clamp(below + radius, 0, n - 1) - t->first + 1;
    for (int64_t j = 0; j < t->count; j++)
        t->weight[j] = 0;
    for (int64_t j = below - radius + 1; j <= below + radius; j++) {
        double x = (double)j - at;
        double w = filter == KILN_BICUBIC ? taps_cubic(x, -0.75) : taps_filter_weight(filter, x);
        t->weight[taps_clamp(j, 0, n - 1) - t->first] += w;
    }
}

TAPS_FUNCTION void taps_one_output(struct taps *t, int filter, int antialias, int align_corners,
                                   int64_t i, int64_t n, int64_t m)
{
    double scale = (double)n / (double)m, centre = ((double)i + 0.5) * scale;
    int smooth = filter == KILN_BILINEAR || filter == KILN_BICUBIC;
    if (filter == KILN_NEAREST) {
        // antialias: the pixel under the centre (Pillow), else under the corner (torch)
        t->first = taps_clamp(antialias ? (2 * i + 1) * n / (2 * m) : i * n / m, 0, n - 1);
        t->count = 1;
        t->weight[0] = 1;
    } else if (filter == KILN_AREA && !antialias) {
        t->first = i * n / m;
        t->count = ((i + 1) * n + m - 1) / m - t->first;
        for (int64_t j = 0; j < t->count; j++)
            t->weight[j] = 1 / (double)t->count;
    } else if (smooth && align_corners) {
        scale = m > 1 ? (double)(n - 1) / (double)(m - 1) : 0;
        if (antialias)
            taps_covered(t, filter, ((double)i + 0.5) * scale, scale > 1 ? scale : 1, n);
        else
            taps_interpolated(t, filter, (double)i * scale, n);
    } else if (antialias || !smooth) {
        taps_covered(t, filter, centre, antialias && scale > 1 ? scale : 1, n);
    } else {
        taps_interpolated(t, filter, centre - 0.5, n);
    }
}

// More than an output pixel of an axis of n pixels can have, m outputs in all.
TAPS_FUNCTION int64_t taps_most(int64_t n, int64_t m)
{
    int64_t most = n < 8 ? n : 8;  // without stretching; else radius 3 on both sides
    if (m < n)
        most = taps_clamp(8 * (n / m + 1), 1, n);
    return most < 4 ? 4 : most;
}

#endif
