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
    struct winograd_grid grid;
    struct winograd_map x, g;
    int64_t cells, block, blocks, parts;
    int64_t depth, width;  // channels of x, of g with padding
    int64_t x_step, g_step;
    float *sums;    // [parts][9][depth][width]
    float *totals;  // [parts][o]
};

static void add_block(const struct grad_job *job, int64_t block, float *x, float *g, float *sums,
                      float *totals)
{
    const float *pixel[WINOGRAD_MAX * WINOGRAD_MAX];
    int64_t first = block * job->block, tiles = smaller(job->block, job->grid.tiles - first);
    for (int64_t i = 0; i < tiles; i++) {
        winograd_pixels(&job->grid, &job->x, first + i, pixel);
        job->winograd->input(pixel, job->d->c, x + i * job->depth, job->x_step);
        winograd_pixels(&job->grid, &job->g, first + i, pixel);
        job->winograd->grad(pixel, job->d->o, g + i * job->width, job->g_step,
                            job->d->sum ? totals : NULL);
    }
    struct winograd_product product = {
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
        winograd_multiply(job->isa, &product);
    }
}

static int grad_parts(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct grad_job *job = ctx;
    int64_t size = job->depth * job->width, o = job->d->o;
    int64_t floats = job->cells * (size + job->x_step + job->g_step);
    kiln_tensor *owner;
    (void)chunk;
    float *sums = scratch_new(job->h, (size_t)floats * sizeof(float), &owner);
    if (!sums)
        return KILN_ERR_MEMORY;
    float *x = sums + job->cells * size, *g = x + job->cells * job->x_step;
    for (int64_t part = begin; part < end; part++) {
        float *totals = job->totals + part * o, *to = job->sums + part * 9 * size;
        memset(sums, 0, (size_t)(job->cells * size) * sizeof(float));
        memset(totals, 0, (size_t)o * sizeof(float));
        for (int64_t b = job->blocks * part / job->parts; b < job->blocks * (part + 1) / job->parts;
             b++)
            add_block(job, b, x, g, sums, totals);
        for (int64_t row = 0; row < job->d->c; row++)
            job->winograd->weight_grad(sums + row * job->width, size, job->width,
                                       to + row * job->width, size);
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static int run_grad(struct grad_job *job)
{
    const struct conv_grad *d = job->d;
    int64_t t = job->winograd->m + 2, m = job->winograd->m;
    kiln_tensor *owner;
    job->cells = t * t;
    job->depth = round_up(d->c, 16);
    job->width = packed_width(d->o, job->isa->columns);
    job->grid = winograd_grid(job->winograd->m, d->n, d->oh, d->ow);
    int64_t tile = job->cells * (job->depth + job->width) * (int64_t)sizeof(float);
    job->block = winograd_block(tile, job->grid.tiles);
    job->blocks = (job->grid.tiles + job->block - 1) / job->block;
    job->parts = conv_grad_parts(d, job->blocks);
    job->x_step = round_up(job->block * job->depth, 32) + 16;
    job->g_step = round_up(job->block * job->width, 32) + 16;
    int64_t sums = job->parts * 9 * job->depth * job->width;
    int64_t totals = round_up(job->parts * d->o, 16), zeros = job->depth + job->width;
    float *scratch = scratch_new(job->h, (size_t)(sums + totals + zeros) * sizeof(float), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    job->sums = scratch;
    job->totals = scratch + sums;
    float *zero = job->totals + totals;
    memset(zero, 0, (size_t)zeros * sizeof(float));
    job->x.zeros = job->g.zeros = zero;
    job->x.h = d->ih;
    job->x.w = d->iw;
    job->x.c = d->c;
    job->x.side = t;
    job->x.shift = d->conv.pad;
    job->g.h = d->oh;
    job->g.w = d->ow;
    job->g.c = d->o;
    job->g.side = m;
    int err = job->h->parallel_for(job->h, job->parts, 1, grad_parts, job);
    if (!err)
        err = conv_grad_reduce(job->h, d, job->sums, job->parts, job->depth, job->width);
    for (int64_t o = 0; !err && d->sum && o < d->o; o++) {
        d->sum[o] = 0;
        for (int64_t p = 0; p < job->parts; p++)
            d->sum[o] += job->totals[p * d->o + o];
    }
    job->h->tensor_free(job->h, owner);
    return err;
}

int conv_winograd_grad(const kiln_host *h, const struct gemm_isa *isa,
                       const struct winograd_isa *winograd, const struct conv_grad *d)
{
    struct grad_job job = {.h = h, .isa = isa, .winograd = winograd, .d = d};
    kiln_tensor *x, *g;
    int err = KILN_ERR_MEMORY;
    job.x.data = as_f32(h, d->x, &x);
    job.g.data = as_f32(h, d->g, &g);
    if (job.x.data && job.g.data)
        err = run_grad(&job);
    h->tensor_free(h, x);
    h->tensor_free(h, g);
    return err;
}
