// Convolutions of stride 1 into so few channels that those of all taps fit into a panel or two:
// first the products of each pixel with all taps, as columns of one matrix, then every output adds
// up what its neighbours have for it. The input is read once, and no vector is filled for one
// channel.
#include <string.h>

#include "conv_pass.h"

enum { SUM_ROW = 16 };  // floats of an output's sums: a vector of any instruction set

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t taps_of(const kiln_packed *p)
{
    return (int64_t)p->g.kernel * p->g.kernel;
}

// Columns are [tap][o].
static int64_t few_width(const kiln_packed *p)
{
    return packed_width(taps_of(p) * p->o, p->kind->isa->columns);
}

int conv_few_pays(const struct conv_geometry *g, int64_t c, int64_t o)
{
    enum { COLUMNS = 32, LEAST = 16 };
    return g->kernel > 1 && g->stride == 1 && g->kernel * g->kernel * o <= COLUMNS && c >= LEAST;
}

size_t conv_few_bytes(const kiln_packed *p)
{
    return (size_t)(few_width(p) * p->c) * sizeof(float);
}

// Panels are [c][columns].
int conv_few_pack(kiln_packed *p, const struct weight_view *w)
{
    int64_t width = few_width(p), panel = p->kind->isa->columns;
    memset(p->data, 0, conv_few_bytes(p));
    for (int64_t t = 0; t < taps_of(p); t++)
        for (int64_t o = 0; o < p->o; o++) {
            int64_t column = t * p->o + o, first = column / panel * panel;
            int64_t columns = smaller(panel, width - first);
            float *to = (float *)p->data + first * p->c + column - first;
            for (int64_t c = 0; c < p->c; c++)
                to[c * columns] =
                    weight_at(w, c, o, (int64_t)p->taps[t].ky * p->g.kernel + p->taps[t].kx);
        }
    return KILN_OK;
}

struct run_job {
    const kiln_host *h;
    const kiln_packed *p;
    const struct conv_pass *pass;
    const float *x;
    int64_t rows, blocks;  // of outputs in a block; in an image
    int64_t dy0, dy1;      // the range of shifts
};

// Products of rows [from, to) of an image.
static void multiply(const struct run_job *job, int64_t image, int64_t from, int64_t to,
                     float *products)
{
    const struct conv_pass *pass = job->pass;
    const kiln_packed *p = job->p;
    struct gemm_product product = {
        .a = job->x + (image * pass->ih + from) * pass->iw * p->c,
        .a_row = p->c,
        .a_step = 1,
        .rows = (to - from) * pass->iw,
        .depth = p->c,
        .b = p->data,
        .b_panel = p->c * p->kind->isa->columns,
        .columns = few_width(p),
        .c = products,
        .c_row = few_width(p),
    };
    gemm_multiply(p->kind->isa, &product);
}

// One row of outputs from the products of rows [from, to).
static void add_taps(const struct run_job *job, int64_t y, int64_t from, int64_t to,
                     const float *products, float *sums)
{
    const struct conv_pass *pass = job->pass;
    const kiln_packed *p = job->p;
    int64_t width = few_width(p), o = p->o;
    memset(sums, 0, (size_t)(pass->ow * SUM_ROW) * sizeof(float));
    for (int64_t t = 0; t < taps_of(p); t++) {
        int64_t iy = y + p->taps[t].dy, dx = p->taps[t].dx;
        if (iy < from || iy >= to)
            continue;
        int64_t first = larger(0, -dx), last = smaller(pass->ow, pass->iw - dx);
        const float *row = products + (iy - from) * pass->iw * width + t * o;
        for (int64_t x = first; x < last; x++)
            for (int64_t i = 0; i < o; i++)
                sums[x * SUM_ROW + i] += row[(x + dx) * width + i];
    }
}

static int run_blocks(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct run_job *job = ctx;
    const struct conv_pass *pass = job->pass;
    const kiln_packed *p = job->p;
    int64_t most = (job->rows + job->dy1 - job->dy0) * pass->iw * few_width(p);
    size_t bytes = (size_t)(most + pass->ow * SUM_ROW) * sizeof(float);
    kiln_tensor *owner;
    (void)chunk;
    float *products = scratch_new(job->h, bytes + (size_t)pass->ow * sizeof(int64_t), &owner);
    if (!products)
        return KILN_ERR_MEMORY;
    float *sums = products + most;
    int64_t *pixel = (int64_t *)(void *)(sums + pass->ow * SUM_ROW);
    for (int64_t b = begin; b < end; b++) {
        int64_t image = b / job->blocks, y = b % job->blocks * job->rows;
        int64_t last = smaller(y + job->rows, pass->oh);
        int64_t from = larger(0, y + job->dy0), to = smaller(pass->ih, last + job->dy1);
        if (from < to)
            multiply(job, image, from, to, products);
        for (; y < last; y++) {
            add_taps(job, y, from, to, products, sums);
            for (int64_t x = 0; x < pass->ow; x++)
                pixel[x] = (image * pass->oh + y) * pass->ow + x;
            conv_finish(p, pass, sums, SUM_ROW, pixel, pass->ow, 0, p->o);
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

int conv_few_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass)
{
    enum { BLOCK_PIXELS = 1024 };
    struct run_job job = {.h = h, .p = p, .pass = pass, .dy0 = p->taps[0].dy, .dy1 = p->taps[0].dy};
    struct map_f32 x;
    for (int64_t t = 1; t < taps_of(p); t++) {
        job.dy0 = smaller(job.dy0, p->taps[t].dy);
        job.dy1 = larger(job.dy1, p->taps[t].dy);
    }
    int64_t rows = larger(p->g.kernel, BLOCK_PIXELS / pass->ow);
    job.blocks = (pass->oh + rows - 1) / rows;
    job.rows = (pass->oh + job.blocks - 1) / job.blocks;
    int err = map_f32(h, &pass->x, &x);
    job.x = x.data[0];
    if (!err)
        err = h->parallel_for(h, pass->n * job.blocks, 1, run_blocks, &job);
    map_f32_free(h, &x);
    return err;
}
