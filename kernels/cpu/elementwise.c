// SPDX-License-Identifier: MIT
#include "kernels/cpu/channels.h"

struct flat_job {
    const float *x, *y;
    float *out;
    int act, stream;
};

static int flat(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, int act,
                kiln_tensor *out, chunk_fn chunk)
{
    int64_t size = kiln_numel(x);
    float *to = kiln_f32(out);
    struct flat_job job = {kiln_f32(x), f32_of(y), to, act, 0};
    job.stream = to != job.x && to != job.y && v_streams(to, size, size);
    return each(h, size, grain_of(1), chunk, &job);
}

VM_INLINE void act_range(const struct flat_job *j, int64_t begin, int64_t end, int act)
{
    for (int64_t i = begin; i < end; i += LANES)
        v_store(j->out + i, end - i, vm_act(v_load(j->x + i, end - i), act));
}

static int act_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct flat_job *j = ctx;
    (void)chunk;
    VM_FOR_ACT(j->act, act_range, j, begin, end)
    return KILN_OK;
}

static int act_entry(const kiln_host *h, const kiln_tensor *x, int act, kiln_tensor *out)
{
    return flat(h, x, NULL, act, out, act_chunk);
}

VM_INLINE void act_grad_range(const struct flat_job *j, int64_t begin, int64_t end, int act)
{
    for (int64_t i = begin; i < end; i += LANES) {
        vec slope = vm_slope(v_load(j->x + i, end - i), act);
        v_store(j->out + i, end - i, v_mul(slope, v_load(j->y + i, end - i)));
    }
}

static int act_grad_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct flat_job *j = ctx;
    (void)chunk;
    VM_FOR_ACT(j->act, act_grad_range, j, begin, end)
    return KILN_OK;
}

static int act_grad(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
                    kiln_tensor *dx)
{
    return flat(h, x, dout, act, dx, act_grad_chunk);
}

static int mul_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct flat_job *j = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i += LANES) {
        vec product = v_mul(v_load(j->x + i, end - i), v_load(j->y + i, end - i));
        v_put(j->out + i, end - i, product, j->stream);
    }
    v_stream_end(j->stream);
    return KILN_OK;
}

static int mul(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, kiln_tensor *out)
{
    return flat(h, x, y, 0, out, mul_chunk);
}

struct affine_job {
    const float *x, *mul, *add;
    float *out;
    int64_t rows, c, blocks;  // of an image
    int stream;
};

// Items: (image, block of rows).
static int affine_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct affine_job *j = ctx;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t image = item / j->blocks, r = item % j->blocks * block_rows(j->c);
        int64_t last = r + block_rows(j->c) < j->rows ? r + block_rows(j->c) : j->rows;
        for (; r < last; r++)
            for (int64_t k = 0; k < j->c; k += LANES) {
                int64_t left = j->c - k, at = (image * j->rows + r) * j->c + k;
                vec y = v_load(j->x + at, left);
                if (j->mul)
                    y = v_mul(y, v_load(j->mul + image * j->c + k, left));
                if (j->add)
                    y = v_add(y, v_load(j->add + image * j->c + k, left));
                v_put(j->out + at, left, y, j->stream);
            }
    }
    v_stream_end(j->stream);
    return KILN_OK;
}

static int affine(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul_,
                  const kiln_tensor *add, kiln_tensor *out)
{
    int64_t rows = rows_per_image(x), c = channels_of(x), blocks = block_count(rows, c);
    int stream = out->data != x->data && v_streams(kiln_f32(out), kiln_numel(out), c);
    struct affine_job job = {kiln_f32(x), f32_of(mul_), f32_of(add), kiln_f32(out), rows,
                             c,           blocks,       stream};
    return each(h, x->shape[0] * blocks, 1 + grain_of(rows * c), affine_items, &job);
}

struct pool_job {
    const float *in;
    float *out;
    int64_t k, h, w, oh, ow, c;  // h, w of the large map, oh, ow of the small one
    float share;                 // 1 / k^2
};

// Items: rows of the small map.
static int pool_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct pool_job *j = ctx;
    (void)chunk;
    for (int64_t row = begin; row < end; row++) {
        const float *in = j->in + (row / j->oh * j->h + row % j->oh * j->k) * j->w * j->c;
        float *out = j->out + row * j->ow * j->c;
        for (int64_t x = 0; x < j->ow; x++)
            for (int64_t i = 0; i < j->c; i += LANES) {
                vec sum = v_set(0);
                for (int64_t t = 0; t < j->k * j->k; t++) {
                    int64_t at = t / j->k * j->w + x * j->k + t % j->k;
                    sum = v_add(sum, v_load(in + at * j->c + i, j->c - i));
                }
                v_store(out + x * j->c + i, j->c - i, v_mul(sum, v_set(j->share)));
            }
    }
    return KILN_OK;
}

static int avg_pool(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    struct pool_job job = {kiln_f32(x),   kiln_f32(out), k,
                           x->shape[1],   x->shape[2],   out->shape[1],
                           out->shape[2], x->shape[3],   (float)(1 / (double)(k * k))};
    return each(h, out->shape[0] * job.oh, grain_of(k * job.w * job.c), pool_rows, &job);
}

// Items: rows of the large map.
static int pool_grad_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct pool_job *j = ctx;
    (void)chunk;
    for (int64_t row = begin; row < end; row++) {
        int64_t image = row / j->h, y = row % j->h / j->k;
        for (int64_t x = 0; x < j->w; x++) {
            // What is left over at the end of a row or column has no part in the mean.
            float share = y < j->oh && x / j->k < j->ow ? j->share : 0;
            int64_t from = share > 0 ? ((image * j->oh + y) * j->ow + x / j->k) * j->c : 0;
            float *out = j->out + (row * j->w + x) * j->c;
            for (int64_t i = 0; i < j->c; i += LANES) {
                vec d = share > 0 ? v_load(j->in + from + i, j->c - i) : v_set(0);
                v_store(out + i, j->c - i, v_mul(d, v_set(share)));
            }
        }
    }
    return KILN_OK;
}

static int avg_pool_grad(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx)
{
    struct pool_job job = {kiln_f32(dout), kiln_f32(dx), k,
                           dx->shape[1],   dx->shape[2], dout->shape[1],
                           dout->shape[2], dx->shape[3], (float)(1 / (double)(k * k))};
    return each(h, dx->shape[0] * job.h, grain_of(job.w * job.c), pool_grad_rows, &job);
}

void CPU(elementwise_init)(kiln_ops *ops)
{
    ops->act = act_entry;
    ops->act_grad = act_grad;
    ops->mul = mul;
    ops->affine = affine;
    ops->avg_pool = avg_pool;
    ops->avg_pool_grad = avg_pool_grad;
}
