// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

struct attention_job {
    const kiln_host *host;
    const float *q, *k, *v, *k2, *v2, *bias;
    const int32_t *valid;
    int64_t l, m, m2, c, heads;
    double scale;
    float *out;
};

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

// Row of key or value number i: those of k2 come first.
static const float *token(const struct attention_job *j, const float *first, const float *second,
                          int64_t image, int64_t i)
{
    return i < j->m2 ? first + (image * j->m2 + i) * j->c
                     : second + (image * j->m + i - j->m2) * j->c;
}

// One query of one head; score has room for all keys.
static void attend(const struct attention_job *j, int64_t image, int64_t query, int64_t head,
                   double *score)
{
    int64_t width = j->c / j->heads, at = head * width, keys = j->m2 + j->m;
    const float *q = j->q + (image * j->l + query) * j->c + at;
    float *out = j->out + (image * j->l + query) * j->c + at;
    const float *bias = j->bias ? j->bias + (head * j->l + query) * keys : NULL;
    if (j->valid && j->valid[image] < keys)
        keys = j->valid[image];
    double largest = -HUGE_VAL, sum = 0;
    for (int64_t i = 0; i < keys; i++) {
        score[i] = j->scale * dot(q, token(j, j->k2, j->k, image, i) + at, width);
        if (bias)
            score[i] += (double)bias[i];
        largest = score[i] > largest ? score[i] : largest;
    }
    for (int64_t i = 0; i < keys; i++) {
        score[i] = exp(score[i] - largest);  // at most 1: no overflow
        sum += score[i];
    }
    for (int64_t e = 0; e < width; e++) {
        double value = 0;
        for (int64_t i = 0; i < keys; i++)
            value += score[i] * (double)token(j, j->v2, j->v, image, i)[at + e];
        out[e] = (float)(value / sum);
    }
}

// Items: (image, head).
static int attention_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct attention_job *j = ctx;
    kiln_tensor *scores;
    (void)chunk;
    int err = j->host->tensor_new(j->host, NULL, KILN_F64, 1, (int64_t[]){j->m2 + j->m}, &scores);
    if (err)
        return err;
    for (int64_t item = begin; item < end; item++)
        for (int64_t query = 0; query < j->l; query++)
            attend(j, item / j->heads, query, item % j->heads, scores->data);
    j->host->tensor_free(j->host, scores);
    return KILN_OK;
}

int ref_attention(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                  const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                  const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,
                  kiln_tensor *out)
{
    struct attention_job job = {
        .host = h,
        .q = kiln_f32(q),
        .k = kiln_f32(k),
        .v = kiln_f32(v),
        .k2 = ref_f32(k2),
        .v2 = ref_f32(v2),
        .bias = ref_f32(bias),
        .valid = valid ? ref_i32(valid) : NULL,
        .l = q->shape[1],
        .m = k->shape[1],
        .m2 = k2 ? k2->shape[1] : 0,
        .c = q->shape[2],
        .heads = heads,
        .scale = (double)scale,
        .out = kiln_f32(out),
    };
    return h->parallel_for(h, q->shape[0] * heads, 1, attention_items, &job);
}
