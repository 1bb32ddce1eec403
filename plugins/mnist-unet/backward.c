// The backward pass: the forward pass from its end to its start. A gradient is freed once it has
// been passed on, an activation once it has been used.
// SPDX-License-Identifier: MIT
#include "net.h"

static kiln_tensor *like(struct run *r, const kiln_tensor *x)
{
    if (r->err)
        return NULL;
    return x->ndim == 4 ? run_new(r, x->shape[1], x->shape[2], x->shape[3])
                        : run_rows(r, x->shape[1]);
}

// Gradients of weight and bias; returns that of the input, or NULL for the first layer, and in
// *skip that of what stands behind it. The input is freed.
static kiln_tensor *conv_back(struct net *s, struct run *r, int id, const kiln_tensor *dy,
                              kiln_tensor **skip)
{
    const kiln_conv *conv = &conv_specs[id].conv;
    const kiln_tensor *x = s->conv_act[id].x, *x2 = s->conv_act[id].x2;
    kiln_tensor *dx = NULL, *dx2 = NULL;
    if (!r->err)
        r->err = r->ops->conv_dw(r->host, conv, x, x2, dy, conv_grad(s, id, WEIGHT),
                                 conv_grad(s, id, BIAS));
    if (id == IN_0)
        return NULL;
    dx = like(r, x);
    if (skip)
        *skip = dx2 = like(r, x2);
    run_free(r, x);
    if (!r->err)
        r->err = r->ops->conv_dx(r->host, s->pass_conv[id], dy, dx, dx2);
    return dx;
}

// Through gelu(norm(conv(x))); takes dout, whose memory the gradient to the norm's input takes
// over.
static kiln_tensor *block(struct net *s, struct run *r, int id, kiln_tensor *dout,
                          kiln_tensor **skip)
{
    struct conv_act *act = &s->conv_act[id];
    if (!r->err)
        r->err =
            r->ops->batch_norm_grad(r->host, act->y, act->saved, bn_eps, conv_tensor(s, id, GAMMA),
                                    conv_tensor(s, id, BETA), KILN_ACT_GELU, dout, dout,
                                    conv_grad(s, id, GAMMA), conv_grad(s, id, BETA));
    run_free(r, act->y);
    kiln_tensor *dx = conv_back(s, r, id, dout, skip);
    run_free(r, dout);
    return dx;
}

// a += b; takes b.
static void add(struct run *r, kiln_tensor *a, kiln_tensor *b)
{
    const kiln_tensor *x[] = {a, b};
    if (!r->err)
        r->err = r->ops->combine(r->host, 2, (const double[]){1, 1}, NULL, x, a);
    run_free(r, b);
}

static void linear_back(struct net *s, struct run *r, int fc, const kiln_tensor *dout)
{
    struct fc_act *act = &s->fc_act[fc];
    kiln_tensor *da = like(r, act->a), *dz = like(r, act->z);
    if (!r->err)
        r->err = r->ops->linear_dw(r->host, act->a, dout, fc_grad(s, fc, 2 + WEIGHT),
                                   fc_grad(s, fc, 2 + BIAS));
    if (!r->err)
        r->err = r->ops->linear_dx(r->host, s->pass_fc[fc][1], dout, da);
    if (!r->err)
        r->err = r->ops->act_grad(r->host, act->z, KILN_ACT_GELU, da, dz);
    if (!r->err)
        r->err =
            r->ops->linear_dw(r->host, act->x, dz, fc_grad(s, fc, WEIGHT), fc_grad(s, fc, BIAS));
    run_free(r, da);
    run_free(r, dz);
}

// Through x times class plus time; takes dout.
static kiln_tensor *condition(struct net *s, struct run *r, int level, const kiln_tensor *x,
                              kiln_tensor *dout)
{
    int time = level ? TIME2 : TIME1, class = level ? CLASS2 : CLASS1;
    if (s->config.arch == ARCH_PLAIN)
        return dout;
    kiln_tensor *mul = s->fc_act[class].out;  // NULL: a net without class
    kiln_tensor *dx = like(r, x), *dadd = like(r, s->fc_act[time].out), *dmul = NULL;
    if (mul)
        dmul = like(r, mul);
    if (!r->err)
        r->err = r->ops->affine_grad(r->host, x, mul, dout, dx, dmul, dadd);
    run_free(r, dout);
    linear_back(s, r, time, dadd);
    if (mul)
        linear_back(s, r, class, dmul);
    run_free(r, dadd);
    run_free(r, dmul);
    return dx;
}

static kiln_tensor *flatten(struct net *s, struct run *r, kiln_tensor *dout, const kiln_tensor *x)
{
    kiln_tensor *dpool = like(r, s->pooled), *dx = like(r, x);
    if (!r->err)
        r->err = r->ops->act_grad(r->host, s->pooled, KILN_ACT_GELU, dout, dpool);
    if (!r->err)
        r->err = r->ops->avg_pool_grad(r->host, 7, dpool, dx);
    run_free(r, dout);
    run_free(r, dpool);
    return dx;
}

int net_train_backward(struct net *s, const kiln_tensor *dout)
{
    struct run *r = &s->train;
    kiln_view image;
    kiln_tensor *da0, *da1, *da2;
    if (!s->conv_act[HEAD].x)
        return kiln_fail(&s->base, KILN_ERR_ARG, "backward without a forward before it");
    net_pass_pack(s, r, 1);
    const kiln_tensor *dy = run_as_map(r, view_map(&image, dout));
    kiln_tensor *d = conv_back(s, r, HEAD, dy, NULL);  // [n,28,28,D]
    d = block(s, r, OUT_1, d, NULL);                   // [n,28,28,D]
    d = block(s, r, OUT_0, d, &da0);                   // [n,28,28,D]
    d = block(s, r, UP2_2, d, NULL);                   // [n,28,28,D]
    d = block(s, r, UP2_1, d, NULL);                   // [n,28,28,D]
    d = block(s, r, UP2_0, d, &da1);                   // [n,14,14,D]
    d = condition(s, r, 1, s->level1, d);              // [n,14,14,D]
    d = block(s, r, UP1_2, d, NULL);                   // [n,14,14,D]
    d = block(s, r, UP1_1, d, NULL);                   // [n,14,14,D]
    d = block(s, r, UP1_0, d, &da2);                   // [n,7,7,2D]
    d = condition(s, r, 0, s->bottom, d);              // [n,7,7,2D]
    d = block(s, r, UNFLATTEN, d, NULL);               // [n,1,1,2D]
    d = flatten(s, r, d, da2);                         // [n,7,7,2D]
    add(r, d, da2);                                    // [n,7,7,2D]
    d = block(s, r, DOWN2_2, d, NULL);                 // [n,7,7,2D]
    d = block(s, r, DOWN2_1, d, NULL);                 // [n,7,7,2D]
    d = block(s, r, DOWN2_0, d, NULL);                 // [n,14,14,D]
    add(r, d, da1);                                    // [n,14,14,D]
    d = block(s, r, DOWN1_2, d, NULL);                 // [n,14,14,D]
    d = block(s, r, DOWN1_1, d, NULL);                 // [n,14,14,D]
    d = block(s, r, DOWN1_0, d, NULL);                 // [n,28,28,D]
    add(r, d, da0);                                    // [n,28,28,D]
    d = block(s, r, IN_1, d, NULL);                    // [n,28,28,D]
    block(s, r, IN_0, d, NULL);
    net_pass_free(s, r);
    s->conv_act[HEAD].x = NULL;
    return run_end(r);
}
