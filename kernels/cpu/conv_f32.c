// Convolutions in fp32 as sums of shifted matrix products, over a copy of a block of the input with
// zeros around it. Weights stay of the type that they came in.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_pass.h"

size_t conv_f32_bytes(const kiln_packed *p)
{
    return (size_t)(p->first[p->g.phases] * p->c * p->width) * weight_size(p->type);
}

struct pack_job {
    kiln_packed *p;
    const struct weight_view *w;
};

// Panels are [tap][c][columns], one behind the other within a phase.
char *conv_f32_panel(const kiln_packed *p, int phase, int64_t panel)
{
    int64_t taps = p->first[phase + 1] - p->first[phase];
    int64_t at = (p->first[phase] * p->width + panel * p->kind->isa->columns * taps) * p->c;
    return (char *)p->data + at * (int64_t)weight_size(p->type);
}

// rows of columns elements of size bytes, there of which exist; steps of from in elements.
static inline __attribute__((always_inline)) void pack_rows(const char *from, int64_t row_step,
                                                            int64_t step, int64_t rows,
                                                            int64_t there, int64_t columns,
                                                            size_t size, char *to)
{
    for (int64_t r = 0; r < rows; r++, from += row_step * (int64_t)size) {
        for (int64_t j = 0; j < there; j++, to += size)
            memcpy(to, from + j * step * (int64_t)size, size);
        memset(to, 0, (size_t)(columns - there) * size);
        to += (size_t)(columns - there) * size;
    }
}

// Items: (tap, panel).
static int pack_panels(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct pack_job *job = ctx;
    kiln_packed *p = job->p;
    int64_t panels = packed_panels(p->o, p->kind->isa->columns);
    int64_t c_step = job->w->c_step * job->w->size, o_step = job->w->o_step * job->w->size;
    int phase = 0;
    (void)chunk;
    for (int64_t i = begin; i < end; i++) {
        int64_t t = i / panels, panel = i % panels;
        while (t >= p->first[phase + 1])
            phase++;
        int64_t tap = p->taps[t].ky * p->g.kernel + p->taps[t].kx;
        int64_t columns = packed_columns(p, panel), o = panel * p->kind->isa->columns;
        int64_t there = columns < p->o - o ? columns : p->o - o;
        int64_t size = (int64_t)weight_size(p->type);
        const char *from = (const char *)job->w->data + (o * o_step + tap) * size;
        char *to = conv_f32_panel(p, phase, panel) + (t - p->first[phase]) * p->c * columns * size;
        if (p->type == WEIGHT_F32)
            pack_rows(from, c_step, o_step, p->c, there, columns, sizeof(float), to);
        else
            pack_rows(from, c_step, o_step, p->c, there, columns, sizeof(uint16_t), to);
    }
    return KILN_OK;
}

int conv_f32_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w)
{
    struct pack_job job = {p, w};
    int64_t items = p->first[p->g.phases] * packed_panels(p->o, p->kind->isa->columns);
    int64_t grain = (1 << 15) / (p->c * p->kind->isa->columns) + 1;
    return h->parallel_for(h, items, grain, pack_panels, &job);
}

struct run_job {
    const kiln_host *h;
    const kiln_packed *p;
    const struct conv_pass *pass;
    struct conv_plan plan;
    struct map_f32 x;
    int in_place;          // no border: a is the input itself
    int64_t splits;        // of the panels of all phases
    const int64_t *start;  // by tap: bytes from position 0 of a block
    int64_t merged;        // taps of a run
};

// The block with its border, plane by plane.
static void copy_block(const struct run_job *job, const struct conv_block *b, float *to)
{
    const struct conv_plan *p = &job->plan;
    int64_t s = p->g->in_stride, c = job->p->c, first, last;
    conv_block_range(p, b, &first, &last);
    if (p->plane_w < p->pitch || p->g->dy0 < p->g->dy1)
        memset(to, 0, (size_t)(s * s * p->plane_positions * c) * sizeof(float));
    for (int64_t plane = 0; plane < s * s; plane++)
        for (int64_t i = 0; i < b->images; i++)
            for (int64_t y = first; y < last; y++) {
                int64_t iy = y * s + plane / s, ix = plane % s;
                if (iy >= p->ih)
                    break;
                int64_t from = ((b->image + i) * p->ih + iy) * p->iw;
                float *row = to + (plane * p->plane_positions + conv_block_row(p, b, i, y)) * c;
                if (s == 1 && !job->x.c[1]) {
                    memcpy(row, job->x.data[0] + from * c,
                           (size_t)(p->plane_w * c) * sizeof(float));
                    continue;
                }
                for (int64_t x = 0; x < p->plane_w && ix < p->iw; x++, ix += s)
                    map_pixels(&job->x, from + ix, 1, 0, row + x * c);
            }
}

// One panel of outputs at all positions of a segment.
static void run_panel(const struct run_job *job, const float *a, int phase, int64_t panel,
                      const int64_t *pixel, int64_t positions)
{
    const kiln_packed *p = job->p;
    const struct gemm_isa *isa = p->kind->isa;
    float sums[GEMM_MAX_ROWS * GEMM_MAX_COLUMNS];
    int64_t columns = packed_columns(p, panel), first = panel * isa->columns;
    int64_t taps = p->first[phase + 1] - p->first[phase];
    struct gemm_args args = {
        .a_row = p->c * (int64_t)sizeof(float),
        .a_step = sizeof(float),
        .a_run = job->start + p->first[phase],
        .b = conv_f32_panel(p, phase, panel),
        .b_step = columns * (int64_t)weight_size(p->type),
        .b_run = job->merged * p->c * columns * (int64_t)weight_size(p->type),
        .runs = taps / job->merged,
        .steps = job->merged * p->c,
        .c = sums,
        .c_row = columns * (int64_t)sizeof(float),
    };
    if (!taps)
        memset(sums, 0, sizeof(sums));
    int64_t pieces = (positions + isa->rows - 1) / isa->rows;
    for (int64_t i = 0; i < pieces; i++) {
        int64_t m = positions * i / pieces, rows = positions * (i + 1) / pieces - m;
        args.a = a + m * p->c;
        if (taps)
            isa->kernel[columns == isa->columns][p->type][rows](&args);
        conv_finish(p, job->pass, sums, columns, pixel + m, rows, first, columns);
    }
}

static int run_units(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct run_job *job = ctx;
    const struct conv_plan *plan = &job->plan;
    const kiln_packed *p = job->p;
    int64_t planes = (int64_t)p->g.in_stride * p->g.in_stride;
    size_t map =
        job->in_place ? 0 : (size_t)(planes * plan->plane_positions * p->c) * sizeof(float);
    int64_t most = (plan->images * plan->rows + plan->block_rows) * plan->pitch;
    kiln_tensor *owner;
    (void)chunk;
    map = (map + 63) & ~(size_t)63;
    char *scratch = scratch_new(job->h, map + (size_t)most * sizeof(int64_t), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    float *copy = (float *)(void *)scratch;
    int64_t *pixel = (int64_t *)(void *)(scratch + map);
    int64_t panels = packed_panels(p->o, p->kind->isa->columns), items = panels * p->g.phases;
    for (int64_t u = begin; u < end; u++) {
        struct conv_block b;
        conv_block_init(&b, plan, u / job->splits);
        const float *a = copy;
        if (job->in_place)
            a = job->x.data[0] + b.row * p->c;
        else
            copy_block(job, &b, copy);
        int64_t split = u % job->splits, last = items * (split + 1) / job->splits;
        int phase = -1;
        for (int64_t i = items * split / job->splits; i < last; i++) {
            if (i / panels != phase) {
                phase = (int)(i / panels);
                for (int64_t s = 0; s < b.segments; s++)
                    conv_positions(plan, &b, phase, s, pixel + s * b.positions);
            }
            for (int64_t s = 0; s < b.segments; s++)
                run_panel(job, a + s * b.segment_step * p->c, phase, i % panels,
                          pixel + s * b.positions, b.positions);
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

// How many neighbouring taps are one run of pixels, the same for all runs of all phases.
static int64_t merge_taps(const kiln_packed *p, const int64_t *start)
{
    int64_t step = p->c * (int64_t)sizeof(float), best = 0;
    for (int phase = 0; phase < p->g.phases; phase++) {
        int64_t run = 0;
        for (int32_t t = p->first[phase]; t < p->first[phase + 1]; t++) {
            run++;
            if (t + 1 < p->first[phase + 1] && start[t + 1] == start[t] + step)
                continue;
            if (best && run != best)
                return 1;
            best = run;
            run = 0;
        }
    }
    return best ? best : 1;
}

int conv_f32_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass)
{
    struct run_job job = {.h = h, .p = p, .pass = pass};
    conv_plan_init(&job.plan, &p->g, pass->n, pass->ih, pass->iw, pass->oh, pass->ow,
                   p->c * (int64_t)sizeof(float));
    job.in_place =
        p->g.kernel == 1 && p->g.stride == 1 && p->g.pad == 0 && pass->iw == 1 && !pass->x.c[1];
    int64_t items = packed_panels(p->o, p->kind->isa->columns) * p->g.phases;
    job.splits = job.plan.blocks >= 16 ? 1 : (16 + job.plan.blocks - 1) / job.plan.blocks;
    job.splits = job.splits < items ? job.splits : items;
    kiln_tensor *owner;
    int64_t *start = scratch_new(h, (size_t)p->first[p->g.phases] * sizeof(int64_t) + 64, &owner);
    if (!start)
        return KILN_ERR_MEMORY;
    for (int32_t t = 0; t < p->first[p->g.phases]; t++)
        start[t] = conv_tap_position(&job.plan, &p->taps[t]) * p->c * (int64_t)sizeof(float);
    job.start = start;
    job.merged = merge_taps(p, start);
    for (int phase = 0; phase < p->g.phases; phase++)  // keep the starts of whole runs
        for (int32_t t = 0; t * job.merged < p->first[phase + 1] - p->first[phase]; t++)
            start[p->first[phase] + t] = start[p->first[phase] + t * job.merged];
    int err = map_f32(h, &pass->x, &job.x);
    if (!err)
        err = h->parallel_for(h, job.plan.blocks * job.splits, 1, run_units, &job);
    map_f32_free(h, &job.x);
    h->tensor_free(h, owner);
    return err;
}
