// Norms of single rows: of tokens.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

struct row_job {
    const float *x, *gamma, *beta;  // beta NULL: root mean square, without a mean
    float *out;
    int64_t c;
    double eps;
};

// The sum of (x - mean)^2.
static double spread_of(const float *x, int64_t c, float mean)
{
    enum { SHORT = 1024 };  // sums of more than this are of doubles
    double total = 0;
    for (int64_t i = 0; i < c;) {
        int64_t stop = i + SHORT < c ? i + SHORT : c;
        vec sum = v_set(0);
        for (; i < stop; i += LANES) {
            vec d = v_sub(v_load(x + i, c - i), v_set(mean));
            if (c - i < LANES) {  // what is behind the end counts as mean, not as 0
                float tail[LANES];
                v_store(tail, LANES, d);
                for (int k = 0; k < c - i; k++)
                    total += (double)tail[k] * (double)tail[k];
                continue;
            }
            sum = v_fma(d, d, sum);
        }
        total += v_sum(sum);
    }
    return total;
}

static double mean_of(const float *x, int64_t c)
{
    enum { SHORT = 1024 };
    double total = 0;
    for (int64_t i = 0; i < c;) {
        int64_t stop = i + SHORT < c ? i + SHORT : c;
        vec sum = v_set(0);
        for (; i < stop; i += LANES)
            sum = v_add(sum, v_load(x + i, c - i));
        total += v_sum(sum);
    }
    return total / (double)c;
}

static int norm_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct row_job *j = ctx;
    int64_t c = j->c;
    (void)chunk;
    for (int64_t r = begin; r < end; r++) {
        const float *x = j->x + r * c;
        float mean = j->beta ? (float)mean_of(x, c) : 0;
        float inverse = (float)(1 / sqrt(spread_of(x, c, mean) / (double)c + j->eps));
        for (int64_t i = 0; i < c; i += LANES) {
            int64_t left = c - i;
            vec y = v_mul(v_sub(v_load(x + i, left), v_set(mean)), v_set(inverse));
            vec beta = j->beta ? v_load(j->beta + i, left) : v_set(0);
            v_store(j->out + r * c + i, left, v_fma(y, v_load(j->gamma + i, left), beta));
        }
    }
    return KILN_OK;
}

static int layer_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, kiln_tensor *out)
{
    int64_t c = channels_of(x);
    struct row_job job = {kiln_f32(x), kiln_f32(gamma), kiln_f32(beta), kiln_f32(out),
                          c,           (double)eps};
    return each(h, kiln_numel(x) / c, grain_of(c), norm_rows, &job);
}

static int rms_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                    kiln_tensor *out)
{
    int64_t c = channels_of(x);
    struct row_job job = {kiln_f32(x), kiln_f32(gamma), NULL, kiln_f32(out), c, (double)eps};
    return each(h, kiln_numel(x) / c, grain_of(c), norm_rows, &job);
}

void CPU(row_norm_init)(kiln_ops *ops)
{
    ops->layer_norm = layer_norm;
    ops->rms_norm = rms_norm;
}
