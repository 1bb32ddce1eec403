// The encoder: x [rows,d_model], rows = texts x tokens. Sums and the hidden state are F32 whatever
// the weights are: in F16 the activations of the large T5 overflow.
// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "t5.h"

enum { LENGTH = TOKENS_LENGTH, MATRICES = 7 };

struct pass {
    struct t5 *s;
    const kiln_host *host;
    const kiln_ops *ops;
    int64_t n, rows, done;  // done: matrices
    int e;                  // the first error; from then on nothing is done
    kiln_tensor *x, *norm, *q, *k, *v, *a, *f0, *f1, *bias, *valid;
};

// ---- weights ------------------------------------------------------------------------------------

// As stored (dtype 0) or as F32.
static kiln_tensor *weight(struct pass *p, const char *name, int dtype, int32_t ndim, int64_t d0,
                           int64_t d1)
{
    kiln_tensor *t = NULL;
    const int64_t shape[] = {d0, d1};
    if (!p->e)
        p->e = kiln_get_weights(&p->s->base)
                   ->tensor(p->host, p->s->file, name, p->host->device, dtype, ndim, shape, &t);
    return p->e ? NULL : t;
}

static const char *part_name(char *name, size_t room, int64_t layer, const char *part)
{
    snprintf(name, room, "encoder.block.%lld.layer.%s.weight", (long long)layer, part);
    return name;
}

// out = act(x w^T) + add; the matrix is read, used and forgotten.
static void product(struct pass *p, int64_t layer, const char *part, const kiln_tensor *x,
                    int64_t in, int64_t out_width, int act, const kiln_tensor *add,
                    kiln_tensor *out)
{
    char name[96];
    kiln_packed *packed = NULL;
    kiln_tensor *w = weight(p, part_name(name, sizeof(name), layer, part), 0, 2, out_width, in);
    if (!p->e)
        p->e = p->ops->pack_linear(p->host, w, 0, &packed);
    p->host->tensor_free(p->host, w);
    if (!p->e)
        p->e = p->ops->linear(p->host, packed, x, NULL, act, add, out);
    p->ops->pack_free(p->host, packed);
    if (!p->e)
        p->e = p->host->progress(
            p->host, (double)++p->done / (double)(p->s->config.layers * MATRICES), "text");
}

static void norm(struct pass *p, const char *name)
{
    kiln_tensor *gamma = weight(p, name, KILN_F32, 1, p->s->config.d_model, 0);
    if (!p->e)
        p->e = p->ops->rms_norm(p->host, p->x, (float)p->s->config.eps, gamma, p->norm);
    p->host->tensor_free(p->host, gamma);
}

// ---- positions ----------------------------------------------------------------------------------

int64_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance)
{
    int64_t half = buckets / 2, exact = half / 2, a = distance < 0 ? -distance : distance;
    int64_t first = distance > 0 ? half : 0;
    if (a < exact)
        return first + a;
    // Beyond, in logarithmic steps.
    int64_t step =
        (int64_t)(logf((float)a / (float)exact) / (float)log((double)max_distance / (double)exact) *
                  (float)(half - exact));
    return first + (exact + step < half - 1 ? exact + step : half - 1);
}

// The bias of each head for each pair of query and key, from the first layer's table: for all
// layers.
static void positions(struct pass *p)
{
    const struct t5_config *c = &p->s->config;
    const kiln_host *h = p->host;
    const int64_t shape[] = {c->heads, LENGTH, LENGTH};
    kiln_tensor *table = NULL, *bias = NULL, *near = NULL;
    table = weight(p, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                   KILN_F32, 2, c->buckets, c->heads);
    if (!p->e)
        p->e = h->tensor_new(h, NULL, KILN_F32, 2, table->shape, &near);
    if (!p->e)
        p->e = h->tensor_copy(h, near, table);
    if (!p->e)
        p->e = h->tensor_new(h, NULL, KILN_F32, 3, shape, &bias);
    for (int64_t i = 0; !p->e && i < c->heads * LENGTH * LENGTH; i++) {
        int64_t head = i / (LENGTH * LENGTH), query = i / LENGTH % LENGTH, key = i % LENGTH;
        kiln_f32(bias)[i] =
            kiln_f32(near)[t5_bucket(key - query, c->buckets, c->distance) * c->heads + head];
    }
    if (!p->e)
        p->e = h->tensor_new(h, h->device, KILN_F32, 3, shape, &p->bias);
    if (!p->e)
        p->e = h->tensor_copy(h, p->bias, bias);
    h->tensor_free(h, table);
    h->tensor_free(h, near);
    h->tensor_free(h, bias);
}

// ---- layers -------------------------------------------------------------------------------------

// Rows [n tokens,c] as [n,tokens,c]; the elements are the same.
static kiln_tensor *by_text(kiln_view *v, const kiln_tensor *x, int64_t n)
{
    return kiln_view_as(v, x, 3, (int64_t[]){n, LENGTH, x->shape[1]});
}

static void attention(struct pass *p, int64_t layer)
{
    const struct t5_config *c = &p->s->config;
    int64_t inner = c->heads * c->d_kv;
    kiln_view q, k, v, a;
    char name[96];
    norm(p, part_name(name, sizeof(name), layer, "0.layer_norm"));
    product(p, layer, "0.SelfAttention.q", p->norm, c->d_model, inner, KILN_ACT_NONE, NULL, p->q);
    product(p, layer, "0.SelfAttention.k", p->norm, c->d_model, inner, KILN_ACT_NONE, NULL, p->k);
    product(p, layer, "0.SelfAttention.v", p->norm, c->d_model, inner, KILN_ACT_NONE, NULL, p->v);
    if (!p->e)  // the logits are not scaled
        p->e = p->ops->attention(p->host, by_text(&q, p->q, p->n), by_text(&k, p->k, p->n),
                                 by_text(&v, p->v, p->n), NULL, NULL, p->bias, p->valid,
                                 (int)c->heads, 1, by_text(&a, p->a, p->n));
    product(p, layer, "0.SelfAttention.o", p->a, inner, c->d_model, KILN_ACT_NONE, p->x, p->norm);
}

static void feed_forward(struct pass *p, int64_t layer)
{
    const struct t5_config *c = &p->s->config;
    char name[96];
    norm(p, part_name(name, sizeof(name), layer, "1.layer_norm"));
    product(p, layer, "1.DenseReluDense.wi_0", p->norm, c->d_model, c->d_ff, KILN_ACT_GELU_TANH,
            NULL, p->f0);
    product(p, layer, "1.DenseReluDense.wi_1", p->norm, c->d_model, c->d_ff, KILN_ACT_NONE, NULL,
            p->f1);
    if (!p->e)
        p->e = p->ops->mul(p->host, p->f0, p->f1, p->f0);
    product(p, layer, "1.DenseReluDense.wo", p->f0, c->d_ff, c->d_model, KILN_ACT_NONE, p->x,
            p->norm);
}

// What went to norm (out may be no input) is the new x.
static void swap(struct pass *p)
{
    kiln_tensor *t = p->x;
    p->x = p->norm;
    p->norm = t;
}

// ---- the whole ----------------------------------------------------------------------------------

static kiln_tensor *rows_of(struct pass *p, int64_t width)
{
    kiln_tensor *t = NULL;
    const int64_t shape[] = {p->rows, width};
    if (!p->e)
        p->e = p->host->tensor_new(p->host, p->host->device, KILN_F32, 2, shape, &t);
    return p->e ? NULL : t;
}

static kiln_tensor *integers(struct pass *p, const int32_t *from, int64_t n)
{
    const kiln_host *h = p->host;
    kiln_tensor *near = NULL, *t = NULL;
    if (!p->e)
        p->e = h->tensor_new(h, NULL, KILN_I32, 1, &n, &near);
    if (!p->e) {
        memcpy((char *)near->data + near->byte_offset, from, (size_t)n * sizeof(*from));
        p->e = h->tensor_new(h, h->device, KILN_I32, 1, &n, &t);
    }
    if (!p->e)
        p->e = h->tensor_copy(h, t, near);
    h->tensor_free(h, near);
    return t;
}

// A quarter of a gigabyte of table in the large T5, of which a text has 77 rows.
static void embed(struct pass *p, const int32_t *tokens)
{
    if (!p->e)
        p->e = kiln_get_weights(&p->s->base)
                   ->rows(p->host, p->s->file, p->s->embedding, p->host->device, KILN_F32,
                          (uint64_t)p->rows, tokens, &p->x);
}

// Texts by themselves, in host memory.
static void hand_out(struct pass *p, kiln_tensor **out)
{
    const kiln_host *h = p->host;
    const int64_t width = p->s->config.d_model, shape[] = {LENGTH, width};
    kiln_tensor *all = NULL;
    if (!p->e)
        p->e = h->tensor_new(h, NULL, KILN_F32, 2, p->norm->shape, &all);
    if (!p->e)
        p->e = h->tensor_copy(h, all, p->norm);
    for (int64_t i = 0; i < p->n && !p->e; i++) {
        p->e = h->tensor_new(h, NULL, KILN_F32, 2, shape, &out[i]);
        if (!p->e)
            memcpy(kiln_f32(out[i]), kiln_f32(all) + i * LENGTH * width,
                   (size_t)(LENGTH * width) * sizeof(float));
    }
    h->tensor_free(h, all);
}

int t5_forward(struct t5 *s, int64_t n, const int32_t *tokens, const int32_t *valid,
               kiln_tensor **out)
{
    const struct t5_config *c = &s->config;
    int64_t inner = c->heads * c->d_kv;
    struct pass p = {
        .s = s, .host = s->base.host, .ops = kiln_get_ops(&s->base), .n = n, .rows = n * LENGTH};
    p.norm = rows_of(&p, c->d_model);
    p.q = rows_of(&p, inner);
    p.k = rows_of(&p, inner);
    p.v = rows_of(&p, inner);
    p.a = rows_of(&p, inner);
    p.f0 = rows_of(&p, c->d_ff);
    p.f1 = rows_of(&p, c->d_ff);
    p.valid = integers(&p, valid, n);
    positions(&p);
    embed(&p, tokens);
    for (int64_t layer = 0; layer < c->layers && !p.e; layer++) {
        attention(&p, layer);
        swap(&p);
        feed_forward(&p, layer);
        swap(&p);
    }
    norm(&p, "encoder.final_layer_norm.weight");
    hand_out(&p, out);
    kiln_tensor *const all[] = {p.x, p.norm, p.q, p.k, p.v, p.a, p.f0, p.f1, p.bias, p.valid};
    for (size_t i = 0; i < KILN_COUNT(all); i++)
        p.host->tensor_free(p.host, all[i]);
    return p.e;
}
