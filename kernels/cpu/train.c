// Gradients of norms, the loss, and Adam.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/channels.h"

// Batch norm, backwards. With z = (x - mean) mul + beta and dz the gradient to z:
//     dx = mul (dz - sum(dz) / rows - (x - mean) / (var + eps) sum(dz (x - mean)) / rows)
// The first pass leaves dz in dx, which is cheaper than to go through the activation twice.
struct norm_grad_job {
    const float *x, *dout, *mean, *mul, *beta;
    float *dz;       // NULL: not kept
    float *partial;  // [blocks,2,c]: sums of dz, of dz (x - mean)
    const float *from, *k1, *k2, *k3;
    float *dx;
    int64_t rows, c;
    int act, stream;
};

// Channels [i,i + n vectors) of the rows of a block; their sums stay in registers.
enum { NORM_GRAD_VECTORS = 4 };

VM_INLINE void norm_grad_columns(const struct norm_grad_job *j, int64_t first, int64_t last,
                                 int64_t i, int n, float *sum, float *product, int act)
{
    vec sums[NORM_GRAD_VECTORS], products[NORM_GRAD_VECTORS];
    int64_t left = j->c - i;
    for (int k = 0; k < n; k++)
        sums[k] = products[k] = v_set(0);
    for (int64_t r = first; r < last; r++)
        _Pragma("GCC unroll 4") for (int k = 0; k < n; k++)
        {
            int64_t at = r * j->c + i + k * LANES, rest = left - k * LANES;
            vec x = v_sub(v_load(j->x + at, rest), v_load(j->mean + i + k * LANES, rest));
            vec dz = v_load(j->dout + at, rest);
            if (act != KILN_ACT_NONE) {
                vec z = v_fma(x, v_load(j->mul + i + k * LANES, rest),
                              v_load(j->beta + i + k * LANES, rest));
                dz = v_mul(dz, vm_slope(z, act));
                if (j->dz)
                    v_store(j->dz + at, rest, dz);
            }
            sums[k] = v_add(sums[k], dz);
            products[k] = v_fma(dz, x, products[k]);
        }
    for (int k = 0; k < n; k++) {
        v_store(sum + i + k * LANES, left - k * LANES, sums[k]);
        v_store(product + i + k * LANES, left - k * LANES, products[k]);
    }
}

VM_INLINE void norm_grad_block(const struct norm_grad_job *j, int64_t first, int64_t last,
                               float *sum, float *product, int act)
{
    int64_t i = 0;
    for (; i + NORM_GRAD_VECTORS * LANES <= j->c; i += NORM_GRAD_VECTORS * LANES)
        norm_grad_columns(j, first, last, i, NORM_GRAD_VECTORS, sum, product, act);
    for (; i < j->c; i += LANES)
        norm_grad_columns(j, first, last, i, 1, sum, product, act);
}

static int norm_grad_sums(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct norm_grad_job *j = ctx;
    int64_t per_block = block_rows(j->c);
    (void)chunk;
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * per_block,
                last = first + per_block < j->rows ? first + per_block : j->rows;
        float *sum = j->partial + b * 2 * j->c, *product = sum + j->c;
        VM_FOR_ACT(j->act, norm_grad_block, j, first, last, sum, product)
    }
    return KILN_OK;
}

static int norm_grad_apply(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct norm_grad_job *j = ctx;
    int64_t per_block = block_rows(j->c), c = j->c;
    int64_t last = end * per_block < j->rows ? end * per_block : j->rows;
    (void)chunk;
    for (int64_t r = begin * per_block; r < last; r++)
        for (int64_t i = 0; i < c; i += LANES) {
            int64_t left = c - i, at = r * c + i;
            vec x = v_sub(v_load(j->x + at, left), v_load(j->mean + i, left));
            vec d = v_fma(x, v_load(j->k2 + i, left), v_load(j->k3 + i, left));
            d = v_fma(v_load(j->from + at, left), v_load(j->k1 + i, left), d);
            v_put(j->dx + at, left, d, j->stream);
        }
    v_stream_end(j->stream);
    return KILN_OK;
}

static int batch_norm_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved,
                           float eps, const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                           const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                           kiln_tensor *dbeta)
{
    int64_t c = channels_of(x), rows = kiln_numel(x) / c, blocks = block_count(rows, c);
    const float *var = kiln_f32(saved) + c;
    kiln_tensor *scratch = NULL, *sums = NULL;
    int err = h->tensor_new(h, NULL, KILN_F32, 2, (int64_t[]){2 * blocks + 3, c}, &scratch);
    if (!err)
        err = h->tensor_new(h, NULL, KILN_F64, 2, (int64_t[]){2, c}, &sums);
    if (err)
        goto done;
    float *partial = kiln_f32(scratch), *k1 = partial + 2 * blocks * c, *k2 = k1 + c, *k3 = k2 + c;
    for (int64_t k = 0; k < c; k++)
        k1[k] = (float)((double)kiln_f32(gamma)[k] / sqrt((double)var[k] + (double)eps));
    struct norm_grad_job job = {
        .x = kiln_f32(x),
        .dout = kiln_f32(dout),
        .mean = kiln_f32(saved),
        .mul = k1,
        .beta = kiln_f32(beta),
        .dz = f32_of(dx),
        .partial = partial,
        .from = act == KILN_ACT_NONE ? kiln_f32(dout) : f32_of(dx),
        .k1 = k1,
        .k2 = k2,
        .k3 = k3,
        .dx = f32_of(dx),
        .rows = rows,
        .c = c,
        .act = act,
        .stream = dx && act == KILN_ACT_NONE && v_streams(kiln_f32(dx), kiln_numel(dx), c),
    };
    err = each(h, blocks, 2, norm_grad_sums, &job);
    if (err)
        goto done;
    double *total = sums->data;
    sum_blocks(partial, blocks, 2 * c, total);
    for (int64_t k = 0; k < c; k++) {
        double sum = total[k], product = total[c + k], spread = (double)var[k] + (double)eps;
        double mul = (double)kiln_f32(gamma)[k] / sqrt(spread);
        k2[k] = (float)(-mul * product / spread / (double)rows);
        k3[k] = (float)(-mul * sum / (double)rows);
        if (dgamma)
            kiln_f32(dgamma)[k] = (float)(product / sqrt(spread));
        if (dbeta)
            kiln_f32(dbeta)[k] = (float)sum;
    }
    if (dx)
        err = each(h, blocks, 2, norm_grad_apply, &job);
done:
    h->tensor_free(h, sums);
    h->tensor_free(h, scratch);
    return err;
}

struct affine_grad_job {
    const float *x, *mul, *dout;
    float *dx, *partial;      // [n,blocks,2,c]: sums of dout, of dout x
    int64_t rows, c, blocks;  // of an image
};

// Items: (image, block of rows).
static int affine_grad_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct affine_grad_job *j = ctx;
    int64_t c = j->c, per_block = block_rows(c);
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t image = item / j->blocks, first = item % j->blocks * per_block;
        int64_t last = first + per_block < j->rows ? first + per_block : j->rows;
        float *sum = j->partial + item * 2 * c, *product = sum + c;
        for (int64_t i = 0; i < 2 * c; i++)
            sum[i] = 0;
        for (int64_t r = first; r < last; r++)
            for (int64_t i = 0; i < c; i += LANES) {
                int64_t left = c - i, at = (image * j->rows + r) * c + i;
                vec d = v_load(j->dout + at, left);
                v_store(sum + i, left, v_add(v_load(sum + i, left), d));
                v_store(product + i, left,
                        v_fma(d, v_load(j->x + at, left), v_load(product + i, left)));
                if (j->dx && j->mul)
                    d = v_mul(d, v_load(j->mul + image * c + i, left));
                if (j->dx)
                    v_store(j->dx + at, left, d);
            }
    }
    return KILN_OK;
}

static int affine_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                       const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul,
                       kiln_tensor *dadd)
{
    int64_t n = x->shape[0], rows = rows_per_image(x), c = channels_of(x);
    int64_t blocks = block_count(rows, c);
    kiln_tensor *scratch = NULL, *sums = NULL;
    int err = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){n * blocks * 2 * c}, &scratch);
    if (!err)
        err = h->tensor_new(h, NULL, KILN_F64, 2, (int64_t[]){2, c}, &sums);
    if (err)
        goto done;
    struct affine_grad_job job = {
        kiln_f32(x), f32_of(mul), kiln_f32(dout), f32_of(dx), kiln_f32(scratch), rows, c, blocks};
    err = each(h, n * blocks, grain_of(rows < block_rows(c) ? rows * c : block_rows(c) * c),
               affine_grad_items, &job);
    if (err)
        goto done;
    double *total = sums->data;
    for (int64_t i = 0; i < n; i++) {
        sum_blocks(job.partial + i * blocks * 2 * c, blocks, 2 * c, total);
        for (int64_t k = 0; k < c; k++) {
            if (dadd)
                kiln_f32(dadd)[i * c + k] = (float)total[k];
            if (dmul)
                kiln_f32(dmul)[i * c + k] = (float)total[c + k];
        }
    }
done:
    h->tensor_free(h, sums);
    h->tensor_free(h, scratch);
    return err;
}

struct mse_job {
    const float *y, *target;
    float *dy;
    double *partial;  // [chunks]
    float scale;      // 2 / size
};

static int mse_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    enum { SHORT = 1024 };  // sums of more than this are of doubles
    const struct mse_job *j = ctx;
    double total = 0;
    for (int64_t i = begin; i < end;) {
        int64_t stop = i + SHORT < end ? i + SHORT : end;
        vec sum = v_set(0);
        for (; i < stop; i += LANES) {
            int64_t left = end - i;
            vec d = v_sub(v_load(j->y + i, left), v_load(j->target + i, left));
            sum = v_fma(d, d, sum);
            if (j->dy)
                v_store(j->dy + i, left, v_mul(d, v_set(j->scale)));
        }
        total += v_sum(sum);
    }
    j->partial[chunk] = total;
    return KILN_OK;
}

static int mse(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target,
               kiln_tensor *loss, kiln_tensor *dy)
{
    int64_t size = kiln_numel(y), grain = grain_of(1), chunks = (size + grain - 1) / grain;
    kiln_tensor *partial;
    int err = h->tensor_new(h, NULL, KILN_F64, 1, &chunks, &partial);
    if (err)
        return err;
    struct mse_job job = {kiln_f32(y), kiln_f32(target), f32_of(dy), partial->data,
                          (float)(2 / (double)size)};
    err = each(h, size, grain, mse_chunk, &job);
    if (!err && loss) {
        double sum = 0;
        for (int64_t i = 0; i < chunks; i++)
            sum += job.partial[i];
        kiln_f32(loss)[0] = (float)(sum / (double)size);
    }
    h->tensor_free(h, partial);
    return err;
}

struct adam_job {
    const float *grad;
    float *value, *m, *v;
    float beta1, rest1, beta2, rest2, rate, correction, eps;
};

static int adam_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct adam_job *j = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i += LANES) {
        int64_t left = end - i;
        vec g = v_load(j->grad + i, left);
        vec m = v_fma(v_load(j->m + i, left), v_set(j->beta1), v_mul(g, v_set(j->rest1)));
        vec v = v_mul(v_mul(g, g), v_set(j->rest2));
        v = v_fma(v_load(j->v + i, left), v_set(j->beta2), v);
        v_store(j->m + i, left, m);
        v_store(j->v + i, left, v);
        vec root = v_add(v_div(v_sqrt(v), v_set(j->correction)), v_set(j->eps));
        vec moved = v_div(v_mul(m, v_set(j->rate)), root);
        v_store(j->value + i, left, v_sub(v_load(j->value + i, left), moved));
    }
    return KILN_OK;
}

static int adam(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
                double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v)
{
    const double *of_step = kiln_f64(rate);
    struct adam_job job = {
        .grad = kiln_f32(grad),
        .value = kiln_f32(value),
        .m = kiln_f32(m),
        .v = kiln_f32(v),
        .beta1 = (float)beta1,
        .rest1 = (float)(1 - beta1),
        .beta2 = (float)beta2,
        .rest2 = (float)(1 - beta2),
        .rate = (float)of_step[0],
        .correction = (float)of_step[1],
        .eps = (float)eps,
    };
    return each(h, kiln_numel(value), grain_of(1), adam_chunk, &job);
}

static int adams(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
                 double beta1, double beta2, double eps, kiln_tensor *const *value,
                 kiln_tensor *const *m, kiln_tensor *const *v)
{
    int e = KILN_OK;
    for (int i = 0; i < n && !e; i++)
        e = adam(h, grad[i], rate, beta1, beta2, eps, value[i], m[i], v[i]);
    return e;
}

void CPU(train_init)(kiln_ops *ops)
{
    ops->batch_norm_grad = batch_norm_grad;
    ops->affine_grad = affine_grad;
    ops->mse = mse;
    ops->adam = adam;
    ops->adams = adams;
}
