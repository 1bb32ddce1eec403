// Samplers' arithmetic on images [n,c,h,w].
// SPDX-License-Identifier: MIT
#include "kernels/cpu/conv_plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec_math.h"

#include <string.h>

enum { TERMS = 8 };

struct combine_job {
    const float *x[TERMS];
    double *weight;  // [n,k+1], the last of terms without x
    float *out;
    int64_t per_row, per_chunk, chunks;  // of a row
    int k;
};

// Sums are of doubles: a sampler subtracts what is nearly equal. Items: (row, chunk of it).
static int combine_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct combine_job *j = ctx;
    (void)chunk;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item / j->chunks, i = item % j->chunks * j->per_chunk;
        int64_t last = i + j->per_chunk < j->per_row ? i + j->per_chunk : j->per_row;
        const double *weight = j->weight + row * (j->k + 1);
        for (i += row * j->per_row, last += row * j->per_row; i + LANES / 2 <= last;
             i += LANES / 2) {
            vecd sum = v_set_double(weight[j->k]);
            for (int t = 0; t < j->k; t++)
                sum = v_add_double(
                    sum, v_mul_double(v_set_double(weight[t]), v_load_double(j->x[t] + i)));
            v_store_double(j->out + i, sum);
        }
        for (; i < last; i++) {
            double sum = weight[j->k];
            for (int t = 0; t < j->k; t++)
                sum += weight[t] * (double)j->x[t][i];
            j->out[i] = (float)sum;
        }
    }
    return KILN_OK;
}

static int combine(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
                   const kiln_tensor *const *x, kiln_tensor *out)
{
    int64_t n = out->shape[0];
    kiln_tensor *weights;
    struct combine_job job = {.out = kiln_f32(out), .per_row = kiln_numel(out) / n};
    for (int t = 0; t < k; t++)
        if (x[t])
            job.x[job.k++] = kiln_f32(x[t]);
    int err = h->tensor_new(h, NULL, KILN_F64, 2, (int64_t[]){n, job.k + 1}, &weights);
    if (err)
        return err;
    job.weight = weights->data;
    for (int64_t i = 0; i < n; i++) {
        double *with_x = job.weight + i * (job.k + 1), *without = with_x + job.k;
        *without = 0;
        for (int t = 0; t < k; t++) {
            double weight = a[t] * (r && r[t] ? (double)kiln_f32(r[t])[i] : 1);
            if (x[t])
                *with_x++ = weight;
            else
                *without += weight;
        }
    }
    job.per_chunk = grain_of(1);
    job.chunks = (job.per_row + job.per_chunk - 1) / job.per_chunk;
    err = each(h, n * job.chunks, grain_of(job.per_row), combine_items, &job);
    h->tensor_free(h, weights);
    return err;
}

struct blend_job {
    const float *mask, *a, *b;
    float *out;
    int64_t c, plane, mask_n, mask_c;
};

// Items: planes.
static int blend_planes(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct blend_job *j = ctx;
    (void)chunk;
    for (int64_t p = begin; p < end; p++) {
        int64_t mn = j->mask_n == 1 ? 0 : p / j->c, mc = j->mask_c == 1 ? 0 : p % j->c;
        const float *mask = j->mask + (mn * j->mask_c + mc) * j->plane;
        for (int64_t i = 0; i < j->plane; i += LANES) {
            int64_t left = j->plane - i, at = p * j->plane + i;
            vec m = v_load(mask + i, left);
            vec rest = v_mul(v_sub(v_set(1), m), v_load(j->b + at, left));
            v_store(j->out + at, left, v_fma(m, v_load(j->a + at, left), rest));
        }
    }
    return KILN_OK;
}

static int blend(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a,
                 const kiln_tensor *b, kiln_tensor *out)
{
    int64_t n = out->shape[0], c = out->shape[1], plane = out->shape[2] * out->shape[3];
    struct blend_job job = {kiln_f32(mask), kiln_f32(a),    kiln_f32(b),   kiln_f32(out), c,
                            plane,          mask->shape[0], mask->shape[1]};
    return each(h, n * c, grain_of(plane), blend_planes, &job);
}

struct noise_job {
    const float *v, *z;
    float *x;
    float middle, slope;  // log of the deviation: middle + slope v
};

static int noise_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct noise_job *j = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i += LANES) {
        int64_t left = end - i;
        vec log = v_fma(v_load(j->v + i, left), v_set(j->slope), v_set(j->middle));
        vec x = v_load(j->x + i, left);
        v_store(j->x + i, left, v_fma(vm_exp(log), v_load(j->z + i, left), x));
    }
    return KILN_OK;
}

static int add_range_noise(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z,
                           double lo, double hi, kiln_tensor *x)
{
    struct noise_job job = {kiln_f32(v), kiln_f32(z), kiln_f32(x), (float)((lo + hi) / 4),
                            (float)((hi - lo) / 4)};
    return each(h, kiln_numel(x), grain_of(1), noise_chunk, &job);
}

struct threshold_job {
    const kiln_host *h;
    const float *x;
    float *out;
    int64_t size;  // of a row
    double quantile, max;
};

// Without the sign, floats are ordered as their bits are, a NaN above all.
static inline uint32_t magnitude_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u & 0x7fffffffu;
}

// The magnitude that rank of the n others are below, by its digits from the left: how many have a
// digit of each kind says which the wanted one has. Of the digit, 11 bits; count has room for them.
static double magnitude_of_rank(const float *x, int64_t n, int64_t rank, int64_t *count)
{
    enum { DIGITS = 1 << 11 };
    static const int shift[] = {20, 9, 0};
    uint32_t found = 0, known = 0;
    for (int pass = 0; pass < 3; pass++) {
        uint32_t digits = pass < 2 ? DIGITS - 1 : (1 << 9) - 1, digit = 0;
        memset(count, 0, DIGITS * sizeof(*count));
        for (int64_t i = 0; i < n; i++) {
            uint32_t u = magnitude_bits(x[i]);
            if ((u & known) == found)
                count[u >> shift[pass] & digits]++;
        }
        while (rank >= count[digit])
            rank -= count[digit++];
        found |= digit << shift[pass];
        known |= digits << shift[pass];
    }
    float value;
    memcpy(&value, &found, sizeof(value));
    return (double)value;
}

static int threshold_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct threshold_job *j = ctx;
    kiln_tensor *owner;
    (void)chunk;
    int64_t *count = scratch_new(j->h, (1 << 11) * sizeof(*count), &owner);
    if (!count)
        return KILN_ERR_MEMORY;
    for (int64_t r = begin; r < end; r++) {
        const float *x = j->x + r * j->size;
        float *out = j->out + r * j->size;
        // Between two elements: linear, as torch.quantile.
        double rank = j->quantile * (double)(j->size - 1);
        int64_t below = (int64_t)rank, above = below + (below < j->size - 1);
        double first = magnitude_of_rank(x, j->size, below, count);
        double second = magnitude_of_rank(x, j->size, above, count);
        double s = first + (rank - (double)below) * (second - first);
        s = s < 1 ? 1 : s > j->max ? j->max : s;
        for (int64_t i = 0; i < j->size; i++) {  // first divided: a clamped one is 1 exactly
            double y = (double)x[i] / s;
            out[i] = (float)(y < -1 ? -1 : y > 1 ? 1 : y);
        }
    }
    j->h->tensor_free(j->h, owner);
    return KILN_OK;
}

static int dynamic_threshold(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                             kiln_tensor *out)
{
    int64_t n = x->shape[0];
    struct threshold_job job = {h, kiln_f32(x), kiln_f32(out), kiln_numel(x) / n, quantile, max};
    return each(h, n, 1, threshold_rows, &job);
}

void CPU(image_init)(kiln_ops *ops)
{
    ops->combine = combine;
    ops->blend = blend;
    ops->add_range_noise = add_range_noise;
    ops->dynamic_threshold = dynamic_threshold;
}
