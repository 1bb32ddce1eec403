// SPDX-License-Identifier: MIT
#include "conv_plan.h"

#include <string.h>

#include "kernels/half.h"

static int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void conv_geometry_init(struct conv_geometry *g, const kiln_conv *conv, int grad)
{
    int k = conv->kernel, s = conv->stride, p = conv->pad;
    memset(g, 0, sizeof(*g));
    g->kernel = k;
    g->stride = s;
    g->pad = p;
    g->scatter = !conv->transposed == !!grad;
    g->in_stride = g->scatter ? 1 : s;
    g->out_stride = g->scatter ? s : 1;
    g->phases = g->out_stride * g->out_stride;
    // Gather: shifts floor((i - p) / s) of taps i. Scatter: (phase + p - i) / s, where whole.
    int low = g->scatter ? -floor_div(k - 1 - p, s) : floor_div(-p, s);
    int high = g->scatter ? floor_div(s - 1 + p, s) : floor_div(k - 1 - p, s);
    g->dy0 = low < 0 ? low : 0;
    g->dy1 = high > 0 ? high : 0;
}

// Of one axis: the weight's index, its shift and plane. 0: not a tap of this phase.
static int axis_tap(const struct conv_geometry *g, int phase, int i, int *shift, int *plane)
{
    int at = g->scatter ? phase + g->pad - i : i - g->pad;
    int q = floor_div(at, g->stride), rest = at - q * g->stride;
    *shift = q;
    *plane = g->scatter ? 0 : rest;
    return !g->scatter || !rest;
}

int conv_taps(const struct conv_geometry *g, int phase, struct conv_tap *taps)
{
    int py = phase / g->out_stride, px = phase % g->out_stride, n = 0;
    // Scatter walks the kernel backwards, so that shifts ascend; gather takes the columns of a
    // plane together.
    int k = g->kernel, groups = g->in_stride;
    for (int i = 0; i < k; i++)
        for (int first = 0; first < groups; first++)
            for (int j = first; j < k; j += groups) {
                struct conv_tap t;
                int row_plane, column_plane;
                t.ky = g->scatter ? k - 1 - i : i;
                t.kx = g->scatter ? k - 1 - j : j;
                if (!axis_tap(g, py, t.ky, &t.dy, &row_plane) ||
                    !axis_tap(g, px, t.kx, &t.dx, &column_plane))
                    continue;
                t.plane = row_plane * g->in_stride + column_plane;
                taps[n++] = t;
            }
    return n;
}

void conv_plan_init(struct conv_plan *p, const struct conv_geometry *g, int64_t n, int64_t ih,
                    int64_t iw, int64_t oh, int64_t ow, int64_t bytes)
{
    // A block should stay in the second level cache beside the weights, and be long enough that
    // its start and end do not count.
    enum { BLOCK_BYTES = 512 << 10, BLOCK_POSITIONS = 1024, BLOCK_LEAST = 64, BLOCK_MIN_ROWS = 4 };
    memset(p, 0, sizeof(*p));
    p->g = g;
    p->n = n;
    p->ih = ih;
    p->iw = iw;
    p->oh = oh;
    p->ow = ow;
    p->phase_h = ceil_div(oh, g->out_stride);
    p->phase_w = ceil_div(ow, g->out_stride);
    p->plane_h = min(ceil_div(ih, g->in_stride), p->phase_h + g->dy1);
    p->plane_w = min(ceil_div(iw, g->in_stride), p->phase_w + g->dy1);
    p->pitch = max(p->phase_w + g->dy1, p->plane_w - g->dy0);
    p->rows = max(p->phase_h + g->dy1, p->plane_h - g->dy0);
    int64_t planes = (int64_t)g->in_stride * g->in_stride;
    int64_t row_bytes = p->pitch * bytes * planes, image = p->rows * p->pitch;
    if (p->rows * row_bytes <= BLOCK_BYTES || p->phase_h <= BLOCK_MIN_ROWS) {
        int64_t fit = max(1, min(BLOCK_POSITIONS / image, BLOCK_BYTES / (p->rows * row_bytes)));
        p->images = min(n, fit);
        // A few blocks for the threads, if they do not become too short.
        p->images = min(p->images, max(ceil_div(n, 8), ceil_div(BLOCK_LEAST, image)));
        p->block_rows = p->phase_h;
        p->blocks_per_image = 1;
        p->blocks = ceil_div(n, p->images);
    } else {
        int64_t rows = BLOCK_BYTES / row_bytes - (g->dy1 - g->dy0);
        int64_t cap = max(BLOCK_MIN_ROWS, ceil_div(BLOCK_POSITIONS, p->pitch));
        rows = min(max(rows, BLOCK_MIN_ROWS), cap);
        p->images = 1;
        p->blocks_per_image = ceil_div(p->phase_h, rows);
        p->block_rows = ceil_div(p->phase_h, p->blocks_per_image);
        p->blocks_per_image = ceil_div(p->phase_h, p->block_rows);
        p->blocks = n * p->blocks_per_image;
    }
    int64_t height = (p->images - 1) * p->rows + p->block_rows + g->dy1 - g->dy0;
    height = max(height, p->images * p->rows);
    p->plane_positions = height * p->pitch + g->dy1 - g->dy0;
}

void conv_block_init(struct conv_block *b, const struct conv_plan *p, int64_t index)
{
    memset(b, 0, sizeof(*b));
    b->image = index / p->blocks_per_image * p->images;
    b->images = min(p->images, p->n - b->image);
    b->row = index % p->blocks_per_image * p->block_rows;
    b->rows = min(p->block_rows, p->phase_h - b->row);
    b->image_positions = p->rows * p->pitch;
    int64_t one = (b->rows - 1) * p->pitch + p->phase_w;
    if (one < 512) {  // small maps in one run: fewer half-filled tiles
        b->segments = 1;
        b->positions = (b->images - 1) * b->image_positions + one;
        b->segment_step = 0;
    } else {
        b->segments = b->images;
        b->positions = one;
        b->segment_step = b->image_positions;
    }
}

void conv_block_range(const struct conv_plan *p, const struct conv_block *b, int64_t *first,
                      int64_t *last)
{
    *first = max(0, b->row + p->g->dy0);
    *last = min(p->plane_h, b->row + b->rows + p->g->dy1);
}

int64_t conv_block_row(const struct conv_plan *p, const struct conv_block *b, int64_t i, int64_t y)
{
    return i * b->image_positions + (y - b->row - p->g->dy0) * p->pitch - p->g->dy0;
}

int64_t conv_tap_position(const struct conv_plan *p, const struct conv_tap *t)
{
    return t->plane * p->plane_positions + (t->dy - p->g->dy0) * p->pitch + t->dx - p->g->dy0;
}

void conv_positions(const struct conv_plan *p, const struct conv_block *b, int phase,
                    int64_t segment, int64_t *pixel)
{
    int s = p->g->out_stride, py = phase / s, px = phase % s;
    int64_t image = b->image + segment, y = 0, x = 0;
    for (int64_t m = 0; m < b->positions; m++) {
        int64_t oy = (b->row + y) * s + py, ox = x * s + px;
        int valid = y < b->rows && oy < p->oh && x < p->phase_w && ox < p->ow;
        pixel[m] = valid ? (image * p->oh + oy) * p->ow + ox : -1;
        if (++x == p->pitch) {
            x = 0;
            if (++y == p->rows) {
                y = 0;
                image++;
            }
        }
    }
}

void *scratch_new(const kiln_host *h, size_t bytes, kiln_tensor **owner)
{
    int64_t size = (int64_t)bytes;
    *owner = NULL;
    if (h->tensor_new(h, NULL, KILN_U8, 1, &size, owner))
        return NULL;
    return tensor_at(*owner);
}

void *tensor_at(const kiln_tensor *t)
{
    return (char *)t->data + t->byte_offset;
}

int tensor_type(const kiln_tensor *t)
{
    return t->dtype.bits == 32 ? WEIGHT_F32 : t->dtype.code == 4 ? WEIGHT_BF16 : WEIGHT_F16;
}

float weight_at(const struct weight_view *w, int64_t c, int64_t o, int64_t tap)
{
    int64_t i = (c * w->c_step + o * w->o_step) * w->size + tap;
    if (w->type == WEIGHT_F32)
        return ((const float *)w->data)[i];
    uint16_t x = ((const uint16_t *)w->data)[i];
    return w->type == WEIGHT_BF16 ? float_of_bf16(x) : float_of_f16(x);
}

struct widen_job {
    const struct gemm_isa *isa;
    const uint16_t *from;
    int type;
    float *to;
};

static int widen_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct widen_job *j = ctx;
    (void)chunk;
    j->isa->widen(j->from + begin, j->type, end - begin, j->to + begin);
    return KILN_OK;
}

struct weight_view weights_f32(const kiln_host *h, const struct gemm_isa *isa,
                               const struct weight_view *w, int64_t n, kiln_tensor **owner)
{
    struct weight_view wide = *w;
    *owner = NULL;
    if (w->type == WEIGHT_F32)
        return wide;
    float *to = scratch_new(h, (size_t)n * sizeof(float), owner);
    struct widen_job job = {isa, w->data, w->type, to};
    wide.data = to;
    wide.type = WEIGHT_F32;
    if (to && h->parallel_for(h, n, 1 << 16, widen_chunk, &job))
        wide.data = NULL;
    return wide;
}

const float *as_f32(const kiln_host *h, const kiln_tensor *t, kiln_tensor **owner)
{
    *owner = NULL;
    if (tensor_type(t) == WEIGHT_F32)
        return tensor_at(t);
    int64_t n = kiln_numel(t);
    float *x = scratch_new(h, (size_t)n * sizeof(float) + 64, owner);
    struct weight_view v = {tensor_at(t), tensor_type(t), 1, 0, 1};
    for (int64_t i = 0; x && i < n; i++)
        x[i] = weight_at(&v, i, 0, 0);
    return x;
}
