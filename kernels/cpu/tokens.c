// Rows by number, repeated pixels, and means of tokens: memory moved, little computed.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/conv_plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

struct gather_job {
    const void *table;
    const int32_t *index;
    float *out;
    int64_t c;
    int type;  // WEIGHT_* of the table
};

static int gather_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct gather_job *j = ctx;
    (void)chunk;
    for (int64_t r = begin; r < end; r++) {
        float *out = j->out + r * j->c;
        const float *row = (const float *)j->table + j->index[r] * j->c;
        const uint16_t *half = (const uint16_t *)j->table + j->index[r] * j->c;
        for (int64_t i = 0; i < j->c; i += LANES) {
            int64_t left = j->c - i;
            vec x = j->type == WEIGHT_F32   ? v_load(row + i, left)
                    : j->type == WEIGHT_F16 ? v_load_f16(half + i, left)
                                            : v_load_bf16(half + i, left);
            v_store(out + i, left, x);
        }
    }
    return KILN_OK;
}

static int gather(const kiln_host *h, const kiln_tensor *table, const kiln_tensor *index,
                  kiln_tensor *out)
{
    struct gather_job job = {tensor_at(table), i32_of(index), kiln_f32(out), table->shape[1],
                             tensor_type(table)};
    return each(h, index->shape[0], grain_of(job.c), gather_rows, &job);
}

struct repeat_job {
    const float *x;
    float *out;
    int64_t k, h, w, c;  // h, w of x
};

// Items: rows of x. The first of the k rows that come of one is copied to the others.
static int repeat_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct repeat_job *j = ctx;
    int64_t c = j->c, width = j->w * j->k * c;
    (void)chunk;
    for (int64_t row = begin; row < end; row++) {
        const float *x = j->x + row * j->w * c;
        float *out = j->out + row * j->k * width;
        for (int64_t p = 0; p < j->w; p++)
            for (int64_t i = 0; i < c; i += LANES) {
                vec v = v_load(x + p * c + i, c - i);
                for (int64_t t = 0; t < j->k; t++)
                    v_store(out + (p * j->k + t) * c + i, c - i, v);
            }
        for (int64_t t = 1; t < j->k; t++)
            for (int64_t i = 0; i < width; i += LANES)
                v_store(out + t * width + i, width - i, v_load(out + i, width - i));
    }
    return KILN_OK;
}

static int repeat2d(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    struct repeat_job job = {kiln_f32(x), kiln_f32(out), k, x->shape[1], x->shape[2], x->shape[3]};
    return each(h, x->shape[0] * job.h, grain_of(job.w * job.c * k * k), repeat_rows, &job);
}

struct mean_job {
    const float *x;
    float *out;
    int64_t l, c;
};

// Sums are of doubles. Items: (image, LANES / 2 channels).
static int mean_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct mean_job *j = ctx;
    const int64_t step = LANES / 2, per_image = (j->c + step - 1) / step;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t image = item / per_image, i = item % per_image * step;
        const float *x = j->x + image * j->l * j->c + i;
        float *out = j->out + image * j->c + i;
        if (j->c - i < step) {
            for (int64_t k = 0; k < j->c - i; k++) {
                double sum = 0;
                for (int64_t t = 0; t < j->l; t++)
                    sum += (double)x[t * j->c + k];
                out[k] = (float)(sum / (double)j->l);
            }
            continue;
        }
        vecd sum = v_set_double(0);
        for (int64_t t = 0; t < j->l; t++)
            sum = v_add_double(sum, v_load_double(x + t * j->c));
        v_store_double(out, v_mul_double(sum, v_set_double(1 / (double)j->l)));
    }
    return KILN_OK;
}

static int mean_tokens(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    struct mean_job job = {kiln_f32(x), kiln_f32(out), x->shape[1], x->shape[2]};
    int64_t per_image = (job.c + LANES / 2 - 1) / (LANES / 2);
    return each(h, x->shape[0] * per_image, grain_of(job.l * LANES / 2), mean_items, &job);
}

void CPU(tokens_init)(kiln_ops *ops)
{
    ops->gather = gather;
    ops->repeat2d = repeat2d;
    ops->mean_tokens = mean_tokens;
}
