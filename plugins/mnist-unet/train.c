// The forward pass of training: norms by the batch's own statistics; what the backward pass needs
// is kept.
// SPDX-License-Identifier: MIT
#include "net.h"

#include <string.h>

static int64_t channels(const struct net *s, int id)
{
    return conv_specs[id].co ? conv_specs[id].co * s->config.hidden : 1;
}

// Packed for this step alone: the weights change after it.
static void convolve(struct net *s, struct run *r, int id, const kiln_tensor *x,
                     const kiln_tensor *skip, kiln_tensor *out)
{
    kiln_packed *w = NULL;
    if (!r->err)
        r->err =
            r->ops->pack_conv(r->host, &conv_specs[id].conv, conv_tensor(s, id, WEIGHT), 0, &w);
    if (r->err)
        return;
    r->err =
        r->ops->conv(r->host, w, x, skip, conv_tensor(s, id, BIAS), NULL, 1, KILN_ACT_NONE, out);
    r->ops->pack_free(r->host, w);
}

// gelu(norm(conv(x with skip behind it, or NULL)))
static kiln_tensor *block(struct net *s, struct run *r, int id, const kiln_tensor *x,
                          const kiln_tensor *skip)
{
    const kiln_conv *conv = &conv_specs[id].conv;
    int64_t h = x ? x->shape[1] : 1, w = x ? x->shape[2] : 1, k = conv->stride, c = channels(s, id);
    if (conv->transposed)
        h *= k, w *= k;
    else
        h = (h + k - 1) / k, w = (w + k - 1) / k;
    kiln_tensor *y = run_new(r, h, w, c), *out = run_new(r, h, w, c), *saved = run_statistics(r, c);
    s->conv_act[id] = (struct conv_act){x, skip, y, saved};
    convolve(s, r, id, x, skip, y);
    if (!r->err)
        r->err = r->ops->batch_norm_train(
            r->host, y, bn_eps, bn_momentum, conv_tensor(s, id, GAMMA), conv_tensor(s, id, BETA),
            KILN_ACT_GELU, conv_tensor(s, id, MEAN), conv_tensor(s, id, VAR), saved, out);
    return out;
}

static void linear(struct net *s, struct run *r, int fc, int layer, const kiln_tensor *x,
                   kiln_tensor *out)
{
    kiln_packed *w = NULL;
    if (!r->err)
        r->err = r->ops->pack_linear(r->host, fc_tensor(s, fc, 2 * layer), 0, &w);
    if (r->err)
        return;
    r->err =
        r->ops->linear(r->host, w, x, fc_tensor(s, fc, 2 * layer + BIAS), KILN_ACT_NONE, NULL, out);
    r->ops->pack_free(r->host, w);
}

static kiln_tensor *linear_block(struct net *s, struct run *r, int fc, const kiln_tensor *x)
{
    if (!has_fc(s->config.arch, fc))
        return NULL;
    int64_t c = (fc == TIME1 || fc == CLASS1 ? 2 : 1) * s->config.hidden;
    struct fc_act act = {x, run_rows(r, c), run_rows(r, c), run_rows(r, c)};
    s->fc_act[fc] = act;
    linear(s, r, fc, 0, x, act.z);
    if (!r->err)
        r->err = r->ops->act(r->host, act.z, KILN_ACT_GELU, act.a);
    linear(s, r, fc, 1, act.a, act.out);
    return act.out;
}

static kiln_tensor *condition(struct net *s, struct run *r, int level, kiln_tensor *x,
                              const kiln_tensor *t, const kiln_tensor *h)
{
    kiln_tensor *add = linear_block(s, r, level ? TIME2 : TIME1, t);
    kiln_tensor *mul = linear_block(s, r, level ? CLASS2 : CLASS1, h);
    if (r->err || s->config.arch == ARCH_PLAIN)
        return x;
    kiln_tensor *out = run_new(r, x->shape[1], x->shape[2], x->shape[3]);
    if (!r->err)
        r->err = r->ops->affine(r->host, x, mul, add, out);
    return out;
}

static kiln_tensor *pool(struct run *r, const kiln_tensor *x)
{
    kiln_tensor *out = run_new(r, 1, 1, x ? x->shape[3] : 1);
    if (!r->err)
        r->err = r->ops->avg_pool(r->host, x, 7, out);
    return out;
}

static kiln_tensor *gelu(struct run *r, const kiln_tensor *x)
{
    kiln_tensor *out = run_new(r, 1, 1, x ? x->shape[3] : 1);
    if (!r->err)
        r->err = r->ops->act(r->host, x, KILN_ACT_GELU, out);
    return out;
}

// The query lasts no longer than the call: what is needed of it is copied.
static kiln_tensor *copy(struct run *r, const kiln_tensor *x, const double a)
{
    kiln_tensor *out =
        x->ndim == 4 ? run_new(r, x->shape[1], x->shape[2], x->shape[3]) : run_rows(r, x->shape[1]);
    if (!r->err)
        r->err = r->ops->combine(r->host, 1, &a, NULL, &x, out);
    return out;
}

int net_train_forward(struct net *s, const kiln_query *q, kiln_tensor *out)
{
    struct run *r = &s->train;
    kiln_view image, rows, result;
    run_end(r);
    *r = (struct run){.host = s->base.host,
                      .ops = kiln_get_ops(&s->base),
                      .n = q->x->shape[0],
                      .map_dtype = KILN_F32};
    memset(s->conv_act, 0, sizeof(s->conv_act));
    memset(s->fc_act, 0, sizeof(s->fc_act));
    kiln_tensor *t = NULL, *h = NULL;
    if (s->config.arch != ARCH_PLAIN)
        t = copy(r, view_rows(&rows, q->t), 1 / (double)s->config.T);  // [n,1]
    if (s->config.arch == ARCH_CLASS)
        h = run_rows(r, CLASSES);  // [n,10]
    if (h && !r->err)
        r->err = r->host->tensor_copy(r->host, h, q->cond[0]);

    kiln_tensor *x = copy(r, view_map(&image, q->x), 1);  // [n,28,28,1]
    x = block(s, r, IN_0, x, NULL);                       // [n,28,28,D]
    kiln_tensor *a0 = block(s, r, IN_1, x, NULL);         // [n,28,28,D]
    x = block(s, r, DOWN1_0, a0, NULL);                   // [n,14,14,D]
    x = block(s, r, DOWN1_1, x, NULL);                    // [n,14,14,D]
    kiln_tensor *a1 = block(s, r, DOWN1_2, x, NULL);      // [n,14,14,D]
    x = block(s, r, DOWN2_0, a1, NULL);                   // [n,7,7,2D]
    x = block(s, r, DOWN2_1, x, NULL);                    // [n,7,7,2D]
    kiln_tensor *a2 = block(s, r, DOWN2_2, x, NULL);      // [n,7,7,2D]
    s->pooled = pool(r, a2);                              // [n,1,1,2D]
    x = gelu(r, s->pooled);                               // [n,1,1,2D]
    s->bottom = block(s, r, UNFLATTEN, x, NULL);          // [n,7,7,2D]
    x = condition(s, r, 0, s->bottom, t, h);              // [n,7,7,2D]
    x = block(s, r, UP1_0, x, a2);                        // [n,14,14,D]
    x = block(s, r, UP1_1, x, NULL);                      // [n,14,14,D]
    s->level1 = block(s, r, UP1_2, x, NULL);              // [n,14,14,D]
    x = condition(s, r, 1, s->level1, t, h);              // [n,14,14,D]
    x = block(s, r, UP2_0, x, a1);                        // [n,28,28,D]
    x = block(s, r, UP2_1, x, NULL);                      // [n,28,28,D]
    x = block(s, r, UP2_2, x, NULL);                      // [n,28,28,D]
    x = block(s, r, OUT_0, x, a0);                        // [n,28,28,D]
    x = block(s, r, OUT_1, x, NULL);                      // [n,28,28,D]
    s->conv_act[HEAD].x = x;
    view_map(&result, out);
    convolve(s, r, HEAD, x, NULL, &result.t);  // [n,28,28,1]
    return r->err;
}
