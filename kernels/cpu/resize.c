// Resampling of images [n,c,h,w]: down the columns first, which needs no rearranging, then along
// the rows of what is left, LANES rows side by side. Between the two nothing but a few rows is
// stored. SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec_transpose.h"
#include "kernels/ref/taps.h"

#include <stdlib.h>

enum { STRIP = 256, SHORT = 64 };  // columns at a time; sums of more taps than this go in parts

struct axis {
    struct taps *taps;
    float *weight;   // of all outputs, one behind the other
    int64_t *start;  // where in weight those of an output begin
};

struct resize_job {
    const kiln_host *h;
    const float *x;
    float *out;
    int64_t ih, iw, oh, ow, groups;  // groups of LANES output rows of a plane
    struct axis across, down;
};

static int axis_init(struct axis *a, int filter, int antialias, int align_corners, int64_t n,
                     int64_t m)
{
    int64_t total = 0;
    a->taps = taps_new(filter, antialias, align_corners, n, m);
    for (int64_t i = 0; a->taps && i < m; i++)
        total += a->taps[i].count;
    a->weight = malloc((size_t)total * sizeof(float));
    a->start = malloc((size_t)m * sizeof(int64_t));
    if (!a->taps || !a->weight || !a->start)
        return KILN_ERR_MEMORY;
    total = 0;
    for (int64_t i = 0; i < m; i++) {
        a->start[i] = total;
        for (int64_t t = 0; t < a->taps[i].count; t++)
            a->weight[total++] = (float)a->taps[i].weight[t];
    }
    return KILN_OK;
}

static void axis_free(struct axis *a)
{
    free(a->taps);
    free(a->weight);
    free(a->start);
}

// One output row of columns [0,n), n <= STRIP: sums down the columns of x.
static void sum_down(const float *x, int64_t row, const float *weight, int64_t count, int64_t n,
                     float *out)
{
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vec total[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        for (int64_t t = 0; t < count;) {
            int64_t stop = t + SHORT < count ? t + SHORT : count;
            vec a = v_set(0), b = a, c = a, d = a;
            for (; t < stop; t++) {
                const float *p = x + t * row + i;
                vec w = v_set(weight[t]);
                a = v_fma(w, v_load(p, LANES), a);
                b = v_fma(w, v_load(p + LANES, LANES), b);
                c = v_fma(w, v_load(p + 2 * LANES, LANES), c);
                d = v_fma(w, v_load(p + 3 * LANES, LANES), d);
            }
            total[0] = v_add(total[0], a);
            total[1] = v_add(total[1], b);
            total[2] = v_add(total[2], c);
            total[3] = v_add(total[3], d);
        }
        for (int k = 0; k < 4; k++)
            v_store(out + i + k * LANES, LANES, total[k]);
    }
    for (; i < n; i += LANES) {
        vec total = v_set(0);
        for (int64_t t = 0; t < count;) {
            int64_t stop = t + SHORT < count ? t + SHORT : count;
            vec a = v_set(0);
            for (; t < stop; t++)
                a = v_fma(v_set(weight[t]), v_load(x + t * row + i, n - i), a);
            total = v_add(total, a);
        }
        v_store(out + i, LANES, total);
    }
}

// Output rows first .. first + rows, before anything happens along them: column [i] of all of them
// together, [iw][LANES].
static void rows_down(const struct resize_job *j, const float *plane, int64_t first, int64_t rows,
                      float *strip, float *columns)
{
    for (int64_t at = 0; at < j->iw; at += STRIP) {
        int64_t n = j->iw - at < STRIP ? j->iw - at : STRIP;
        for (int64_t r = 0; r < rows; r++) {
            const struct taps *t = &j->down.taps[first + r];
            sum_down(plane + t->first * j->iw + at, j->iw,
                     j->down.weight + j->down.start[first + r], t->count, n, strip + r * STRIP);
        }
        for (int64_t i = 0; i < n; i += LANES) {
            vec v[LANES];
            for (int64_t r = 0; r < LANES; r++)
                v[r] = r < rows ? v_load(strip + r * STRIP + i, LANES) : v_set(0);
            v_transpose(v);
            for (int64_t k = 0; k < LANES && i + k < n; k++)
                v_store(columns + (at + i + k) * LANES, LANES, v[k]);
        }
    }
}

static inline vec pixel_across(const struct axis *a, int64_t i, const float *columns)
{
    const float *weight = a->weight + a->start[i], *x = columns + a->taps[i].first * LANES;
    int64_t count = a->taps[i].count;
    vec total = v_set(0);
    for (int64_t t = 0; t < count;) {
        int64_t stop = t + SHORT < count ? t + SHORT : count;
        vec sum = v_set(0);
        for (; t < stop; t++)
            sum = v_fma(v_set(weight[t]), v_load(x + t * LANES, LANES), sum);
        total = v_add(total, sum);
    }
    return total;
}

static void rows_across(const struct resize_job *j, const float *columns, int64_t rows, float *out)
{
    for (int64_t i = 0; i < j->ow; i += LANES) {
        vec v[LANES];
        for (int64_t k = 0; k < LANES; k++)
            v[k] = i + k < j->ow ? pixel_across(&j->across, i + k, columns) : v_set(0);
        v_transpose(v);
        for (int64_t r = 0; r < rows; r++)
            v_store(out + r * j->ow + i, j->ow - i, v[r]);
    }
}

// Items: (plane, group of output rows).
static int resize_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct resize_job *j = ctx;
    kiln_tensor *scratch;
    (void)chunk;
    int err = j->h->tensor_new(j->h, NULL, KILN_F32, 1, (int64_t[]){LANES * STRIP + j->iw * LANES},
                               &scratch);
    if (err)
        return err;
    float *strip = kiln_f32(scratch), *columns = strip + LANES * STRIP;
    for (int64_t item = begin; item < end; item++) {
        int64_t plane = item / j->groups, first = item % j->groups * LANES;
        int64_t rows = j->oh - first < LANES ? j->oh - first : LANES;
        rows_down(j, j->x + plane * j->ih * j->iw, first, rows, strip, columns);
        rows_across(j, columns, rows, j->out + (plane * j->oh + first) * j->ow);
    }
    j->h->tensor_free(j->h, scratch);
    return KILN_OK;
}

static int resize(const kiln_host *h, const kiln_tensor *x, int filter, int antialias,
                  int align_corners, kiln_tensor *out)
{
    struct resize_job job = {
        .h = h,
        .x = kiln_f32(x),
        .out = kiln_f32(out),
        .ih = x->shape[2],
        .iw = x->shape[3],
        .oh = out->shape[2],
        .ow = out->shape[3],
    };
    int err = axis_init(&job.across, filter, antialias, align_corners, job.iw, job.ow);
    if (!err)
        err = axis_init(&job.down, filter, antialias, align_corners, job.ih, job.oh);
    if (err)
        err = h->fail(h, err, "no memory for the weights of a resize");
    job.groups = (job.oh + LANES - 1) / LANES;
    int64_t planes = x->shape[0] * x->shape[1];
    int64_t taps = 1 + job.ih / job.oh, values = LANES * (job.iw * taps + job.ow);
    if (!err)
        err = each(h, planes * job.groups, grain_of(values), resize_items, &job);
    axis_free(&job.across);
    axis_free(&job.down);
    return err;
}

void CPU(resize_init)(kiln_ops *ops)
{
    ops->resize = resize;
}
