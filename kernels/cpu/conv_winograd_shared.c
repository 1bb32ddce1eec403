// Winograd's algorithm at stride 1 with weights that are too many for the caches. They stay as they
// were packed, halves too, since transformed they take 4 times the memory (F(4,3)) of floats; each
// call transforms them, a panel of outputs and a row of cells at a time, into scratch of the second
// level cache, from where all tiles of a large block take them. That costs as much as the products
// of some 8 tiles. Threads share a block: they transform its inputs, then each takes items of its
// products, then they transform its outputs. SPDX-License-Identifier: MIT
#include "conv_winograd.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t winograd_shared_block(int64_t bytes, int64_t tiles)
{
    enum { TILES = 128, BYTES = 32 << 20, LEAST = 32 };
    int64_t most = smaller(TILES, BYTES / bytes);
    most = most < LEAST ? LEAST : most;
    int64_t blocks = (tiles + most - 1) / most;  // of equal size
    return (tiles + blocks - 1) / blocks;
}

struct block {
    const struct winograd_job *job;
    int64_t first, tiles;
    float *in, *out;
};

static int pass_in(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct block *b = ctx;
    const struct winograd_job *job = b->job;
    (void)chunk;
    winograd_transform_in(job->p->winograd, &job->grid, &job->map[0], b->first + begin, end - begin,
                          b->in + begin * job->depth, job->depth, job->in_step);
    return KILN_OK;
}

// Items are (row of cells, panel): the products of all tiles with the weights of a row of cells,
// over all channels at once, so that inputs come from the third level cache in long rows and sums
// are written once. In pieces of channels that let more cells or panels stay in the second level
// cache, inputs would come by less often, but in short rows, and take longer.
static int pass_products(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct block *b = ctx;
    const struct winograd_job *job = b->job;
    const kiln_packed *p = job->p;
    int64_t side = winograd_side(p->winograd), width = p->kind->isa->columns;
    int64_t panels = packed_panels(p->o, width);
    int64_t step = p->c * width + 16;  // an odd number of cache lines
    kiln_tensor *owner;
    (void)chunk;
    float *weights = scratch_new(job->h, (size_t)(side * step) * sizeof(float), &owner);
    if (!weights)
        return KILN_ERR_MEMORY;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item / panels, panel = item % panels, columns = packed_columns(p, panel);
        const char *from = conv_f32_panel(p, 0, panel);
        for (int64_t c = 0; c < p->c; c++, from += columns * (int64_t)weight_size(p->type))
            p->winograd->weight_row((int)row, from, p->type, p->c * columns, columns,
                                    weights + c * columns, step);
        for (int64_t i = 0, cell = row * side; i < side; i++, cell++) {
            struct gemm_product product = {
                .a = b->in + cell * job->in_step,
                .a_row = job->depth,
                .a_step = 1,
                .rows = b->tiles,
                .depth = p->c,
                .b = weights + i * step,
                .columns = columns,
                .c = b->out + cell * job->out_step + panel * width,
                .c_row = p->width,
            };
            gemm_multiply(p->kind->isa, &product);
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static int pass_out(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct block *b = ctx;
    (void)chunk;
    winograd_transform_out(b->job, 0, b->first + begin, end - begin,
                           b->out + begin * b->job->p->width);
    return KILN_OK;
}

int winograd_run_shared(const struct winograd_job *job)
{
    const kiln_host *h = job->h;
    struct block b = {.job = job};
    kiln_tensor *owner;
    int64_t cells = winograd_cells(job->p->winograd);
    int64_t items =
        winograd_side(job->p->winograd) * packed_panels(job->p->o, job->p->kind->isa->columns);
    b.in = scratch_new(h, (size_t)(cells * (job->in_step + job->out_step)) * sizeof(float), &owner);
    if (!b.in)
        return KILN_ERR_MEMORY;
    b.out = b.in + cells * job->in_step;
    int err = KILN_OK;
    for (; !err && b.first < job->grid.tiles; b.first += job->block) {
        b.tiles = smaller(job->block, job->grid.tiles - b.first);
        err = h->parallel_for(h, b.tiles, 4, pass_in, &b);
        if (!err)
            err = h->parallel_for(h, items, 1, pass_products, &b);
        if (!err)
            err = h->parallel_for(h, b.tiles, 4, pass_out, &b);
    }
    h->tensor_free(h, owner);
    return err;
}
