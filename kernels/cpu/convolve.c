// Separable convolution of images [n,c,h,w]: down the columns first, which needs no rearranging,
// then along each row while it is in the cache. Between the two nothing but a few rows is stored.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

enum { ROWS = 4, SHORT = 64 };  // rows at a time; sums of more taps than this go in parts

struct convolve_job {
    const kiln_host *h;
    const float *in;
    float *out;
    const float *kx, *ky;
    int64_t height, w, row, groups;  // row: floats of a padded one; groups of ROWS of a plane
    int nx, ny, border;
};

// Where position i outside of [0,n) takes its value from; -1: from nowhere.
static int64_t beyond(int64_t i, int64_t n, int border)
{
    if (i >= 0 && i < n)
        return i;
    if (border == KILN_ZERO)
        return -1;
    while (n > 1 && (i < 0 || i >= n))  // the edge itself is not repeated
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

static void load_two(const float *p, int64_t left, vec v[2])
{
    v[0] = v_load(p, left);
    v[1] = left > LANES ? v_load(p + LANES, left - LANES) : v_set(0);
}

// Sums are in registers only where loops over them are unrolled.
#define EACH_ROW(q) _Pragma("GCC unroll 4") for (int q = 0; q < ROWS; q++)

// ROWS output rows from input rows from[0 .. ny + ROWS - 1), which each of them shares with the
// others: two vectors of columns at a time.
static void down(const float *const *from, const float *k, int ny, int64_t w, float *out,
                 int64_t out_row)
{
    for (int64_t i = 0; i < w; i += 2 * LANES) {
        vec total[ROWS][2], sum[ROWS][2], x[2];
        EACH_ROW(q)
        {
            total[q][0] = total[q][1] = sum[q][0] = sum[q][1] = v_set(0);
        }
        for (int r = 0; r < ny + ROWS - 1; r++) {
            load_two(from[r] + i, w - i, x);
            if (r >= ROWS - 1 && r < ny) {
                EACH_ROW(q)
                {
                    vec tap = v_set(k[r - q]);
                    sum[q][0] = v_fma(tap, x[0], sum[q][0]);
                    sum[q][1] = v_fma(tap, x[1], sum[q][1]);
                }
            } else {
                EACH_ROW(q)
                {
                    if (r < q || r - q >= ny)
                        continue;
                    vec tap = v_set(k[r - q]);
                    sum[q][0] = v_fma(tap, x[0], sum[q][0]);
                    sum[q][1] = v_fma(tap, x[1], sum[q][1]);
                }
            }
            if (r % SHORT != SHORT - 1)
                continue;
            EACH_ROW(q)
            {
                total[q][0] = v_add(total[q][0], sum[q][0]);
                total[q][1] = v_add(total[q][1], sum[q][1]);
                sum[q][0] = sum[q][1] = v_set(0);
            }
        }
        EACH_ROW(q)
        {
            v_store(out + q * out_row + i, w - i, v_add(total[q][0], sum[q][0]));
            if (w - i > LANES)
                v_store(out + q * out_row + i + LANES, w - i - LANES,
                        v_add(total[q][1], sum[q][1]));
        }
    }
}

// One output row from one with its border.
static void across(const float *x, const float *k, int nx, int64_t w, float *out)
{
    int64_t i = 0;
    for (; i + 4 * LANES <= w; i += 4 * LANES) {
        vec total[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        for (int t = 0; t < nx;) {
            int stop = t + SHORT < nx ? t + SHORT : nx;
            vec a = v_set(0), b = a, c = a, d = a;
            for (; t < stop; t++) {
                const float *p = x + i + t;
                vec tap = v_set(k[t]);
                a = v_fma(tap, v_load(p, LANES), a);
                b = v_fma(tap, v_load(p + LANES, LANES), b);
                c = v_fma(tap, v_load(p + 2 * LANES, LANES), c);
                d = v_fma(tap, v_load(p + 3 * LANES, LANES), d);
            }
            total[0] = v_add(total[0], a);
            total[1] = v_add(total[1], b);
            total[2] = v_add(total[2], c);
            total[3] = v_add(total[3], d);
        }
        for (int q = 0; q < 4; q++)
            v_store(out + i + q * LANES, LANES, total[q]);
    }
    for (; i < w; i += LANES) {
        vec total = v_set(0);
        for (int t = 0; t < nx;) {
            int stop = t + SHORT < nx ? t + SHORT : nx;
            vec sum = v_set(0);
            for (; t < stop; t++)
                sum = v_fma(v_set(k[t]), v_load(x + i + t, w - i), sum);
            total = v_add(total, sum);
        }
        v_store(out + i, w - i, total);
    }
}

static void add_border(const struct convolve_job *j, float *row)
{
    int64_t before = j->nx / 2, w = j->w;
    for (int64_t i = 1; i <= before; i++) {
        int64_t left = beyond(-i, w, j->border), right = beyond(w - 1 + i, w, j->border);
        row[before - i] = left < 0 ? 0 : row[before + left];
        row[before + w - 1 + i] = right < 0 ? 0 : row[before + right];
    }
}

// Items: (plane, group of output rows).
static int convolve_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct convolve_job *j = ctx;
    int64_t w = j->w, before = j->nx / 2, reads = j->ny + ROWS - 1;
    kiln_tensor *scratch, *pointers;
    (void)chunk;
    int err = j->h->tensor_new(j->h, NULL, KILN_F32, 1, (int64_t[]){(ROWS + 1) * j->row}, &scratch);
    if (err)
        return err;
    err = j->h->tensor_new(j->h, NULL, KILN_I64, 1, &reads, &pointers);
    if (err) {
        j->h->tensor_free(j->h, scratch);
        return err;
    }
    float *rows = kiln_f32(scratch), *nothing = rows + ROWS * j->row;
    const float **from = pointers->data;
    for (int64_t i = 0; i < w; i++)
        nothing[i] = 0;
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item % j->groups * ROWS;
        const float *plane = j->in + item / j->groups * j->height * w;
        float *out = j->out + (item / j->groups * j->height + first) * w;
        int64_t n = j->height - first < ROWS ? j->height - first : ROWS;
        for (int64_t r = 0; r < reads; r++) {
            int64_t at = beyond(first + r - j->ny / 2, j->height, j->border);
            from[r] = at < 0 ? nothing : plane + at * w;
        }
        down(from, j->ky, j->ny, w, rows + before, j->row);
        for (int64_t r = 0; r < n; r++) {
            add_border(j, rows + r * j->row);
            across(rows + r * j->row, j->kx, j->nx, w, out + r * w);
        }
    }
    j->h->tensor_free(j->h, pointers);
    j->h->tensor_free(j->h, scratch);
    return KILN_OK;
}

static int convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx,
                    const float *ky, int ny, int border, kiln_tensor *out)
{
    static const float one[1] = {1};
    int64_t height = x->shape[2], width = x->shape[3];
    struct convolve_job job = {
        .h = h,
        .in = kiln_f32(x),
        .out = kiln_f32(out),
        .kx = kx,
        .ky = ny ? ky : one,
        .height = height,
        .w = width,
        .row = (width + nx + LANES) / LANES * LANES,
        .groups = (height + ROWS - 1) / ROWS,
        .nx = nx,
        .ny = ny ? ny : 1,
        .border = border,
    };
    int64_t grain = grain_of(width * ROWS * 2);
    return each(h, x->shape[0] * x->shape[1] * job.groups, grain < 4 ? 4 : grain, convolve_items,
                &job);
}

void CPU(convolve_init)(kiln_ops *ops)
{
    ops->convolve = convolve;
}
