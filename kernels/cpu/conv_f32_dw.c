// Weight gradients in fp32: per tap a matrix product over the pixels that it pairs, read in place.
// A map of few channels is spread out by taps first, so that a tile has rows enough.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_pass.h"

// A long sum is cut into parts of images: for the threads, and since shorter sums are more
// accurate.
int64_t conv_grad_parts(const struct conv_grad *d, int64_t units)
{
    int64_t size = d->c * d->o * d->conv.kernel * d->conv.kernel, parts = ((int64_t)2 << 20) / size;
    parts = parts < 2 ? 2 : parts > 16 ? 16 : parts;
    return parts < units ? parts : units;
}

struct reduce_job {
    const struct conv_grad *d;
    const float *sums;
    int64_t parts, part_step, tap_step, row_step;
    int64_t rows, columns;      // channels: those of the rows and columns of sums
    int64_t row_to, column_to;  // their steps in dw
};

// Sums of a block of taps, rows and columns come first, then they go to dw, where taps are
// innermost.
enum { REDUCE_TAPS = 16, REDUCE_ROWS = 8, REDUCE_COLUMNS = 16 };
typedef float reduce_block[REDUCE_ROWS][REDUCE_COLUMNS][REDUCE_TAPS];

static void add_parts(const struct reduce_job *job, const float *from, float sum[REDUCE_COLUMNS])
{
    memcpy(sum, from, REDUCE_COLUMNS * sizeof(float));
    for (int64_t p = 1; p < job->parts; p++)
        for (int j = 0; j < REDUCE_COLUMNS; j++)
            sum[j] += from[p * job->part_step + j];
}

static void reduce_at(const struct reduce_job *job, int64_t row, int64_t column, int64_t tap)
{
    int64_t taps = (int64_t)job->d->conv.kernel * job->d->conv.kernel;
    int64_t rows = job->rows - row < REDUCE_ROWS ? job->rows - row : REDUCE_ROWS;
    int64_t columns = job->columns - column;
    int64_t n = taps - tap < REDUCE_TAPS ? taps - tap : REDUCE_TAPS;
    reduce_block block;
    float sum[REDUCE_COLUMNS];
    columns = columns < REDUCE_COLUMNS ? columns : REDUCE_COLUMNS;
    for (int64_t t = 0; t < n; t++)
        for (int64_t r = 0; r < rows; r++) {
            add_parts(job,
                      job->sums + (tap + t) * job->tap_step + (row + r) * job->row_step + column,
                      sum);
            for (int j = 0; j < REDUCE_COLUMNS; j++)
                block[r][j][t] = sum[j];
        }
    for (int64_t j = 0; j < columns; j++)
        for (int64_t r = 0; r < rows; r++)
            memcpy(job->d->dw + (row + r) * job->row_to + (column + j) * job->column_to + tap,
                   block[r][j], (size_t)n * sizeof(float));
}

static int reduce_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct reduce_job *job = ctx;
    int64_t taps = (int64_t)job->d->conv.kernel * job->d->conv.kernel;
    (void)chunk;
    for (int64_t i = begin; i < end; i++)
        for (int64_t column = 0; column < job->columns; column += REDUCE_COLUMNS)
            for (int64_t tap = 0; tap < taps; tap += REDUCE_TAPS)
                reduce_at(job, i * REDUCE_ROWS, column, tap);
    return KILN_OK;
}

static int reduce(const kiln_host *h, struct reduce_job *job)
{
    return h->parallel_for(h, (job->rows + REDUCE_ROWS - 1) / REDUCE_ROWS, 1, reduce_rows, job);
}

int conv_grad_reduce(const kiln_host *h, const struct conv_grad *d, const float *sums,
                     int64_t parts, int64_t c_pad, int64_t width)
{
    int64_t taps = (int64_t)d->conv.kernel * d->conv.kernel;
    struct reduce_job job = {d,    sums, parts, taps * c_pad * width, c_pad * width, width,
                             d->c, d->o, taps,  d->c * taps};
    return reduce(h, &job);
}

// The product: rows of a tile are channels of a (or taps and channels of it), columns those of b.
struct grad_job {
    const kiln_host *h;
    const struct gemm_isa *isa;
    const struct conv_grad *d;
    struct map_f32 x, g;
    int spread;  // 0: taps read x in place; 1: x is spread by taps; 2: g is
    int flat;    // images of a unit, where the kernel covers each of them whole; else 0
    int64_t units, parts;
    int64_t rows;  // of all taps
    int64_t b_channels, width;
    float *sums;      // [parts][rows][width]
    float *totals;    // [parts][channels of the sum]
    int64_t *run[2];  // bytes between rows of pixels of x
};

// [pixels of at][tap][channel]: what each tap pairs with a pixel.
static void spread_taps(const struct grad_job *job, const float *from, float *to)
{
    const struct conv_grad *d = job->d;
    int64_t k = d->conv.kernel, s = d->conv.stride, pad = d->conv.pad;
    int64_t c = job->spread == 1 ? d->c : d->o;
    int64_t h = job->spread == 1 ? d->oh : d->ih, w = job->spread == 1 ? d->ow : d->iw;
    int64_t from_h = job->spread == 1 ? d->ih : d->oh, from_w = job->spread == 1 ? d->iw : d->ow;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t ky = 0; ky < k; ky++)
                for (int64_t kx = 0; kx < k; kx++, to += c) {
                    int64_t fy = job->spread == 1 ? y * s + ky - pad : y + pad - ky;
                    int64_t fx = job->spread == 1 ? x * s + kx - pad : x + pad - kx;
                    int inside = fy >= 0 && fy < from_h && fx >= 0 && fx < from_w;
                    for (int64_t i = 0; i < c; i++)
                        to[i] = inside ? from[(fy * from_w + fx) * c + i] : 0;
                }
}

// Pixels from first on in rows of width, in place where they are.
static const float *widen(const struct map_f32 *from, int64_t first, int64_t pixels, int64_t width,
                          float *to)
{
    if (from->c[0] == width)
        return from->data[0] + first * width;
    memset(to, 0, (size_t)(pixels * width) * sizeof(float));
    map_pixels(from, first, pixels, width, to);
    return to;
}

// Adds a product to rows of the sums.
static void add_product(const struct grad_job *job, struct gemm_args *args, const float *a,
                        const float *b, int64_t rows, float *sums)
{
    const struct gemm_isa *isa = job->isa;
    int64_t pieces = (rows + isa->rows - 1) / isa->rows;
    args->a_row = sizeof(float);
    args->b_step = job->width * (int64_t)sizeof(float);
    args->c_row = job->width * (int64_t)sizeof(float);
    args->accumulate = 1;
    for (int64_t j = 0; j < job->width; j += isa->columns)
        for (int64_t i = 0; i < pieces; i++) {
            int64_t r = rows * i / pieces;
            args->a = a + r;
            args->b = b + j;
            args->c = sums + r * job->width + j;
            isa->kernel[job->width - j >= isa->columns][WEIGHT_F32][rows * (i + 1) / pieces - r](
                args);
        }
}

static int64_t at_least_0(int64_t x)
{
    return x > 0 ? x : 0;
}

// One tap: the pixels of g whose partner lies inside image unit of x.
static void add_tap(const struct grad_job *job, int64_t unit, const float *g, int64_t ky,
                    int64_t kx, float *sums)
{
    const struct conv_grad *d = job->d;
    int64_t s = d->conv.stride, dy = ky - d->conv.pad, dx = kx - d->conv.pad;
    int64_t y0 = at_least_0((s - 1 - dy) / s), x0 = at_least_0((s - 1 - dx) / s);
    int64_t y1 = d->ih - 1 - dy < 0 ? 0 : (d->ih - 1 - dy) / s + 1;
    int64_t x1 = d->iw - 1 - dx < 0 ? 0 : (d->iw - 1 - dx) / s + 1;
    y1 = y1 < d->oh ? y1 : d->oh;
    x1 = x1 < d->ow ? x1 : d->ow;
    if (y0 >= y1 || x0 >= x1)
        return;
    int64_t pixel = (unit * d->ih + y0 * s + dy) * d->iw + x0 * s + dx;
    for (int part = 0; part < 2 && job->x.c[part]; part++) {
        int64_t c = job->x.c[part];
        struct gemm_args args = {
            .a_step = s * c * (int64_t)sizeof(float),
            .a_run = job->run[part],
            .b_run = d->ow * job->width * (int64_t)sizeof(float),
            .runs = y1 - y0,
            .steps = x1 - x0,
        };
        add_product(job, &args, job->x.data[part] + pixel * c, g + (y0 * d->ow + x0) * job->width,
                    c, sums);
        sums += c * job->width;
    }
}

static void add_flat(const struct grad_job *job, const float *a, int64_t rows, const float *b,
                     int64_t pixels, float *sums)
{
    const int64_t zero = 0;
    struct gemm_args args = {
        .a_step = rows * (int64_t)sizeof(float),
        .a_run = &zero,
        .runs = 1,
        .steps = pixels,
    };
    add_product(job, &args, a, b, rows, sums);
}

static void add_unit(const struct grad_job *job, int64_t unit, float *scratch, float *sums)
{
    const struct conv_grad *d = job->d;
    if (job->flat) {
        int64_t first = unit * job->flat, n = d->n - first < job->flat ? d->n - first : job->flat;
        const float *g = widen(&job->g, first, n, job->width, scratch);
        int64_t c = job->x.c[0], behind = job->x.c[1], taps = job->rows / (c + behind);
        add_flat(job, job->x.data[0] + first * taps * c, taps * c, g, n, sums);
        if (behind)  // and one tap
            add_flat(job, job->x.data[1] + first * behind, behind, g, n, sums + c * job->width);
        return;
    }
    int64_t x_pixels = d->ih * d->iw, g_pixels = d->oh * d->ow;
    int64_t pixels = job->spread == 2 ? x_pixels : g_pixels;
    const float *b =
        widen(job->spread == 2 ? &job->x : &job->g, unit * pixels, pixels, job->width, scratch);
    if (job->spread) {
        float *a = scratch + pixels * job->width;
        spread_taps(job,
                    job->spread == 1 ? job->x.data[0] + unit * x_pixels * d->c
                                     : job->g.data[0] + unit * g_pixels * d->o,
                    a);
        add_flat(job, a, job->rows, b, pixels, sums);
        return;
    }
    int64_t k = d->conv.kernel;
    for (int64_t tap = 0; tap < k * k; tap++)
        add_tap(job, unit, b, tap / k, tap % k, sums + tap * d->c * job->width);
}

static int grad_parts(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct grad_job *job = ctx;
    const struct conv_grad *d = job->d;
    int64_t big = d->ih * d->iw > d->oh * d->ow ? d->ih * d->iw : d->oh * d->ow;
    int64_t pixels = job->flat ? job->flat : big;  // of b in scratch
    int64_t channels = d->sum_x ? d->c : d->o, unit_rows = d->sum_x ? d->ih * d->iw : d->oh * d->ow;
    int64_t spread = job->spread ? job->rows : 0;
    kiln_tensor *owner;
    (void)chunk;
    size_t floats = (size_t)(pixels * (job->width + spread) + channels);
    float *scratch = scratch_new(job->h, floats * sizeof(float), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    float *total = scratch + pixels * (job->width + spread);
    for (int64_t part = begin; part < end; part++) {
        float *sums = job->sums + part * job->rows * job->width;
        float *totals = job->totals + part * channels;
        memset(sums, 0, (size_t)(job->rows * job->width) * sizeof(float));
        memset(totals, 0, (size_t)channels * sizeof(float));
        for (int64_t u = job->units * part / job->parts; u < job->units * (part + 1) / job->parts;
             u++) {
            add_unit(job, u, scratch, sums);
            if (!d->sum)
                continue;
            int64_t step = job->flat ? job->flat : 1, left = d->n - u * step;
            int64_t first = u * step * unit_rows, rows = (left < step ? left : step) * unit_rows;
            memset(total, 0, (size_t)channels * sizeof(float));
            job->isa->add_rows((d->sum_x ? job->x : job->g).data[0] + first * channels, rows,
                               channels, total);
            for (int64_t c = 0; c < channels; c++)
                totals[c] += total[c];
        }
    }
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static int run_grad(struct grad_job *job)
{
    const struct conv_grad *d = job->d;
    int64_t taps = (int64_t)d->conv.kernel * d->conv.kernel, channels = d->sum_x ? d->c : d->o;
    enum { FLAT = 256, FLAT_WHOLE = 32, FEW = 8, SPREAD_ROWS = 128 };
    kiln_tensor *owner;
    int whole = d->oh * d->ow == 1 && d->conv.pad == 0 && d->ih == d->conv.kernel && d->iw == d->ih;
    if (whole)  // an image of x has its pixels in the order of the taps
        job->flat = taps == 1 ? FLAT : FLAT_WHOLE;
    else if (d->c < FEW && d->c * taps <= SPREAD_ROWS && taps > 1)
        job->spread = 1;
    else if (d->o < FEW && d->o * taps <= SPREAD_ROWS && d->conv.stride == 1)
        job->spread = 2;
    job->rows = taps * (job->spread == 2 ? d->o : d->c);
    job->b_channels = job->spread == 2 ? d->c : d->o;
    job->width = packed_width(job->b_channels, job->isa->columns);
    job->units = job->flat ? (d->n + job->flat - 1) / job->flat : d->n;
    job->parts = conv_grad_parts(d, job->units);
    size_t sums = (size_t)(job->parts * job->rows * job->width);
    size_t totals = (size_t)(job->parts * channels + 15) & ~(size_t)15;
    char *scratch = scratch_new(
        job->h, (sums + totals) * sizeof(float) + 2 * (size_t)d->oh * sizeof(int64_t), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    job->sums = (float *)(void *)scratch;
    job->totals = job->sums + sums;
    for (int part = 0; part < 2; part++) {
        job->run[part] = (int64_t *)(void *)(job->totals + totals) + part * d->oh;
        int64_t row = d->conv.stride * d->iw * job->x.c[part] * (int64_t)sizeof(float);
        for (int64_t y = 0; y < d->oh; y++)
            job->run[part][y] = y * row;
    }
    int err = job->h->parallel_for(job->h, job->parts, 1, grad_parts, job);
    if (!err) {
        struct reduce_job r = {.d = d, .sums = job->sums, .parts = job->parts};
        r.part_step = job->rows * job->width;
        r.row_step = job->width;
        r.rows = job->rows / taps;
        r.columns = job->b_channels;
        r.tap_step = r.rows * job->width;
        r.row_to = job->spread == 2 ? d->c * taps : taps;
        r.column_to = job->spread == 2 ? taps : d->c * taps;
        err = reduce(job->h, &r);
    }
    for (int64_t c = 0; !err && d->sum && c < channels; c++) {
        d->sum[c] = 0;
        for (int64_t p = 0; p < job->parts; p++)
            d->sum[c] += job->totals[p * channels + c];
    }
    job->h->tensor_free(job->h, owner);
    return err;
}

int conv_f32_grad(const kiln_host *h, const struct gemm_isa *isa, const struct conv_grad *d)
{
    struct grad_job job = {.h = h, .isa = isa, .d = d};
    int err = map_f32(h, &d->x, &job.x);
    err = err ? err : map_f32(h, &d->g, &job.g);
    err = err ? err : run_grad(&job);
    map_f32_free(h, &job.x);
    map_f32_free(h, &job.g);
    return err;
}
