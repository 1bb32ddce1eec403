// One call of the net. Feature maps are freed as soon as they were used: the skips of the way down
// are what takes the memory.
// SPDX-License-Identifier: MIT
#include <math.h>

#include "unet.h"

struct forward {
    struct pass pass;
    const kiln_query *q;
    kiln_tensor *scale_shift[MAX_RESNETS];  // what the time and the prompt are to each resnet
    kiln_tensor *skip[MAX_RESNETS];
    int n_skips, resnet, attention;  // the next ones
};

// Frees a map that was used, unless it waits on the way down to be used again.
static void drop(struct forward *f, kiln_tensor *x)
{
    for (int i = 0; i < f->n_skips; i++)
        if (f->skip[i] == x)
            return;
    pass_free(&f->pass, x);
}

// x [n,h,w,c] at twice (up) or half the size.
static kiln_tensor *resample(struct pass *p, const kiln_tensor *x, int up)
{
    if (p->e)
        return NULL;
    int64_t h = up ? x->shape[1] * 2 : x->shape[1] / 2, w = up ? x->shape[2] * 2 : x->shape[2] / 2;
    kiln_tensor *out = pass_new(p, 4, (int64_t[]){x->shape[0], h, w, x->shape[3]});
    if (!p->e)
        p->e = (up ? p->ops->repeat2d : p->ops->avg_pool)(p->host, x, 2, out);
    return out;
}

// (conv(x, with x2 behind it or NULL) + add) scale
static kiln_tensor *conv(struct pass *p, int module, const kiln_tensor *x, const kiln_tensor *x2,
                         const kiln_tensor *add, double scale)
{
    const struct module *m = &p->s->module[module];
    if (p->e)
        return NULL;
    kiln_tensor *out =
        pass_new(p, 4, (int64_t[]){x->shape[0], x->shape[1], x->shape[2], m->shape[0]});
    if (!p->e)
        p->e = p->ops->conv(p->host, m->w, x, x2, m->bias, add, (float)scale, KILN_ACT_NONE, out);
    return out;
}

// [n,h,w,in] (those of skip last) to [n,h,w,out]. x and skip are dropped.
static kiln_tensor *resnet(struct forward *f, kiln_tensor *x, kiln_tensor *skip)
{
    struct pass *p = &f->pass;
    const struct config *c = &p->s->config;
    const struct resnet *r = &p->s->resnet[f->resnet];
    kiln_tensor *scale_shift = f->scale_shift[f->resnet++];
    int m = r->first;
    kiln_tensor *a = pass_group_norm(p, m + NORM1, x, skip, c->groups, c->eps, NULL, c->act), *b;
    if (r->sample) {
        b = resample(p, a, r->sample > 0);
        pass_free(p, a);
        a = b;
        b = resample(p, x, r->sample > 0);
        drop(f, x);
        x = b;
    }
    b = conv(p, m + CONV1, a, NULL, NULL, 1);  // [n,h,w,out]
    pass_free(p, a);
    a = pass_group_norm(p, m + NORM2, b, NULL, c->groups, c->eps, scale_shift, c->act);
    pass_free(p, b);
    pass_free(p, scale_shift);
    if (p->s->module[m + CONV_SHORTCUT].kind != NONE) {
        b = conv(p, m + CONV_SHORTCUT, x, skip, NULL, 1);
        drop(f, x);
        pass_free(p, skip);
        x = b;
    }
    b = conv(p, m + CONV2, a, NULL, x, 1 / c->scale[r->middle]);
    pass_free(p, a);
    drop(f, x);
    return b;
}

// Pixels look at the text and at each other. x is dropped.
static kiln_tensor *attention(struct forward *f, kiln_tensor *x)
{
    struct pass *p = &f->pass;
    const struct attention *a = &p->s->attention[f->attention];
    const kiln_tensor *const *text = f->q->cond + 1 + 2 * f->attention++;
    if (p->e)
        return NULL;
    const int64_t c = a->width, tokens[] = {x->shape[0], x->shape[1] * x->shape[2], c};
    kiln_view vq, vk, vv, vo;
    kiln_tensor *norm = pass_group_norm(p, a->first + GROUP_NORM, x, NULL, p->s->config.groups,
                                        1e-5, NULL, KILN_ACT_NONE);
    kiln_tensor *qkv[3] = {NULL};
    pass_linears(p, 3, (int[]){a->first + TO_Q, a->first + TO_K, a->first + TO_V}, norm, qkv);
    kiln_tensor *o = pass_new(p, 4, x->shape);
    if (!p->e)
        p->e = p->ops->attention(
            p->host, kiln_view_as(&vq, qkv[0], 3, tokens), kiln_view_as(&vk, qkv[1], 3, tokens),
            kiln_view_as(&vv, qkv[2], 3, tokens), text[0], text[1], NULL, NULL, a->heads,
            (float)(1 / sqrt((double)c / (double)a->heads)), kiln_view_as(&vo, o, 3, tokens));
    pass_free(p, norm);
    for (int i = 0; i < 3; i++)
        pass_free(p, qkv[i]);
    kiln_tensor *out = pass_linear(p, a->first + TO_OUT, o, KILN_ACT_NONE, x);
    pass_free(p, o);
    drop(f, x);
    return out;
}

// Timestep and prompt, [n,T], and what each resnet makes of them.
static void embed(struct forward *f)
{
    struct pass *p = &f->pass;
    const struct config *c = &p->s->config;
    int64_t n = f->q->x->shape[0];
    kiln_tensor *wave = pass_new(p, 2, (int64_t[]){n, c->width[0]});
    if (!p->e)
        p->e = p->ops->sinusoid(p->host, f->q->t, wave);
    kiln_tensor *hidden = pass_linear(p, TIME_1, wave, c->act, NULL);
    kiln_tensor *emb = pass_linear(p, TIME_2, hidden, KILN_ACT_NONE, f->q->cond[0]);
    for (int i = 0; i < c->n_emb_acts && !p->e; i++)
        p->e = p->ops->act(p->host, emb, c->act, emb);
    pass_free(p, wave);
    pass_free(p, hidden);
    for (int i = 0; i < p->s->n_resnets; i += KILN_MOST_AT_ONCE) {
        int modules[KILN_MOST_AT_ONCE], k = 0;
        for (; k < KILN_MOST_AT_ONCE && i + k < p->s->n_resnets; k++)
            modules[k] = p->s->resnet[i + k].first + TIME_PROJ;
        pass_linears(p, k, modules, emb, f->scale_shift + i);
    }
    pass_free(p, emb);
}

// x, in stage II with the small picture behind it: [n,h,w,in].
static kiln_tensor *input(struct forward *f)
{
    struct pass *p = &f->pass;
    const kiln_tensor *const from[] = {f->q->x, p->s->config.in == 6 ? f->q->aux : NULL};
    kiln_tensor *map[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        const int64_t *s = from[i] ? from[i]->shape : NULL;
        if (s)
            map[i] = pass_new(p, 4, (int64_t[]){s[0], s[2], s[3], s[1]});
        if (s && !p->e)
            p->e = p->ops->to_nhwc(p->host, from[i], map[i]);
    }
    if (!map[1])
        return map[0];
    const int64_t *s = f->q->x->shape;
    kiln_tensor *both = pass_new(p, 4, (int64_t[]){s[0], s[2], s[3], 6});
    if (!p->e)
        p->e = p->ops->concat(p->host, map[0], map[1], both);
    pass_free(p, map[0]);
    pass_free(p, map[1]);
    return both;
}

// y [n,h,w,3 or 6]: the noise, then the variance between its bounds.
static void output(struct forward *f, const kiln_tensor *y, kiln_estimate *out)
{
    struct pass *p = &f->pass;
    if (p->e)
        return;
    if (p->s->config.out == 3) {
        p->e = p->ops->to_nchw(p->host, y, out->value);
        return;
    }
    const int64_t *s = y->shape, half[] = {s[0], s[1], s[2], 3};
    kiln_tensor *value = pass_new(p, 4, half), *var = pass_new(p, 4, half);
    if (!p->e)
        p->e = p->ops->split(p->host, y, value, var);
    if (!p->e)
        p->e = p->ops->to_nchw(p->host, value, out->value);
    if (!p->e && out->var)
        p->e = p->ops->to_nchw(p->host, var, out->var);
}

static kiln_tensor *push(struct forward *f, kiln_tensor *x)
{
    return f->skip[f->n_skips++] = x;
}

static kiln_tensor *down(struct forward *f, kiln_tensor *x)
{
    const struct config *c = &f->pass.s->config;
    for (int64_t b = 0; b < c->levels; b++) {
        for (int64_t l = 0; l < c->layers[b]; l++) {
            x = resnet(f, x, NULL);
            if (c->attention[b])
                x = attention(f, x);
            x = push(f, x);
        }
        if (b < c->levels - 1)
            x = push(f, resnet(f, x, NULL));
    }
    return x;
}

static kiln_tensor *up(struct forward *f, kiln_tensor *x)
{
    const struct config *c = &f->pass.s->config;
    for (int64_t b = c->levels; b-- > 0;) {
        for (int64_t l = 0; l <= c->layers[b]; l++) {
            x = resnet(f, x, f->skip[--f->n_skips]);
            if (c->attention[b])
                x = attention(f, x);
        }
        if (b)
            x = resnet(f, x, NULL);
    }
    return x;
}

int unet_predict(struct unet *s, const kiln_query *q, kiln_estimate *out)
{
    struct forward f = {.q = q};
    struct pass *p = &f.pass;
    pass_begin(p, s);
    embed(&f);
    kiln_tensor *x = input(&f), *y;
    y = push(&f, conv(p, CONV_IN, x, NULL, NULL, 1));
    pass_free(p, x);
    y = down(&f, y);
    y = resnet(&f, y, NULL);
    y = attention(&f, y);
    y = resnet(&f, y, NULL);
    y = up(&f, y);
    x = pass_group_norm(p, NORM_OUT, y, NULL, s->config.groups, s->config.eps, NULL, s->config.act);
    pass_free(p, y);
    output(&f, conv(p, CONV_OUT, x, NULL, NULL, 1), out);
    return pass_end(p);
}
