// Forward, and back to the input, which is forward with turned weights. Weights that are few enough
// for the second level cache are transformed when they are packed; see conv_winograd_shared.c for
// the others.
// SPDX-License-Identifier: MIT
#include "conv_winograd.h"

#include <string.h>

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

struct winograd_grid winograd_grid(int m, int64_t n, int64_t h, int64_t w)
{
    struct winograd_grid g = {.m = m, .rows = (h + m - 1) / m, .columns = (w + m - 1) / m};
    g.tiles = n * g.rows * g.columns;
    return g;
}

void winograd_taps(const struct conv_geometry *g, int part, struct winograd_taps *taps)
{
    struct conv_tap all[16];
    int n = conv_taps(g, g->scatter ? part : 0, all), count = 0;
    for (int i = 0; i < n; i++) {
        if (!g->scatter && all[i].plane != part)
            continue;
        if (count == 0) {
            taps->dy = all[i].dy;
            taps->dx = all[i].dx;
        }
        taps->tap[count++] = all[i].ky * g->kernel + all[i].kx;
    }
}

static void pixels_of(const struct winograd_grid *g, const struct winograd_map *map, int part,
                      int64_t tile, const float **pixel)
{
    int64_t c = map->of.c[part];
    int64_t image = tile / (g->rows * g->columns), in_image = tile % (g->rows * g->columns);
    int64_t stride = map->stride, end = (map->side - 1) * stride, right = stride * c;
    int64_t y = (in_image / g->columns * g->m + map->dy) * stride + map->y0;
    int64_t x = (in_image % g->columns * g->m + map->dx) * stride + map->x0;
    int64_t down = stride * map->w * c;
    const float *row = map->of.data[part] + ((image * map->h + y) * map->w + x) * c;
    if (y >= 0 && x >= 0 && y + end < map->h && x + end < map->w) {
        for (int64_t i = 0; i < map->side; i++, row += down)
            for (int64_t j = 0; j < map->side; j++)
                *pixel++ = row + j * right;
        return;
    }
    for (int64_t i = 0; i <= end; i += stride, row += down)
        for (int64_t j = 0; j <= end; j += stride) {
            int inside = y + i >= 0 && y + i < map->h && x + j >= 0 && x + j < map->w;
            *pixel++ = inside ? row + j * c : map->zeros;
        }
}

void winograd_walk_begin(struct winograd_walk *w, const struct winograd_grid *g,
                         const struct winograd_map *map, int part, int64_t first, int64_t tiles)
{
    w->grid = g;
    w->map = map;
    w->part = part;
    w->tile = first;
    w->end = first + tiles;
    w->next = w->pixel = w->room[0];
}

int winograd_walk_next(struct winograd_walk *w)
{
    if (w->next == w->pixel) {  // the first, or none after the last
        if (w->tile == w->end)
            return 0;
        pixels_of(w->grid, w->map, w->part, w->tile++, w->next);
    }
    w->pixel = w->next;
    if (w->tile < w->end) {
        w->next = w->room[w->pixel == w->room[0]];
        pixels_of(w->grid, w->map, w->part, w->tile++, w->next);
    }
    return 1;
}

int64_t winograd_block(int64_t bytes, int64_t room, int64_t tiles, int64_t rows)
{
    enum { LEAST = 24, MOST = 56 };
    int64_t block = room / bytes;
    block = block < LEAST ? LEAST : smaller(block, MOST);
    if (block > rows && tiles > 2 * block)
        block -= block % rows;
    return smaller(block, tiles);
}

// Parts of a weight.
static int parts_of(const struct conv_geometry *g)
{
    return g->stride * g->stride;
}

static int64_t part_floats(const kiln_packed *p)
{
    return winograd_cells(p->winograd) * p->c * p->width;
}

size_t conv_winograd_bytes(const kiln_packed *p)
{
    return (size_t)(parts_of(&p->g) * part_floats(p)) * sizeof(float);
}

struct pack_job {
    kiln_packed *p;
    const struct weight_view *w;
    struct winograd_taps taps[WINOGRAD_PARTS];
};

// Weights are [part][cell][panel][c][columns]. Items: (part, panel, c).
static int pack_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct pack_job *job = ctx;
    kiln_packed *p = job->p;
    int64_t taps = (int64_t)p->winograd->r * p->winograd->r;
    int64_t rows_of_part = packed_panels(p->o, p->kind->isa->columns) * p->c;
    float rows[9 * GEMM_MAX_COLUMNS];
    (void)chunk;
    for (int64_t i = begin; i < end; i++) {
        int64_t part = i / rows_of_part, panel = i % rows_of_part / p->c, c = i % p->c;
        int64_t o = panel * p->kind->isa->columns, columns = packed_columns(p, panel);
        memset(rows, 0, sizeof(rows));
        for (int64_t j = 0; j < columns && o + j < p->o; j++)
            for (int64_t k = 0; k < taps; k++)
                rows[k * columns + j] = weight_at(job->w, c, o + j, job->taps[part].tap[k]);
        float *to = (float *)p->data + part * part_floats(p) + o * p->c + c * columns;
        p->winograd->weight(rows, WEIGHT_F32, columns, columns, to, p->c * p->width);
    }
    return KILN_OK;
}

int conv_winograd_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w)
{
    struct pack_job job = {.p = p, .w = w};
    int parts = parts_of(&p->g);
    for (int part = 0; part < parts; part++)
        winograd_taps(&p->g, part, &job.taps[part]);
    int64_t items = parts * packed_panels(p->o, p->kind->isa->columns) * p->c;
    return h->parallel_for(h, items, 32, pack_rows, &job);
}

void winograd_transform_in(const struct winograd_isa *w, const struct winograd_grid *g,
                           const struct winograd_map *map, int64_t first, int64_t tiles, float *to,
                           int64_t row, int64_t step)
{
    const int64_t *c = map->of.c;
    for (int part = 0; part < 2 && c[part]; part++) {
        struct winograd_walk walk;
        float *at = to + (part ? c[0] : 0);
        winograd_walk_begin(&walk, g, map, part, first, tiles);
        for (; winograd_walk_next(&walk); at += row)
            w->input(walk.pixel, walk.next, c[part], at, step);
    }
}

// The products of a cell of a part; those of the planes of an input add up.
static void multiply(const struct winograd_job *job, int part, int64_t cell, int64_t tiles,
                     const float *in, float *out)
{
    const kiln_packed *p = job->p;
    struct gemm_product product = {
        .a = in + cell * job->in_step,
        .a_row = job->depth,
        .a_step = 1,
        .rows = tiles,
        .depth = p->c,
        .b = (const float *)p->data + part * part_floats(p) + cell * p->width * p->c,
        .b_panel = p->c * p->kind->isa->columns,
        .columns = p->width,
        .c = out + cell * job->out_step,
        .c_row = p->width,
        .accumulate = !p->g.scatter && part > 0,
    };
    gemm_multiply(p->kind->isa, &product);
}

void winograd_transform_out(const struct winograd_job *job, int phase, int64_t first, int64_t tiles,
                            const float *from)
{
    const kiln_packed *p = job->p;
    const struct conv_pass *pass = job->pass;
    const struct winograd_grid *g = &job->grid;
    enum { MOST = (WINOGRAD_MAX - 2) * (WINOGRAD_MAX - 2) };
    _Alignas(64) float sums[MOST * GEMM_MAX_COLUMNS];
    int64_t pixel[MOST], m = g->m, panel = p->kind->isa->columns, s = p->g.out_stride;
    for (int64_t i = 0; i < tiles; i++) {
        int64_t tile = first + i, image = tile / (g->rows * g->columns);
        int64_t oy = tile / g->columns % g->rows * m * s + phase / s;
        int64_t left = tile % g->columns * m * s + phase % s, *to = pixel;
        for (int64_t j = 0; j < m; j++, oy += s)
            for (int64_t k = 0, ox = left; k < m; k++, ox += s)
                *to++ =
                    oy < pass->oh && ox < pass->ow ? (image * pass->oh + oy) * pass->ow + ox : -1;
        for (int64_t o = 0; o < p->o; o += panel) {
            p->winograd->output(from + i * p->width + o, job->out_step,
                                smaller(panel, p->width - o), sums, panel);
            conv_finish(p, pass, sums, panel, pixel, m * m, o, panel);
        }
    }
}

// Sums of several planes of the input add up. Else those of a cell take the place of the inputs of
// the cell before, which are no longer wanted: half the memory.
static int sums_apart(const kiln_packed *p)
{
    return !p->g.scatter && parts_of(&p->g) > 1;
}

// Blocks of tiles from start to end, each on one thread with tiles of its own.
static int run_blocks(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct winograd_job *job = ctx;
    const struct conv_geometry *g = &job->p->g;
    kiln_tensor *owner;
    int64_t n = winograd_cells(job->p->winograd);
    int parts = parts_of(g);
    (void)chunk;
    int apart = sums_apart(job->p);
    int64_t floats = apart ? n * (job->in_step + job->out_step) : (n + 1) * job->in_step;
    float *out = scratch_new(job->h, (size_t)floats * sizeof(float), &owner);
    if (!out)
        return KILN_ERR_MEMORY;
    float *in = out + (apart ? n * job->out_step : job->in_step);
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * job->block, tiles = smaller(job->block, job->grid.tiles - first);
        for (int part = 0; part < parts; part++) {
            winograd_transform_in(job->p->winograd, &job->grid, &job->map[part], first, tiles, in,
                                  job->depth, job->in_step);
            for (int64_t cell = 0; cell < n; cell++)
                multiply(job, part, cell, tiles, in, out);
            if (g->scatter || part == parts - 1)
                winograd_transform_out(job, g->scatter ? part : 0, first, tiles, out);
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static void make_map(struct winograd_job *job, int part, const struct map_f32 *x,
                     const float *zeros)
{
    const kiln_packed *p = job->p;
    struct winograd_taps taps;
    winograd_taps(&p->g, part, &taps);
    job->map[part] = (struct winograd_map){
        .of = *x,
        .zeros = zeros,
        .h = job->pass->ih,
        .w = job->pass->iw,
        .stride = p->g.in_stride,
        .y0 = p->g.scatter ? 0 : part / p->g.stride,
        .x0 = p->g.scatter ? 0 : part % p->g.stride,
        .side = winograd_side(p->winograd),
        .dy = taps.dy,
        .dx = taps.dx,
    };
}

static void size_blocks(struct winograd_job *job)
{
    // Of a second level cache of 512 KB, beside the weights that come by.
    enum { BYTES = 448 << 10, BYTES_APART = 640 << 10 };
    const kiln_packed *p = job->p;
    int64_t cells = winograd_cells(p->winograd), tiles = job->grid.tiles;
    int apart = !p->transformed || sums_apart(p);
    int64_t in = job->depth, out = p->width;
    if (!apart)
        in = out = in > out ? in : out;
    int64_t bytes = cells * (apart ? in + out : in) * (int64_t)sizeof(float);
    job->block = p->transformed
                     ? winograd_block(bytes, apart ? BYTES_APART : BYTES, tiles, p->kind->isa->rows)
                     : winograd_shared_block(bytes, tiles);
    // Cells lie an odd number of cache lines apart.
    job->in_step = round_up(job->block * in, 32) + 16;
    job->out_step = round_up(job->block * out, 32) + 16;
}

int conv_winograd_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass)
{
    struct winograd_job job = {.h = h, .p = p, .pass = pass};
    struct map_f32 x;
    kiln_tensor *owner;
    float *zeros = scratch_new(h, (size_t)p->c * sizeof(float), &owner);
    int err = map_f32(h, &pass->x, &x);
    err = zeros ? err : KILN_ERR_MEMORY;
    if (err)
        goto done;
    memset(zeros, 0, (size_t)p->c * sizeof(float));
    int64_t s = p->g.out_stride;  // tiles are those of a phase
    job.grid =
        winograd_grid(p->winograd->m, pass->n, (pass->oh + s - 1) / s, (pass->ow + s - 1) / s);
    for (int part = 0; part < parts_of(&p->g); part++)
        make_map(&job, part, &x, zeros);
    job.depth = round_up(p->c, 16);
    size_blocks(&job);
    err = p->transformed ? h->parallel_for(h, (job.grid.tiles + job.block - 1) / job.block, 1,
                                           run_blocks, &job)
                         : winograd_run_shared(&job);
done:
    h->tensor_free(h, owner);
    map_f32_free(h, &x);
    return err;
}
