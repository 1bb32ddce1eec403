// Norms at inference, and batch norm in training.
// SPDX-License-Identifier: MIT
#include "kernels/cpu/channels.h"

struct map_job {
    const float *x;
    float *out;
    int64_t rows;
    struct channel_map map;
};

static int map_blocks(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct map_job *j = ctx;
    int64_t c = j->map.c, first = begin * block_rows(c), last = end * block_rows(c);
    (void)chunk;
    if (last > j->rows)
        last = j->rows;
    map_rows(&j->map, j->x + first * c, last - first, j->out + first * c);
    return KILN_OK;
}

static int map_all(const kiln_host *h, const kiln_tensor *x, const float *mean, const float *mul,
                   const float *add, int act, kiln_tensor *out)
{
    int64_t c = channels_of(x), size = kiln_numel(x);
    int stream = act == KILN_ACT_NONE && v_streams(kiln_f32(out), size, c);
    struct channel_map map = {mean, mul, add, c, c, act, stream};
    struct map_job job = {kiln_f32(x), kiln_f32(out), size / c, map};
    return each(h, block_count(job.rows, c), 2, map_blocks, &job);
}

static int batch_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
                      const kiln_tensor *var, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, int act, kiln_tensor *out)
{
    int64_t c = channels_of(x);
    kiln_tensor *scratch;
    int err = h->tensor_new(h, NULL, KILN_F32, 1, &c, &scratch);
    if (err)
        return err;
    float *mul = kiln_f32(scratch);
    for (int64_t i = 0; i < c; i++)
        mul[i] = (float)((double)kiln_f32(gamma)[i] / sqrt((double)kiln_f32(var)[i] + (double)eps));
    err = map_all(h, x, kiln_f32(mean), mul, kiln_f32(beta), act, out);
    h->tensor_free(h, scratch);
    return err;
}

struct stats_job {
    const float *x;
    float *partial;  // [blocks,2,c]: mean less that of the first row, spread
    int64_t rows, c;
};

static int stats_blocks(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct stats_job *j = ctx;
    int64_t per_block = block_rows(j->c);
    (void)chunk;
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * per_block;
        int64_t rows = j->rows - first < per_block ? j->rows - first : per_block;
        float *partial = j->partial + b * 2 * j->c;
        block_stats(j->x + first * j->c, rows, j->c, j->x, partial, partial + j->c);
    }
    return KILN_OK;
}

// Mean and spread of all rows from those of blocks; mean, spread [c].
static void merge_stats(const struct stats_job *j, double *mean, double *spread)
{
    int64_t per_block = block_rows(j->c), blocks = block_count(j->rows, j->c), c = j->c;
    for (int64_t k = 0; k < c; k++)
        mean[k] = spread[k] = 0;
    for (int64_t b = 0; b < blocks; b++) {
        double weight = b + 1 < blocks ? (double)per_block : (double)(j->rows - b * per_block);
        for (int64_t k = 0; k < c; k++)
            mean[k] += weight * (double)j->partial[b * 2 * c + k];
    }
    for (int64_t k = 0; k < c; k++)
        mean[k] /= (double)j->rows;  // less the shift, as the partial ones
    for (int64_t b = 0; b < blocks; b++) {
        double weight = b + 1 < blocks ? (double)per_block : (double)(j->rows - b * per_block);
        for (int64_t k = 0; k < c; k++) {
            double d = (double)j->partial[b * 2 * c + k] - mean[k];
            spread[k] += (double)j->partial[b * 2 * c + c + k] + weight * d * d;
        }
    }
    for (int64_t k = 0; k < c; k++)
        mean[k] += (double)j->x[k];
}

static int batch_norm_train(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                            const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                            kiln_tensor *mean, kiln_tensor *var, kiln_tensor *saved,
                            kiln_tensor *out)
{
    int64_t c = channels_of(x), rows = kiln_numel(x) / c;
    int64_t partial = block_count(rows, c) * 2 * c;
    kiln_tensor *floats, *doubles;
    if (rows < 2)
        return h->fail(h, KILN_ERR_SHAPE,
                       "batch norm in training wants more than one value per channel");
    int err = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){partial + 2 * c}, &floats);
    if (err)
        return err;
    err = h->tensor_new(h, NULL, KILN_F64, 1, (int64_t[]){2 * c}, &doubles);
    if (err)
        goto done;
    struct stats_job stats = {kiln_f32(x), kiln_f32(floats), rows, c};
    err = each(h, block_count(rows, c), 2, stats_blocks, &stats);
    if (err)
        goto done;
    double *centre = doubles->data, *spread = centre + c, move = (double)momentum;
    merge_stats(&stats, centre, spread);
    float *mul = kiln_f32(floats) + partial, *add = mul + c, *keep = kiln_f32(saved);
    for (int64_t k = 0; k < c; k++) {
        float *m = &kiln_f32(mean)[k], *v = &kiln_f32(var)[k];
        double biased = spread[k] / (double)rows, unbiased = spread[k] / (double)(rows - 1);
        *m = (float)((1 - move) * (double)*m + move * centre[k]);
        *v = (float)((1 - move) * (double)*v + move * unbiased);
        keep[k] = (float)centre[k];
        keep[c + k] = (float)biased;
        double scale = (double)kiln_f32(gamma)[k] / sqrt(biased + (double)eps);
        mul[k] = (float)scale;
        add[k] = centred_add(centre[k], scale, (double)kiln_f32(beta)[k]);
    }
    err = map_all(h, x, keep, mul, add, act, out);
done:
    h->tensor_free(h, doubles);
    h->tensor_free(h, floats);
    return err;
}

struct group_job {
    const float *x[2];
    int64_t c[2], rows, blocks;  // channels of both maps; rows and blocks of an image
    float *partial;              // [n,blocks,2,c0 + c1]: mean, spread
    float *mean, *mul, *add;     // [n,c0 + c1]
    float *out;
    int act, stream;
};

static int64_t group_block_rows(const struct group_job *j, int64_t item, int64_t *first)
{
    int64_t per_block = block_rows(j->c[0] + j->c[1]);
    *first = item % j->blocks * per_block;
    return j->rows - *first < per_block ? j->rows - *first : per_block;
}

// What the partial means of channel k are less by: the first row of the image.
static const float *group_shift(const struct group_job *j, int64_t image, int64_t k)
{
    int part = k >= j->c[0];
    return j->x[part] + image * j->rows * j->c[part] + k - (part ? j->c[0] : 0);
}

// Items: (image, block of rows).
static int group_stats_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct group_job *j = ctx;
    int64_t c = j->c[0] + j->c[1], first;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t rows = group_block_rows(j, item, &first), at = item / j->blocks * j->rows + first;
        float *partial = j->partial + item * 2 * c;
        for (int part = 0; part < 2 && j->c[part]; part++) {
            int64_t k = part ? j->c[0] : 0;
            block_stats(j->x[part] + at * j->c[part], rows, j->c[part],
                        group_shift(j, item / j->blocks, k), partial + k, partial + c + k);
        }
    }
    return KILN_OK;
}

static int group_map_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct group_job *j = ctx;
    int64_t c = j->c[0] + j->c[1], first;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t rows = group_block_rows(j, item, &first), image = item / j->blocks;
        int64_t at = image * j->rows + first;
        for (int part = 0, k = 0; part < 2 && j->c[part]; k += (int)j->c[part++]) {
            int64_t of = image * c + k;
            struct channel_map map = {j->mean + of, j->mul + of, j->add + of, j->c[part], c,
                                      j->act,       j->stream};
            map_rows(&map, j->x[part] + at * j->c[part], rows, j->out + at * c + k);
        }
    }
    return KILN_OK;
}

// Mean of one group of one image, and 1 / its deviation.
static double group_centre(const struct group_job *j, int64_t image, int64_t k0, int64_t width,
                           double eps, double *inverse)
{
    int64_t c = j->c[0] + j->c[1], first;
    double sum = 0, spread = 0, count = (double)(j->rows * width);
    for (int64_t item = image * j->blocks; item < (image + 1) * j->blocks; item++) {
        double rows = (double)group_block_rows(j, item, &first);
        for (int64_t k = k0; k < k0 + width; k++)
            sum +=
                rows * ((double)j->partial[item * 2 * c + k] + (double)*group_shift(j, image, k));
    }
    double mean = sum / count;
    for (int64_t item = image * j->blocks; item < (image + 1) * j->blocks; item++) {
        double rows = (double)group_block_rows(j, item, &first);
        const float *partial = j->partial + item * 2 * c;
        for (int64_t k = k0; k < k0 + width; k++) {
            double d = (double)partial[k] + (double)*group_shift(j, image, k) - mean;
            spread += (double)partial[c + k] + rows * d * d;
        }
    }
    *inverse = 1 / sqrt(spread / count + eps);
    return mean;
}

static int group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
                      float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
                      const kiln_tensor *scale_shift, int act, kiln_tensor *out)
{
    int64_t n = x->shape[0], c0 = channels_of(x), c1 = x2 ? channels_of(x2) : 0, c = c0 + c1;
    int64_t rows = rows_per_image(x), blocks = block_count(rows, c), width = c / groups;
    const float *ss = f32_of(scale_shift);
    kiln_tensor *scratch;
    int err = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){n * c * (2 * blocks + 3)}, &scratch);
    if (err)
        return err;
    float *s = kiln_f32(scratch), *rest = s + n * blocks * 2 * c;
    struct group_job job = {
        .x = {kiln_f32(x), f32_of(x2)},
        .c = {c0, c1},
        .rows = rows,
        .blocks = blocks,
        .partial = s,
        .mean = rest,
        .mul = rest + n * c,
        .add = rest + 2 * n * c,
        .out = kiln_f32(out),
        .act = act,
        .stream =
            act == KILN_ACT_NONE && c0 % LANES == 0 && v_streams(kiln_f32(out), n * rows * c, c),
    };
    err = each(h, n * blocks, 2, group_stats_items, &job);
    for (int64_t i = 0; !err && i < n * groups; i++) {
        int64_t image = i / groups, k0 = i % groups * width;
        double inverse, mean = group_centre(&job, image, k0, width, (double)eps, &inverse);
        for (int64_t k = k0; k < k0 + width; k++) {
            double scale = ss ? 1 + (double)ss[image * 2 * c + k] : 1;
            double shift = ss ? (double)ss[image * 2 * c + c + k] : 0;
            job.mean[image * c + k] = (float)mean;
            double mul = inverse * (double)kiln_f32(gamma)[k] * scale;
            job.mul[image * c + k] = (float)mul;
            job.add[image * c + k] =
                centred_add(mean, mul, (double)kiln_f32(beta)[k] * scale + shift);
        }
    }
    if (!err)
        err = each(h, n * blocks, 2, group_map_items, &job);
    h->tensor_free(h, scratch);
    return err;
}

void CPU(norm_init)(kiln_ops *ops)
{
    ops->batch_norm = batch_norm;
    ops->batch_norm_train = batch_norm_train;
    ops->group_norm = group_norm;
}
