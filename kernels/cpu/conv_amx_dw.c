// Weight gradients on AMX. Per tap a matrix product over pixels: rows are channels of x, columns
// channels of g, and the depth is the sequence of pixels of a block, in which a tap is a shift. So
// x is turned, channel by channel, with its border; g becomes tiles of pairs of pixels, with zeros
// at positions that are no pixel. SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_amx.h"

struct grad_job {
    const kiln_host *h;
    const struct gemm_isa *isa;
    const struct conv_grad *d;
    int parts;
    int x_bf16, g_bf16;
    struct conv_geometry geometry;
    struct conv_plan plan;
    const struct conv_tap *taps;
    int64_t depth;   // positions of a block, whole steps
    int64_t c, o;    // channels, whole tiles
    int64_t line;    // positions of one channel of x in scratch
    int64_t x_part;  // bytes of a part of x
    int64_t sum_parts;
    const int64_t *steps;
    float *sums;    // [sum_parts][tap][c][o]
    float *totals;  // [sum_parts][channels of the sum]
};

// Sixteen rows of 16 words, turned in place.
static inline void turn(__m512i v[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

// Pixels of x at each position of a plane, -1 where there is none.
static void plane_pixels(const struct grad_job *job, const struct conv_block *b, int64_t plane,
                         int64_t *at)
{
    const struct conv_plan *p = &job->plan;
    int64_t s = p->g->in_stride, first, last;
    conv_block_range(p, b, &first, &last);
    for (int64_t i = 0; i < job->line; i++)
        at[i] = -1;
    for (int64_t i = 0; i < b->images; i++)
        for (int64_t y = first; y < last; y++) {
            int64_t iy = y * s + plane / s, row = conv_block_row(p, b, i, y);
            if (iy >= p->ih)
                break;
            for (int64_t x = 0, ix = plane % s; x < p->plane_w && ix < p->iw; x++, ix += s)
                at[row + x] = ((b->image + i) * p->ih + iy) * p->iw + ix;
        }
}

// Zeros for no pixel; no branch, since borders are everywhere.
static inline __m512 load_pixel(const void *data, int bf16, int64_t at, __mmask16 m)
{
    m = at < 0 ? 0 : m;
    at = at < 0 ? 0 : at;
    fetch_ahead((const float *)data + at);
    if (!bf16)
        return _mm512_maskz_loadu_ps(m, (const float *)data + at);
    __m256i x = _mm256_maskz_loadu_epi16(m, (const uint16_t *)data + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

static inline __mmask16 first_lanes(int64_t n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

#define INLINE static inline __attribute__((always_inline))

// A tensor of x as [channel][position], one plane and all parts. at: its pixels.
INLINE void turn_parts(const struct grad_job *job, int which, const int64_t *at, char *to,
                       int parts, int bf16)
{
    const char *x = tensor_at(job->d->x.t[which]);
    int64_t row_bytes = job->line * 2, size = bf16 ? 2 : 4, channels = job->d->x.c[which];
    for (int64_t m = 0; m < job->line; m += 32)
        for (int64_t c = 0; c < channels; c += 16) {
            __m512i v[3][16];
            __mmask16 mask = first_lanes(channels - c);
            for (int i = 0; i < 16; i++) {
                __m512 p = load_pixel(x + c * size, bf16, at[m + 2 * i] * channels, mask);
                __m512 q = load_pixel(x + c * size, bf16, at[m + 2 * i + 1] * channels, mask);
                for (int part = 0; part < parts; part++)
                    v[part][i] = split_pairs(&p, &q);
            }
            for (int part = 0; part < parts; part++) {
                char *row = to + part * job->x_part + (c * job->line + m) * 2;
                turn(v[part]);
                for (int i = 0; i < 16; i++)
                    _mm512_storeu_si512(row + i * row_bytes, v[part][i]);
            }
        }
}

static int64_t panel_tiles(const struct grad_job *job, int64_t panel)
{
    return smaller(2, job->o / 16 - panel * 2);
}

// A tensor of g as tiles: [panel][step][part][tile]. at: its pixels.
INLINE void tile_parts(const struct grad_job *job, int which, const int64_t *at, char *to,
                       int parts, int bf16)
{
    const char *g = tensor_at(job->d->g.t[which]);
    int64_t size = bf16 ? 2 : 4, steps = job->depth / TILE_DEPTH, channels = job->d->g.c[which];
    int64_t before = which ? job->d->g.c[0] / 16 : 0;
    for (int64_t m = 0; m < job->depth; m += 2)
        for (int64_t c = 0; c < channels; c += 16) {
            int64_t tile = before + c / 16, panel = tile / 2, tiles = panel_tiles(job, panel);
            char *row = to + (panel * 2 * steps + m / TILE_DEPTH * tiles) * parts * TILE_BYTES +
                        tile % 2 * TILE_BYTES + m % TILE_DEPTH * 32;
            __mmask16 mask = first_lanes(channels - c);
            __m512 p = load_pixel(g + c * size, bf16, at[m] * channels, mask);
            __m512 q = load_pixel(g + c * size, bf16, at[m + 1] * channels, mask);
            for (int part = 0; part < parts; part++)
                _mm512_storeu_si512(row + part * tiles * TILE_BYTES, split_pairs(&p, &q));
        }
}

static void turn_x(const struct grad_job *job, const int64_t *at, char *to)
{
    for (int i = 0; i < 2 && job->d->x.c[i]; i++, to += job->d->x.c[0] * job->line * 2)
        if (job->parts == 2 && !job->x_bf16)
            turn_parts(job, i, at, to, 2, 0);
        else if (job->parts == 1 && job->x_bf16)
            turn_parts(job, i, at, to, 1, 1);
        else
            turn_parts(job, i, at, to, job->parts, job->x_bf16);
}

static void tile_g(const struct grad_job *job, int64_t *at, int64_t positions, char *to)
{
    for (int64_t m = positions; m < job->depth; m++)
        at[m] = -1;
    for (int i = 0; i < 2 && job->d->g.c[i]; i++)
        if (job->parts == 2 && !job->g_bf16)
            tile_parts(job, i, at, to, 2, 0);
        else if (job->parts == 1 && job->g_bf16)
            tile_parts(job, i, at, to, 1, 1);
        else
            tile_parts(job, i, at, to, job->parts, job->g_bf16);
}

static void add_block(const struct grad_job *job, const char *x, const char *g, float *sums)
{
    int64_t k = job->d->conv.kernel;
    struct tile_args args = {
        .a_row = job->line * 2,
        .a_part = job->x_part,
        .a_step = job->steps,
        .steps = job->depth / TILE_DEPTH,
        .c_row = job->o * (int64_t)sizeof(float),
        .accumulate = 1,
    };
    for (int64_t panel = 0; panel * 32 < job->o; panel++) {
        int64_t tiles = panel_tiles(job, panel);
        args.b = g + panel * 2 * job->parts * args.steps * TILE_BYTES;
        for (int64_t c = 0; c < job->c; c += 32)
            for (int64_t t = 0; t < k * k; t++) {
                const struct conv_tap *tap = &job->taps[t];
                int64_t shift =
                    conv_tap_position(&job->plan, tap) - tap->plane * job->plan.plane_positions;
                args.a = x + ((tap->plane * job->c + c) * job->line + shift) * 2;
                args.c = sums + ((tap->ky * k + tap->kx) * job->c + c) * job->o + panel * 32;
                tile_kernels[job->parts - 1][job->c - c > 16][tiles - 1](&args);
            }
    }
}

// Sums over the pixels of whole images, each time an image begins.
static void add_totals(const struct grad_job *job, const struct conv_block *b, float *totals)
{
    const struct conv_grad *d = job->d;
    const kiln_tensor *t = d->sum_x ? d->x.t[0] : d->g.t[0];
    int64_t channels = d->sum_x ? d->c : d->o, bf16 = d->sum_x ? job->x_bf16 : job->g_bf16;
    int64_t pixels = d->sum_x ? d->ih * d->iw : d->oh * d->ow;
    int64_t first = b->image * pixels, count = b->images * pixels;
    // Of a single column of pixels, the rows of the block.
    int64_t column = d->iw == 1 && d->ow == 1 && d->ih == d->oh;
    if (column) {
        first += b->row;
        count = b->images > 1 ? count : b->rows;
    } else if (b->row) {
        return;
    }
    for (int64_t c = 0; c < channels; c += 16) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t i = first; i < first + count; i++)
            sum = _mm512_add_ps(sum,
                                load_row(tensor_at(t), (int)bf16, i * channels + c, channels - c));
        __mmask16 m =
            channels - c >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (channels - c)) - 1);
        _mm512_mask_storeu_ps(totals + c, m,
                              _mm512_add_ps(sum, _mm512_maskz_loadu_ps(m, totals + c)));
    }
}

static int grad_parts(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct grad_job *job = ctx;
    const struct conv_grad *d = job->d;
    int64_t planes = (int64_t)job->geometry.in_stride * job->geometry.in_stride;
    int64_t taps = (int64_t)d->conv.kernel * d->conv.kernel, size = taps * job->c * job->o;
    int64_t x_bytes = round_up(job->parts * job->x_part, 64);
    int64_t g_bytes = job->depth * job->o * 2 * job->parts;
    int64_t channels = d->sum_x ? d->c : d->o, blocks = job->plan.blocks;
    int64_t longest = job->line > job->depth ? job->line : job->depth;
    kiln_tensor *owner;
    (void)chunk;
    char *scratch = scratch_new(
        job->h, (size_t)(x_bytes + g_bytes) + (size_t)longest * sizeof(int64_t), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    char *g = scratch + x_bytes;
    int64_t *at = (int64_t *)(void *)(g + g_bytes);
    tiles_begin();
    for (int64_t part = begin; part < end; part++) {
        float *sums = job->sums + part * size, *totals = job->totals + part * channels;
        memset(sums, 0, (size_t)size * sizeof(float));
        memset(totals, 0, (size_t)channels * sizeof(float));
        for (int64_t i = blocks * part / job->sum_parts; i < blocks * (part + 1) / job->sum_parts;
             i++) {
            struct conv_block b;
            conv_block_init(&b, &job->plan, i);
            for (int64_t plane = 0; plane < planes; plane++) {
                plane_pixels(job, &b, plane, at);
                turn_x(job, at, scratch + plane * job->c * job->line * 2);
            }
            // All images of the block are one run here.
            b.positions += (b.segments - 1) * b.segment_step;
            conv_positions(&job->plan, &b, 0, 0, at);
            tile_g(job, at, b.positions, g);
            add_block(job, scratch, g, sums);
            if (d->sum)
                add_totals(job, &b, totals);
        }
    }
    tiles_end();
    job->h->tensor_free(job->h, owner);
    return KILN_OK;
}

static void plan(struct grad_job *job)
{
    const struct conv_grad *d = job->d;
    kiln_conv conv = d->conv;
    conv.transposed = 0;
    conv_geometry_init(&job->geometry, &conv, 0);
    job->c = round_up(d->c, 16);
    job->o = round_up(d->o, 16);
    int64_t n = d->n, ih = d->ih, oh = d->oh;
    if (d->ih * d->iw * d->oh * d->ow == 1 && d->conv.kernel == 1) {  // rows without maps
        ih = oh = n;
        n = 1;
    }
    conv_plan_init(&job->plan, &job->geometry, n, ih, d->iw, oh, d->ow,
                   (job->c + job->o) * 2 * job->parts);
    const struct conv_plan *p = &job->plan;
    int64_t positions = ((p->images - 1) * p->rows + p->block_rows - 1) * p->pitch + p->phase_w;
    int64_t furthest = (job->geometry.dy1 - job->geometry.dy0) * (p->pitch + 1);
    job->depth = round_up(positions, TILE_DEPTH);
    job->line = round_up(job->depth + furthest, 32);
    job->line = round_up(job->line < p->plane_positions ? p->plane_positions : job->line, 32);
    // Channels lie an odd number of cache lines apart.
    job->line += job->line / 32 % 2 ? 0 : 32;
    job->x_part =
        (int64_t)job->geometry.in_stride * job->geometry.in_stride * job->c * job->line * 2;
    job->sum_parts = conv_grad_parts(d, p->blocks);
}

int conv_amx_grad(const kiln_host *h, const struct gemm_isa *isa, int parts,
                  const struct conv_grad *d)
{
    struct grad_job job = {.h = h, .isa = isa, .d = d, .parts = parts};
    int64_t taps = (int64_t)d->conv.kernel * d->conv.kernel, channels = d->sum_x ? d->c : d->o;
    kiln_tensor *owner;
    job.x_bf16 = tensor_type(d->x.t[0]) == WEIGHT_BF16;
    job.g_bf16 = tensor_type(d->g.t[0]) == WEIGHT_BF16;
    plan(&job);
    size_t sums = (size_t)(job.sum_parts * taps * job.c * job.o) * sizeof(float);
    size_t totals = (size_t)round_up(job.sum_parts * channels, 16) * sizeof(float);
    size_t steps = (size_t)round_up(job.depth / TILE_DEPTH, 8) * sizeof(int64_t);
    char *scratch =
        scratch_new(h, sums + totals + steps + (size_t)taps * sizeof(struct conv_tap), &owner);
    if (!scratch)
        return KILN_ERR_MEMORY;
    job.sums = (float *)(void *)scratch;
    job.totals = (float *)(void *)(scratch + sums);
    int64_t *step = (int64_t *)(void *)(scratch + sums + totals);
    for (int64_t i = 0; i < job.depth / TILE_DEPTH; i++)
        step[i] = i * TILE_DEPTH * 2;
    job.steps = step;
    struct conv_tap *tap = (struct conv_tap *)(void *)(scratch + sums + totals + steps);
    conv_taps(&job.geometry, 0, tap);
    job.taps = tap;
    int err = h->parallel_for(h, job.sum_parts, 1, grad_parts, &job);
    if (!err)
        err = conv_grad_reduce(h, d, job.sums, job.sum_parts, job.c, job.o);
    for (int64_t c = 0; !err && d->sum && c < channels; c++) {
        d->sum[c] = 0;
        for (int64_t p = 0; p < job.sum_parts; p++)
            d->sum[c] += job.totals[p * channels + c];
    }
    h->tensor_free(h, owner);
    return err;
}
