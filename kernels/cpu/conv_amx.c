// Convolutions on AMX: a block of the input is split into bf16 parts while it is copied with its
// border, then tiles of neighbouring pixels are read from the copy in place.
// SPDX-License-Identifier: MIT
#include "conv_amx.h"

#include <string.h>

struct run_job {
    const kiln_host *h;
    const kiln_packed *p;
    const struct conv_pass *pass;
    struct conv_plan plan;
    int bf16;              // type of the input
    int64_t channels;      // of a pixel in scratch, whole steps
    int64_t pitch;         // channels from one pixel to the next
    int64_t part;          // bytes of one part of a block
    int64_t splits;        // of the panels of all phases
    const int64_t *steps;  // by tap and 32 channels: bytes from position 0
};

// Channels of one pixel; n of them are there, zeros behind.
static inline __attribute__((always_inline)) void split_pixel(const void *from, int bf16,
                                                              int64_t at, int64_t n,
                                                              int64_t channels, char *to,
                                                              int64_t part_bytes, int parts)
{
    for (int64_t i = 0; i < channels; i += 32) {
        __m512 a, b;
        if (n - i >= 32 && !bf16) {
            const float *x = (const float *)from + at + i;
            fetch_ahead(x);
            fetch_ahead(x + 16);
            a = _mm512_loadu_ps(x);
            b = _mm512_loadu_ps(x + 16);
        } else {
            a = load_row(from, bf16, at + i, n - i);
            b = n - i > 16 ? load_row(from, bf16, at + i + 16, n - i - 16) : _mm512_setzero_ps();
        }
        for (int part = 0; part < parts; part++)
            _mm512_storeu_si512(to + part * part_bytes + i * 2, split_halves(&a, &b));
    }
}

// A row of pixels of a tensor, from pixel at on, that lie stride pixels apart.
static void split_row(const struct run_job *job, int which, int64_t at, int64_t pixels,
                      int64_t stride, char *to)
{
    const struct conv_map *map = &job->pass->x;
    const void *from = tensor_at(map->t[which]);
    int64_t c = map->c[which], channels = round_up(c, TILE_DEPTH), step = stride * c;
    at *= c;
    to += which ? map->c[0] * 2 : 0;
    if (c == job->pitch && stride == 1) {  // one long pixel
        c = channels = c * pixels;
        pixels = 1;
    }
    for (int64_t x = 0; x < pixels; x++, at += step, to += job->pitch * 2)
        if (job->p->parts == 2 && !job->bf16)
            split_pixel(from, 0, at, c, channels, to, job->part, 2);
        else if (job->p->parts == 1 && job->bf16)
            split_pixel(from, 1, at, c, channels, to, job->part, 1);
        else
            split_pixel(from, job->bf16, at, c, channels, to, job->part, job->p->parts);
}

// All pixels of a block follow each other, in the input and in scratch.
static int no_border(const struct conv_plan *p, const struct conv_block *b)
{
    return p->plane_w == p->pitch && p->g->in_stride == 1 && b->images == 1 &&
           p->g->dy0 == p->g->dy1;
}

// One of the tensors of the input into scratch where zeros are.
static void copy_tensor(const struct run_job *job, const struct conv_block *b, int which, char *to)
{
    const struct conv_plan *p = &job->plan;
    int64_t s = p->g->in_stride, pixel = job->pitch * 2, first, last;
    conv_block_range(p, b, &first, &last);
    if (no_border(p, b)) {
        split_row(job, which, (b->image * p->ih + first) * p->iw, (last - first) * p->iw, 1, to);
        return;
    }
    for (int64_t plane = 0; plane < s * s; plane++)
        for (int64_t i = 0; i < b->images; i++)
            for (int64_t y = first; y < last; y++) {
                int64_t iy = y * s + plane / s, ix = plane % s;
                if (iy >= p->ih || ix >= p->iw)
                    break;
                int64_t position = plane * p->plane_positions + conv_block_row(p, b, i, y);
                split_row(job, which, ((b->image + i) * p->ih + iy) * p->iw + ix,
                          smaller(p->plane_w, (p->iw - ix + s - 1) / s), s, to + position * pixel);
            }
}

static void copy_block(const struct run_job *job, const struct conv_block *b, char *to)
{
    if (!no_border(&job->plan, b))
        memset(to, 0, (size_t)(job->p->parts * job->part));
    for (int which = 0; which < 2 && job->pass->x.c[which]; which++)
        copy_tensor(job, b, which, to);
}

// Panels [first, last) of outputs at 32 positions.
static void run_rows(const struct run_job *job, const char *a, int phase, int64_t first,
                     int64_t last, const int64_t *pixel, int64_t rows)
{
    const kiln_packed *p = job->p;
    _Alignas(64) float sums[32 * 32];
    int64_t per_tap = job->channels / TILE_DEPTH;
    int64_t taps = p->first[phase + 1] - p->first[phase];
    struct tile_args args = {
        .a = a,
        .a_row = job->pitch * 2,
        .a_part = job->part,
        .a_step = job->steps + p->first[phase] * per_tap,
        .steps = taps * per_tap,
        .c = sums,
        .c_row = 128,
    };
    for (int64_t panel = first; panel < last; panel++) {
        int64_t o = panel * 32, wide = smaller(32, p->o - o);
        args.b = conv_amx_panel(p, phase, panel);
        tile_kernels[p->parts - 1][rows > TILE_ROWS][wide > 16](&args);
        conv_finish(p, job->pass, sums, 32, pixel, rows, o, wide);
    }
}

static int64_t smallest_group(const struct run_job *job, int phase)
{
    // Weights of a group of panels stay in the second level cache while positions pass.
    enum { GROUP_BYTES = 640 << 10 };
    const kiln_packed *p = job->p;
    int64_t taps = p->first[phase + 1] - p->first[phase];
    int64_t panel = taps * (job->channels / TILE_DEPTH) * p->parts * 2 * TILE_BYTES;
    return panel > 0 && panel < GROUP_BYTES ? GROUP_BYTES / panel : 1;
}

static void run_items(const struct run_job *job, const struct conv_block *b, const char *a,
                      int64_t *pixel, int64_t begin, int64_t end)
{
    int64_t panels = packed_panels(job->p->o, 32);
    while (begin < end) {
        int phase = (int)(begin / panels);
        int64_t stop = smaller(end, (phase + 1) * panels), group = smallest_group(job, phase);
        for (int64_t s = 0; s < b->segments; s++)
            conv_positions(&job->plan, b, phase, s, pixel + s * b->positions);
        for (; begin < stop; begin += group) {
            int64_t first = begin - phase * panels;
            int64_t last = smaller(stop, begin + group) - phase * panels;
            for (int64_t s = 0; s < b->segments; s++)
                for (int64_t m = 0; m < b->positions; m += 32)
                    run_rows(job, a + (s * b->segment_step + m) * job->pitch * 2, phase, first,
                             last, pixel + s * b->positions + m, smaller(32, b->positions - m));
        }
        begin = stop;
    }
}

static int run_units(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct run_job *job = ctx;
    const struct conv_plan *plan = &job->plan;
    int64_t map = round_up(job->p->parts * job->part + 32 * job->pitch * 2, 64);
    int64_t most = (plan->images * plan->rows + plan->block_rows) * plan->pitch;
    int64_t items = packed_panels(job->p->o, 32) * job->p->g.phases;
    kiln_tensor *owner;
    (void)chunk;
    char *copy = scratch_new(job->h, (size_t)map + (size_t)most * sizeof(int64_t), &owner);
    if (!copy)
        return KILN_ERR_MEMORY;
    int64_t *pixel = (int64_t *)(void *)(copy + map);
    tiles_begin();
    for (int64_t u = begin; u < end; u++) {
        int64_t split = u % job->splits;
        struct conv_block b;
        conv_block_init(&b, plan, u / job->splits);
        copy_block(job, &b, copy);
        run_items(job, &b, copy, pixel, items * split / job->splits,
                  items * (split + 1) / job->splits);
    }
    tiles_end();
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

int conv_amx_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass)
{
    struct run_job job = {.h = h, .p = p, .pass = pass};
    kiln_tensor *owner;
    job.channels = round_up(p->c, TILE_DEPTH);
    // Pixels a multiple of 2 KiB apart would fall into one or two sets of the first level cache.
    job.pitch = job.channels + (job.channels % 1024 == 0 ? TILE_DEPTH : 0);
    // A few rows stay in one block whatever their size: each block reads all weights again.
    enum { FEW_ROWS = 128, FEW_BYTES = 4096 };
    int64_t row_bytes = job.pitch * 2 * p->parts;
    if (p->g.kernel == 1 && pass->n * pass->oh * pass->ow <= FEW_ROWS)
        row_bytes = smaller(row_bytes, FEW_BYTES);
    conv_plan_init(&job.plan, &p->g, pass->n, pass->ih, pass->iw, pass->oh, pass->ow, row_bytes);
    job.bf16 = tensor_type(pass->x.t[0]) == WEIGHT_BF16;
    int64_t planes = (int64_t)p->g.in_stride * p->g.in_stride;
    job.part = planes * job.plan.plane_positions * job.pitch * 2;
    int64_t items = packed_panels(p->o, 32) * p->g.phases;
    job.splits = job.plan.blocks >= 16 ? 1 : (16 + job.plan.blocks - 1) / job.plan.blocks;
    job.splits = smaller(job.splits, items);
    int64_t taps = p->first[p->g.phases], per_tap = job.channels / TILE_DEPTH;
    int64_t *steps = scratch_new(h, (size_t)(taps * per_tap) * sizeof(int64_t) + 64, &owner);
    if (!steps)
        return KILN_ERR_MEMORY;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t i = 0; i < per_tap; i++)
            steps[t * per_tap + i] =
                (conv_tap_position(&job.plan, &p->taps[t]) * job.pitch + i * TILE_DEPTH) * 2;
    job.steps = steps;
    int err = h->parallel_for(h, job.plan.blocks * job.splits, 1, run_units, &job);
    h->tensor_free(h, owner);
    return err;
}
