// What a prompt is to the net: constant over all steps and images. The weights used here, a fifth
// of the small nets, are read when a prompt comes and not kept.
// SPDX-License-Identifier: MIT
#include <math.h>

#include "unet.h"

struct text {
    struct pass pass;
    int64_t tokens;
    int done, total;  // weights read
};

// Loads the module for as long as use is in hand.
static int begin(struct text *t, int module)
{
    struct pass *p = &t->pass;
    if (!p->e)
        p->e = module_load(p->s, &p->s->module[module]);
    if (!p->e)
        p->e = p->host->progress(p->host, (double)t->done++ / (double)t->total, "prompt");
    return !p->e;
}

static void end(struct text *t, int module)
{
    module_unload(t->pass.s, &t->pass.s->module[module]);
}

static kiln_tensor *linear(struct text *t, int module, const kiln_tensor *x, int act,
                           const kiln_tensor *add)
{
    kiln_tensor *out = begin(t, module) ? pass_linear(&t->pass, module, x, act, add) : NULL;
    end(t, module);
    return out;
}

static kiln_tensor *layer_norm(struct text *t, int module, const kiln_tensor *x)
{
    struct pass *p = &t->pass;
    const struct module *m = &p->s->module[module];
    kiln_tensor *out = begin(t, module) ? pass_new(p, x->ndim, x->shape) : NULL;
    if (!p->e)
        p->e = p->ops->layer_norm(p->host, x, 1e-5F, m->gamma, m->bias, out);
    end(t, module);
    return out;
}

// Rows of tokens as keys of one image.
static kiln_tensor *as_keys(kiln_view *v, const kiln_tensor *x)
{
    return x ? kiln_view_as(v, x, 3, (int64_t[]){1, x->shape[0], x->shape[1]}) : NULL;
}

// One query, the mean of all tokens, looks at itself and at the tokens: [1,T].
static kiln_tensor *pool(struct text *t, const kiln_tensor *embedding)
{
    struct pass *p = &t->pass;
    struct unet *s = p->s;
    int64_t E = s->config.embed, heads = s->config.pool_heads;
    kiln_view v[6];
    kiln_tensor *x = layer_norm(t, POOL_NORM1, embedding);  // [L,E]
    kiln_tensor *mean = pass_new(p, 2, (int64_t[]){1, E});  // [1,E]
    if (!p->e)
        p->e = p->ops->mean_tokens(p->host, as_keys(&v[0], x), mean);
    if (begin(t, POOL_POSITIONS))
        p->e = p->ops->affine(p->host, mean, NULL, s->module[POOL_POSITIONS].gamma, mean);
    end(t, POOL_POSITIONS);
    kiln_tensor *q = linear(t, POOL_Q, mean, KILN_ACT_NONE, NULL);
    kiln_tensor *k[2] = {NULL, NULL}, *val[2] = {NULL, NULL};
    const kiln_tensor *from[] = {mean, x};
    if (begin(t, POOL_K))
        for (int i = 0; i < 2; i++)
            k[i] = pass_linear(p, POOL_K, from[i], KILN_ACT_NONE, NULL);
    end(t, POOL_K);
    if (begin(t, POOL_V))
        for (int i = 0; i < 2; i++)
            val[i] = pass_linear(p, POOL_V, from[i], KILN_ACT_NONE, NULL);
    end(t, POOL_V);
    kiln_tensor *out = pass_new(p, 2, (int64_t[]){1, E});
    if (!p->e)
        p->e = p->ops->attention(p->host, as_keys(&v[0], q), as_keys(&v[1], k[1]),
                                 as_keys(&v[2], val[1]), as_keys(&v[3], k[0]),
                                 as_keys(&v[4], val[0]), NULL, NULL, (int)heads,
                                 (float)(1 / sqrt((double)E / (double)heads)), as_keys(&v[5], out));
    return layer_norm(t, POOL_NORM2, linear(t, POOL_PROJ, out, KILN_ACT_NONE, NULL));
}

// What the noise level of the small picture adds to the time embedding: [1,T].
static kiln_tensor *noise_level(struct text *t, const kiln_tensor *add)
{
    struct pass *p = &t->pass;
    const kiln_host *h = p->host;
    kiln_tensor *near = NULL, *level = NULL;
    kiln_tensor *x = pass_new(p, 2, (int64_t[]){1, p->s->config.width[0]});
    if (!p->e)
        p->e = kiln_live_new(&p->live, h, 1, (int64_t[]){1}, &level);
    if (!p->e)
        p->e = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){1}, &near);
    if (!p->e) {
        kiln_f32(near)[0] = (float)p->s->base.args[P_NOISE_LEVEL].i;
        p->e = h->tensor_copy(h, level, near);
    }
    h->tensor_free(h, near);
    if (!p->e)
        p->e = p->ops->sinusoid(h, level, x);
    return linear(t, CLASS_2, linear(t, CLASS_1, x, p->s->config.act, NULL), KILN_ACT_NONE, add);
}

// The keys and values of one attention: [L,c] each.
static void keys(struct text *t, const struct attention *a, const kiln_tensor *context,
                 kiln_tensor **k, kiln_tensor **v)
{
    struct pass *p = &t->pass;
    int64_t X = p->s->config.context;
    kiln_view map;
    kiln_tensor *norm = NULL;
    // Statistics over all tokens at once: they are the pixels of a map.
    if (begin(t, a->first + NORM_CROSS))
        norm = pass_group_norm(p, a->first + NORM_CROSS,
                               kiln_view_as(&map, context, 3, (int64_t[]){1, t->tokens, X}), NULL,
                               CROSS_GROUPS, 1e-5, NULL, KILN_ACT_NONE);
    end(t, a->first + NORM_CROSS);
    const kiln_tensor *rows = kiln_view_as(&map, norm, 2, (int64_t[]){t->tokens, X});
    *k = linear(t, a->first + ADD_K, rows, KILN_ACT_NONE, NULL);
    *v = linear(t, a->first + ADD_V, rows, KILN_ACT_NONE, NULL);
    pass_free(p, norm);
}

int text_encode(struct unet *s, const kiln_tensor *embedding, kiln_tensor **cond)
{
    struct text text = {.tokens = embedding->shape[0]}, *t = &text;
    struct pass *p = &t->pass;
    int n_cond = 1 + 2 * s->n_attentions;
    if (embedding->ndim != 2 || embedding->shape[1] != s->config.embed)
        return kiln_fail(
            &s->base, KILN_ERR_SHAPE, "an embedding's tokens are %lld wide, this net wants %lld",
            (long long)embedding->shape[embedding->ndim - 1], (long long)s->config.embed);
    pass_begin(p, s);
    for (int i = 0; i < s->n_modules; i++)
        t->total += s->module[i].once;
    kiln_tensor *x = pass_new(p, 2, embedding->shape);
    if (!p->e)
        p->e = p->host->tensor_copy(p->host, x, embedding);
    kiln_tensor *add = pool(t, x);
    if (s->config.class_embedding)
        add = noise_level(t, add);
    if (!p->e)
        p->e = p->host->tensor_new(p->host, p->host->device, p->host->map_dtype, 1, &s->config.time,
                                   &cond[0]);
    kiln_view row;
    if (!p->e)
        p->e = p->host->tensor_copy(p->host, cond[0], kiln_view_as(&row, add, 1, &s->config.time));
    kiln_tensor *context = linear(t, PROJECTION, x, KILN_ACT_NONE, NULL);  // [L,X]
    for (int i = 0; i < s->n_attentions; i++) {
        kiln_tensor *k, *v;
        keys(t, &s->attention[i], context, &k, &v);
        cond[1 + 2 * i] = kiln_live_take(&p->live, k);
        cond[2 + 2 * i] = kiln_live_take(&p->live, v);
    }
    for (int i = 0; i < n_cond && p->e; i++) {
        p->host->tensor_free(p->host, cond[i]);
        cond[i] = NULL;
    }
    return pass_end(p);
}
