// The forward pass of training: norms by the batch's own statistics; what the backward pass needs
// is kept.
// SPDX-License-Identifier: MIT
#include "net.h"

#include <string.h>

static int64_t channels(const struct net *s, int id)
{
    return conv_specs[id].co ? conv_specs[id].co * s->config.hidden : 1;
}

void net_pass_pack(struct net *s, struct run *r, int grad)
{
    const kiln_conv *conv[KILN_MOST_AT_ONCE];
    const kiln_tensor *weight[KILN_MOST_AT_ONCE];
    kiln_packed *packed[KILN_MOST_AT_ONCE], **place[KILN_MOST_AT_ONCE];
    int grads[KILN_MOST_AT_ONCE], n = 0;
    for (int id = grad ? IN_0 + 1 : IN_0; id < N_CONV; id++) {
        conv[n] = &conv_specs[id].conv;
        weight[n] = conv_tensor(s, id, WEIGHT);
        place[n++] = &s->pass_conv[id];
    }
    for (int fc = 0; fc < N_FC; fc++)
        for (int k = grad; k < 2 && has_fc(s->config.arch, fc); k++) {
            conv[n] = NULL;
            weight[n] = fc_tensor(s, fc, 2 * k + WEIGHT);
            place[n++] = &s->pass_fc[fc][k];
        }
    for (int i = 0; i < n; i++)
        grads[i] = grad;
    if (!r->err)
        r->err = r->ops->packs(r->host, n, conv, weight, grads, packed);
    for (int i = 0; i < n && !r->err; i++)
        *place[i] = packed[i];
}

void net_pass_free(struct net *s, struct run *r)
{
    for (int id = 0; id < N_CONV; id++)
        r->ops->pack_free(r->host, s->pass_conv[id]);
    for (int fc = 0; fc < N_FC; fc++)
        for (int k = 0; k < 2; k++)
            r->ops->pack_free(r->host, s->pass_fc[fc][k]);
    memset(s->pass_conv, 0, sizeof(s->pass_conv));
    memset(s->pass_fc, 0, sizeof(s->pass_fc));
}

static void convolve(struct net *s, struct run *r, int id, const kiln_tensor *x,
                     const kiln_tensor *skip, kiln_tensor *out)
{
    if (!r->err)
        r->err = r->ops->conv(r->host, s->pass_conv[id], x, skip, conv_tensor(s, id, BIAS), NULL, 1,
                              KILN_ACT_NONE, out);
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
    if (!r->err)
        r->err = r->ops->linear(r->host, s->pass_fc[fc][layer], x,
                                fc_tensor(s, fc, 2 * layer + BIAS), KILN_ACT_NONE, NULL, out);
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

// Gradients of a mean over all pixels are too small for F16.
static int map_dtype(const kiln_host *h)
{
    return h->map_dtype == KILN_BF16 ? KILN_BF16 : KILN_F32;
}

int net_train_forward(struct net *s, const kiln_query *q, kiln_tensor *out)
{
    struct run *r = &s->train;
    kiln_view image;
    run_end(r);
    *r = (struct run){.host = s->base.host,
                      .ops = kiln_get_ops(&s->base),
                      .n = q->x->shape[0],
                      .map_dtype = map_dtype(s->base.host)};
    memset(s->conv_act, 0, sizeof(s->conv_act));
    memset(s->fc_act, 0, sizeof(s->fc_act));
    net_pass_pack(s, r, 0);
    // The query lasts no longer than the call: what is needed of it is copied.
    const kiln_tensor *t = run_time(r, &s->config, q);                                     // [n,1]
    const kiln_tensor *h = s->config.arch == ARCH_CLASS ? run_copy(r, q->cond[0]) : NULL;  // [n,10]

    kiln_tensor *x = run_copy(r, view_map(&image, q->x));  // [n,28,28,1]
    x = block(s, r, IN_0, x, NULL);                        // [n,28,28,D]
    kiln_tensor *a0 = block(s, r, IN_1, x, NULL);          // [n,28,28,D]
    x = block(s, r, DOWN1_0, a0, NULL);                    // [n,14,14,D]
    x = block(s, r, DOWN1_1, x, NULL);                     // [n,14,14,D]
    kiln_tensor *a1 = block(s, r, DOWN1_2, x, NULL);       // [n,14,14,D]
    x = block(s, r, DOWN2_0, a1, NULL);                    // [n,7,7,2D]
    x = block(s, r, DOWN2_1, x, NULL);                     // [n,7,7,2D]
    kiln_tensor *a2 = block(s, r, DOWN2_2, x, NULL);       // [n,7,7,2D]
    s->pooled = pool(r, a2);                               // [n,1,1,2D]
    x = gelu(r, s->pooled);                                // [n,1,1,2D]
    s->bottom = block(s, r, UNFLATTEN, x, NULL);           // [n,7,7,2D]
    x = condition(s, r, 0, s->bottom, t, h);               // [n,7,7,2D]
    x = block(s, r, UP1_0, x, a2);                         // [n,14,14,D]
    x = block(s, r, UP1_1, x, NULL);                       // [n,14,14,D]
    s->level1 = block(s, r, UP1_2, x, NULL);               // [n,14,14,D]
    x = condition(s, r, 1, s->level1, t, h);               // [n,14,14,D]
    x = block(s, r, UP2_0, x, a1);                         // [n,28,28,D]
    x = block(s, r, UP2_1, x, NULL);                       // [n,28,28,D]
    x = block(s, r, UP2_2, x, NULL);                       // [n,28,28,D]
    x = block(s, r, OUT_0, x, a0);                         // [n,28,28,D]
    x = block(s, r, OUT_1, x, NULL);                       // [n,28,28,D]
    s->conv_act[HEAD].x = x;
    run_head(r, s->pass_conv[HEAD], conv_tensor(s, HEAD, BIAS), x, out);  // [n,28,28,1]
    net_pass_free(s, r);
    return r->err;
}
