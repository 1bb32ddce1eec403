// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec_transpose.h"

#include <string.h>

struct transpose_job {
    const float *x;
    float *out;
    int64_t rows, columns, blocks;  // of an image; blocks of pixels
    int to_nhwc;
};

enum { PIXELS = 256 };  // of a block: what is touched of all channels stays in L1 or L2

// x [columns of x_row floats] -> out [rows of out_row floats], squares of LANES at a time.
static void transpose_block(const float *x, int64_t x_row, int64_t rows, int64_t columns,
                            float *out, int64_t out_row)
{
    for (int64_t r = 0; r < rows; r += LANES)
        for (int64_t k = 0; k < columns; k += LANES) {
            vec v[LANES];
            for (int64_t i = 0; i < LANES; i++)
                v[i] = r + i < rows ? v_load(x + (r + i) * x_row + k, columns - k) : v_set(0);
            v_transpose(v);
            for (int64_t i = 0; i < LANES && k + i < columns; i++)
                v_store(out + (k + i) * out_row + r, rows - r, v[i]);
        }
}

// Pictures have three channels: a square of them is mostly empty.
static void transpose_few(const float *x, int64_t x_row, int64_t rows, int64_t columns, float *out,
                          int64_t out_row)
{
    for (int64_t k = 0; k < columns; k++)
        for (int64_t r = 0; r < rows; r++)
            out[k * out_row + r] = x[r * x_row + k];
}

// x [n,rows,columns] -> out [n,columns,rows]; the pixels are the columns on the way to NHWC, the
// rows on the way back. Items: (image, block of pixels).
static int transpose_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct transpose_job *j = ctx;
    int64_t pixels = j->to_nhwc ? j->columns : j->rows, c = j->to_nhwc ? j->rows : j->columns;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item % j->blocks * PIXELS, image = item / j->blocks * pixels * c;
        int64_t n = pixels - first < PIXELS ? pixels - first : PIXELS;
        const float *x = j->x + image + (j->to_nhwc ? first : first * c);
        float *out = j->out + image + (j->to_nhwc ? first * c : first);
        (c < LANES / 2 ? transpose_few : transpose_block)(x, j->columns, j->to_nhwc ? c : n,
                                                          j->to_nhwc ? n : c, out, j->rows);
    }
    return KILN_OK;
}

static int transpose(const kiln_host *h, const float *x, float *out, int64_t n, int64_t c,
                     int64_t pixels, int to_nhwc)
{
    if (c == 1 || pixels == 1) {
        memmove(out, x, (size_t)(n * c * pixels) * sizeof(float));
        return KILN_OK;
    }
    int64_t blocks = (pixels + PIXELS - 1) / PIXELS;
    struct transpose_job job = {x,      out,    to_nhwc ? c : pixels, to_nhwc ? pixels : c,
                                blocks, to_nhwc};
    return each(h, n * blocks, grain_of(c * (pixels < PIXELS ? pixels : PIXELS)), transpose_items,
                &job);
}

static int to_nhwc(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    return transpose(h, kiln_f32(x), kiln_f32(out), x->shape[0], x->shape[1],
                     x->shape[2] * x->shape[3], 1);
}

static int to_nchw(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    return transpose(h, kiln_f32(x), kiln_f32(out), x->shape[0], x->shape[3],
                     x->shape[1] * x->shape[2], 0);
}

struct join_job {
    float *a, *b, *both;  // a or b NULL: not wanted
    int64_t ca, cb;
    int split, stream;
};

static inline void copy_row(float *to, const float *from, int64_t c, int stream)
{
    for (int64_t i = 0; i < c; i += LANES)
        v_put(to + i, c - i, v_load(from + i, c - i), stream);
}

static int join_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct join_job *j = ctx;
    (void)chunk;
    for (int64_t r = begin; r < end; r++) {
        float *a = j->a ? j->a + r * j->ca : NULL, *b = j->b ? j->b + r * j->cb : NULL;
        float *both = j->both + r * (j->ca + j->cb);
        if (j->split) {
            if (a)
                copy_row(a, both, j->ca, j->stream);
            if (b)
                copy_row(b, both + j->ca, j->cb, j->stream);
        } else {
            copy_row(both, a, j->ca, j->stream);
            copy_row(both + j->ca, b, j->cb, j->stream);
        }
    }
    v_stream_end(j->stream);
    return KILN_OK;
}

static int concat(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out)
{
    int64_t ca = channels_of(a), cb = channels_of(b);
    int stream = v_streams(kiln_f32(out), kiln_numel(out), ca) && cb % LANES == 0;
    struct join_job job = {kiln_f32(a), kiln_f32(b), kiln_f32(out), ca, cb, 0, stream};
    return each(h, kiln_numel(a) / ca, grain_of(ca + cb), join_rows, &job);
}

static int split(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b)
{
    int64_t c = channels_of(x), ca = a ? channels_of(a) : c - channels_of(b);
    int stream = (!a || v_streams(kiln_f32(a), kiln_numel(a), ca)) &&
                 (!b || v_streams(kiln_f32(b), kiln_numel(b), c - ca));
    struct join_job job = {f32_of(a), f32_of(b), kiln_f32(x), ca, c - ca, 1, stream};
    return each(h, kiln_numel(x) / c, grain_of(c), join_rows, &job);
}

void CPU(layout_init)(kiln_ops *ops)
{
    ops->to_nhwc = to_nhwc;
    ops->to_nchw = to_nchw;
    ops->concat = concat;
    ops->split = split;
}
