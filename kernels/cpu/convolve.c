// Separable convolution of images [n,c,h,w]: down the columns first, which needs no rearranging,
// then along each row while it is in the cache. Between the two nothing but a few rows is stored.
// The work is cut into bands of rows. Where the result takes the image's place, the rows around
// each band are saved before any is written, and within a band those written over are kept in a
// ring. SPDX-License-Identifier: MIT
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

enum { ROWS = 4, SHORT = 64 };  // rows at a time; sums of more taps than this go in parts

struct convolve_job {
    const kiln_host *h;
    const float *in;
    float *out;
    float *saved;  // of each band half rows above, half below; NULL: out is not in
    const float *kx, *ky;
    int64_t height, w, row;   // row: floats of a padded one
    int64_t band, bands;      // rows of a band, bands of a plane
    int64_t half, ring_rows;  // rows to either side that one depends on; as many, of whole ROWS
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

struct band {
    const float *plane, *saved;
    float *out;          // of the plane
    int64_t begin, end;  // its rows
};

// Items: (plane, band).
static struct band band_of(const struct convolve_job *j, int64_t item)
{
    int64_t plane = item / j->bands * j->height * j->w, begin = item % j->bands * j->band;
    return (struct band){
        .plane = j->in + plane,
        .saved = j->saved ? j->saved + item * 2 * j->half * j->w : NULL,
        .out = j->out + plane,
        .begin = begin,
        .end = begin + j->band < j->height ? begin + j->band : j->height,
    };
}

static void copy_rows(float *to, const float *from, int64_t rows, int64_t w)
{
    memcpy(to, from, (size_t)(rows * w) * sizeof(float));
}

static int save_bands(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct convolve_job *j = ctx;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        struct band b = band_of(j, item);
        float *saved = j->saved + item * 2 * j->half * j->w;
        int64_t above = b.begin < j->half ? b.begin : j->half;
        int64_t below = j->height - b.end < j->half ? j->height - b.end : j->half;
        copy_rows(saved + (j->half - above) * j->w, b.plane + (b.begin - above) * j->w, above,
                  j->w);
        copy_rows(saved + j->half * j->w, b.plane + b.end * j->w, below, j->w);
    }
    return KILN_OK;
}

struct scratch {
    float *rows;         // [ROWS] of a group, with their borders
    float *nothing;      // a row of zeros
    float *ring;         // rows [first - ring_rows, first) of the image, row r at r % ring_rows
    const float **from;  // [ny + ROWS - 1]
};

// Row r of the image while rows before first are written over; what no row left to be made depends
// on may be any.
static const float *row_of(const struct convolve_job *j, const struct band *b,
                           const struct scratch *s, int64_t first, int64_t r)
{
    if (r < 0)
        return s->nothing;
    if (!b->saved || (r >= first && r < b->end))
        return b->plane + r * j->w;
    return r < first ? s->ring + r % j->ring_rows * j->w : b->saved + (j->half + r - b->end) * j->w;
}

static void convolve_band(const struct convolve_job *j, const struct band *b,
                          const struct scratch *s)
{
    int64_t w = j->w, before = j->nx / 2;
    for (int64_t i = 1; b->saved && i <= j->half && i <= b->begin; i++)
        copy_rows(s->ring + (b->begin - i) % j->ring_rows * w, b->saved + (j->half - i) * w, 1, w);
    for (int64_t first = b->begin; first < b->end; first += ROWS) {
        int64_t n = b->end - first < ROWS ? b->end - first : ROWS;
        for (int64_t r = 0; r < j->ny + ROWS - 1; r++)
            s->from[r] = row_of(j, b, s, first, beyond(first + r - j->half, j->height, j->border));
        down(s->from, j->ky, j->ny, w, s->rows + before, j->row);
        if (b->saved)
            copy_rows(s->ring + first % j->ring_rows * w, b->plane + first * w, n, w);
        for (int64_t r = 0; r < n; r++) {
            add_border(j, s->rows + r * j->row);
            across(s->rows + r * j->row, j->kx, j->nx, w, b->out + (first + r) * w);
        }
    }
}

static int convolve_bands(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct convolve_job *j = ctx;
    int64_t reads = j->ny + ROWS - 1, ring = j->saved ? j->ring_rows * j->w : 0;
    kiln_tensor *floats, *pointers;
    (void)chunk;
    int err =
        j->h->tensor_new(j->h, NULL, KILN_F32, 1, (int64_t[]){(ROWS + 1) * j->row + ring}, &floats);
    if (err)
        return err;
    err = j->h->tensor_new(j->h, NULL, KILN_I64, 1, &reads, &pointers);
    if (err) {
        j->h->tensor_free(j->h, floats);
        return err;
    }
    struct scratch s = {.rows = kiln_f32(floats), .from = pointers->data};
    s.nothing = s.rows + ROWS * j->row;
    s.ring = s.nothing + j->row;
    memset(s.nothing, 0, (size_t)j->w * sizeof(float));
    for (int64_t item = begin; item < end; item++) {
        struct band b = band_of(j, item);
        convolve_band(j, &b, &s);
    }
    j->h->tensor_free(j->h, pointers);
    j->h->tensor_free(j->h, floats);
    return KILN_OK;
}

// Bands for a result in the image's place, few, since each of them costs the rows around it. Where
// those would come to half the image, all of it is copied instead: *saved is either.
static int save(struct convolve_job *j, const kiln_tensor *x, int64_t planes, kiln_tensor **saved)
{
    enum { BANDS = 32 };
    int64_t rows = planes * j->height, band = (rows / BANDS + ROWS - 1) / ROWS * ROWS;
    int64_t bands = (j->height + band - 1) / (band > 0 ? band : 1);
    if (band <= j->band || planes * bands * 2 * j->half > rows / 2) {
        int err = kiln_new_like(j->h, x, saved);
        err = err ? err : j->h->tensor_copy(j->h, *saved, x);
        j->in = err ? NULL : kiln_f32(*saved);
        return err;
    }
    int64_t shape[] = {planes * bands * 2 * j->half, j->w};
    int err = j->h->tensor_new(j->h, NULL, KILN_F32, 2, shape, saved);
    if (err)
        return err;
    j->band = band;
    j->bands = bands;
    j->saved = kiln_f32(*saved);
    return each(j->h, planes * bands, 1, save_bands, j);
}

static int convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx,
                    const float *ky, int ny, int border, kiln_tensor *out)
{
    static const float one[1] = {1};
    enum { BAND = 4 * ROWS };
    int64_t height = x->shape[2], width = x->shape[3], planes = x->shape[0] * x->shape[1];
    struct convolve_job job = {
        .h = h,
        .in = kiln_f32(x),
        .out = kiln_f32(out),
        .kx = kx,
        .ky = ny ? ky : one,
        .height = height,
        .w = width,
        .row = (width + nx + LANES) / LANES * LANES,
        .band = BAND,
        .bands = (height + BAND - 1) / BAND,
        .half = ny / 2,
        .ring_rows = (ny / 2 + ROWS) / ROWS * ROWS,
        .nx = nx,
        .ny = ny ? ny : 1,
        .border = border,
    };
    kiln_tensor *saved = NULL;
    int err = job.in == job.out && job.half ? save(&job, x, planes, &saved) : KILN_OK;
    err = err ? err
              : each(h, planes * job.bands, grain_of(width * job.band * 2), convolve_bands, &job);
    h->tensor_free(h, saved);
    return err;
}

void CPU(convolve_init)(kiln_ops *ops)
{
    ops->convolve = convolve;
}
