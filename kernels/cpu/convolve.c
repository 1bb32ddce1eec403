// Separable convolution of images [n,c,h,w].
// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

struct convolve_job {
    const float *in;
    float *out, *padded;  // padded: a row with its border, for each chunk
    const float *kernel;
    int64_t h, w, row;  // row: floats of a padded one
    int taps, border;
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

// Items: rows of all planes.
static int along_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct convolve_job *j = ctx;
    int64_t before = j->taps / 2, w = j->w;
    float *row = j->padded + chunk * j->row;
    for (int64_t r = begin; r < end; r++) {
        const float *in = j->in + r * w;
        for (int64_t i = 0; i < w; i += LANES)
            v_store(row + before + i, w - i, v_load(in + i, w - i));
        for (int64_t i = 1; i <= before; i++) {
            int64_t left = beyond(-i, w, j->border), right = beyond(w - 1 + i, w, j->border);
            row[before - i] = left < 0 ? 0 : in[left];
            row[before + w - 1 + i] = right < 0 ? 0 : in[right];
        }
        for (int64_t i = 0; i < w; i += LANES) {
            vec sum = v_set(0);
            for (int t = 0; t < j->taps; t++)
                sum = v_fma(v_set(j->kernel[t]), v_load(row + i + t, w - i), sum);
            v_store(j->out + r * w + i, w - i, sum);
        }
    }
    return KILN_OK;
}

static int along_columns(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct convolve_job *j = ctx;
    int64_t w = j->w;
    (void)chunk;
    for (int64_t r = begin; r < end; r++) {
        int64_t y = r % j->h;
        const float *plane = j->in + (r - y) * w;
        for (int64_t i = 0; i < w; i += LANES) {
            vec sum = v_set(0);
            for (int t = 0; t < j->taps; t++) {
                int64_t from = beyond(y + t - j->taps / 2, j->h, j->border);
                if (from >= 0)
                    sum = v_fma(v_set(j->kernel[t]), v_load(plane + from * w + i, w - i), sum);
            }
            v_store(j->out + r * w + i, w - i, sum);
        }
    }
    return KILN_OK;
}

static int convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx,
                    const float *ky, int ny, int border, kiln_tensor *out)
{
    int64_t height = x->shape[2], width = x->shape[3], rows = x->shape[0] * x->shape[1] * height;
    int64_t grain = grain_of(width * nx), chunks = (rows + grain - 1) / grain;
    int64_t padded = (width + nx + LANES) / LANES * LANES, between = ny ? rows * width : 0;
    kiln_tensor *scratch;
    int err = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){chunks * padded + between}, &scratch);
    if (err)
        return err;
    float *row = kiln_f32(scratch), *middle = row + chunks * padded;
    struct convolve_job job = {
        kiln_f32(x), ny ? middle : kiln_f32(out), row, kx, height, width, padded, nx, border};
    err = each(h, rows, grain, along_rows, &job);
    if (!err && ny) {
        job.in = middle;
        job.out = kiln_f32(out);
        job.kernel = ky;
        job.taps = ny;
        err = each(h, rows, grain, along_columns, &job);
    }
    h->tensor_free(h, scratch);
    return err;
}

void CPU(convolve_init)(kiln_ops *ops)
{
    ops->convolve = convolve;
}
