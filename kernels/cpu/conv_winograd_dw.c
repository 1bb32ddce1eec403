// Weight gradients by Winograd's algorithm: per cell of a tile a matrix product over tiles.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_winograd.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

struct grad_job {
    const kiln_host *h;
    const struct gemm_isa *isa;
    const struct winograd_isa *winograd;
    const struct conv_grad *d;
    struct map_f32 input, gradient;
    struct winograd_grid grid;
    struct winograd_map x[WINOGRAD_PARTS], g;
    struct winograd_taps taps[WINOGRAD_PARTS];
    int64_t cells, block, blocks, parts;
    int64_t depth, width;  // channels of x, of g with padding
    int64_t x_step, g_step;
    float *sums;    // [parts][kernel*kernel][depth][width]
    float *totals;  // [parts][o]
};

static void transform_grad(const struct grad_job *job, int64_t first, int64_t tiles, float *g,
                           float *totals)
{
    const int64_t *c = job->g.of.c;
    for (int part = 0; part < 2 && c[part]; part++) {
        struct winograd_walk walk;
        int64_t before = part ? c[0] : 0;
        float *at = g + before;
        winograd_walk_begin(&walk, &job->grid, &job->g, part, first, tiles);
        for (; winograd_walk_next(&walk); at += job->width)
            job->winograd->grad(walk.pixel, walk.next, c[part], at, job->g_step,
                                totals ? totals + before : NULL);
    }
}

// totals NULL: not wanted.
static void add_block(const struct grad_job *job, int plane, int64_t block, float *x, float *g,
                      float *sums, float *totals)
{
    int64_t first = block * job->block, tiles = smaller(job->block, job->grid.tiles - first);
    winograd_transform_in(job->winograd, &job->grid, &job->x[plane], first, tiles, x, job->depth,
                          job->x_step);
    transform_grad(job, first, tiles, g, totals);
    struct gemm_product product = {
        .a_row = 1,
        .a_step = job->depth,
        .rows = job->depth,
        .depth = tiles,
        .b_step = job->width,
        .b_panel = job->isa->columns,
        .columns = job->width,
        .c_row = job->width,
        .accumulate = 1,
    };
    for (int64_t cell = 0; cell < job->cells; cell++) {
        product.a = x + cell * job->x_step;
        product.b = g + cell * job->g_step;
        product.c = sums + cell * job->depth * job->width;
        gemm_multiply(job->isa, &product);
    }
}

static int grad_parts(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct grad_job *job = ctx;
    int64_t size = job->depth * job->width, o = job->d->o, k = job->d->conv.kernel;
    int64_t s = job->d->conv.stride;
    int sum = job->d->sum && !job->d->sum_x;
    int64_t floats = job->cells * (size + job->x_step + job->g_step);
    kiln_tensor *owner;
    (void)chunk;
    float *sums = scratch_new(job->h, (size_t)floats * sizeof(float), &owner);
    if (!sums)
        return KILN_ERR_MEMORY;
    float *x = sums + job->cells * size, *g = x + job->cells * job->x_step;
    for (int64_t part = begin; part < end; part++) {
        float *totals = job->totals + part * o, *to = job->sums + part * k * k * size;
        memset(totals, 0, (size_t)o * sizeof(float));
        for (int plane = 0; plane < s * s; plane++) {
            memset(sums, 0, (size_t)(job->cells * size) * sizeof(float));
            for (int64_t b = job->blocks * part / job->parts;
                 b < job->blocks * (part + 1) / job->parts; b++)
                add_block(job, plane, b, x, g, sums, plane == 0 && sum ? totals : NULL);
            float *first = to + job->taps[plane].tap[0] * size;
            for (int64_t row = 0; row < job->d->c; row++)
                job->winograd->weight_grad(sums + row * job->width, size, job->width,
                                           first + row * job->width, s * k * size, s * size);
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static int run_grad(struct grad_job *job)
{
    const struct conv_grad *d = job->d;
    int64_t m = job->winograd->m, s = d->conv.stride;
    kiln_tensor *owner;
    job->cells = winograd_cells(job->winograd);
    job->depth = round_up(d->c, 16);
    job->width = packed_width(d->o, job->isa->columns);
    job->grid = winograd_grid(job->winograd->m, d->n, d->oh, d->ow);
    int64_t tile = job->cells * (job->depth + job->width) * (int64_t)sizeof(float);
    enum { BYTES = 640 << 10 };
    job->block = winograd_block(tile, BYTES, job->grid.tiles, 1);
    job->blocks = (job->grid.tiles + job->block - 1) / job->block;
    job->parts = conv_grad_parts(d, job->blocks);
    job->x_step = round_up(job->block * job->depth, 32) + 16;
    job->g_step = round_up(job->block * job->width, 32) + 16;
    int64_t sums = job->parts * d->conv.kernel * d->conv.kernel * job->depth * job->width;
    int64_t totals = round_up(job->parts * d->o, 16), zeros = job->depth + job->width;
    float *scratch = scratch_new(job->h, (size_t)(sums + totals + zeros) * sizeof(float), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    job->sums = scratch;
    job->totals = scratch + sums;
    float *zero = job->totals + totals;
    memset(zero, 0, (size_t)zeros * sizeof(float));
    job->g = (struct winograd_map){job->gradient, zero, d->oh, d->ow, 1, 0, 0, m, 0, 0};
    // Pixel q of the gradient meets those of the map from s q - pad on, as a convolution forward.
    struct conv_geometry geometry;
    const kiln_conv forward = {d->conv.kernel, d->conv.stride, d->conv.pad, 0};
    conv_geometry_init(&geometry, &forward, 0);
    for (int plane = 0; plane < s * s; plane++) {
        struct winograd_taps *taps = &job->taps[plane];
        winograd_taps(&geometry, plane, taps);
        job->x[plane] =
            (struct winograd_map){job->input, zero,      d->ih,     d->iw,
                                  s,          plane / s, plane % s, winograd_side(job->winograd),
                                  taps->dy,   taps->dx};
    }
    int err = job->h->parallel_for(job->h, job->parts, 1, grad_parts, job);
    if (!err)
        err = conv_grad_reduce(job->h, d, job->sums, job->parts, job->depth, job->width);
    for (int64_t o = 0; !err && d->sum && !d->sum_x && o < d->o; o++) {
        d->sum[o] = 0;
        for (int64_t p = 0; p < job->parts; p++)
            d->sum[o] += job->totals[p * d->o + o];
    }
    job->h->tensor_free(job->h, owner);
    return err;
}

// Of a map [n,pixels,c], by image.
struct sum_job {
    const struct gemm_isa *isa;
    const float *x;
    int64_t pixels, c;
    float *sums;
};

static int sum_images(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct sum_job *job = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i++)
        job->isa->add_rows(job->x + i * job->pixels * job->c, job->pixels, job->c,
                           job->sums + i * job->c);
    return KILN_OK;
}

static int sum_pixels(const kiln_host *h, const struct gemm_isa *isa, const float *x, int64_t n,
                      int64_t pixels, int64_t c, float *sum)
{
    kiln_tensor *owner;
    float *sums = scratch_new(h, (size_t)(n * c) * sizeof(float), &owner);
    struct sum_job job = {isa, x, pixels, c, sums};
    if (!sums)
        return KILN_ERR_MEMORY;
    memset(sums, 0, (size_t)(n * c) * sizeof(float));
    memset(sum, 0, (size_t)c * sizeof(float));
    int err = h->parallel_for(h, n, 1, sum_images, &job);
    if (!err)
        isa->add_rows(sums, n, c, sum);
    h->tensor_free(h, owner);
    return err;
}

int conv_winograd_grad(const kiln_host *h, const struct gemm_isa *isa,
                       const struct winograd_isa *winograd, const struct conv_grad *d)
{
    struct grad_job job = {.h = h, .isa = isa, .winograd = winograd, .d = d};
    int err = map_f32(h, &d->x, &job.input);
    err = err ? err : map_f32(h, &d->g, &job.gradient);
    err = err ? err : run_grad(&job);
    if (!err && d->sum && d->sum_x)
        err = sum_pixels(h, isa, job.input.data[0], d->n, d->ih * d->iw, d->c, d->sum);
    map_f32_free(h, &job.input);
    map_f32_free(h, &job.gradient);
    return err;
}
