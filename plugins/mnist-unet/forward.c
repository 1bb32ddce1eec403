// Inference: the norms are folded into the convolutions.
// SPDX-License-Identifier: MIT
#include "net.h"

// act(conv(x with skip behind it, or NULL)); skip is freed, x when drop is set.
static kiln_tensor *conv(struct net *s, struct run *r, int id, const kiln_tensor *x,
                         const kiln_tensor *skip, int drop)
{
    const struct conv_spec *spec = &conv_specs[id];
    int64_t h = x ? x->shape[1] : 1, w = x ? x->shape[2] : 1, k = spec->conv.stride;
    if (spec->conv.transposed)
        h *= k, w *= k;
    else
        h = (h + k - 1) / k, w = (w + k - 1) / k;
    kiln_tensor *out = run_new(r, h, w, s->config.hidden * spec->co);
    if (!r->err)
        r->err =
            r->ops->conv(r->host, s->conv[id], x, skip, s->bias[id], NULL, 1, KILN_ACT_GELU, out);
    run_free(r, skip);
    if (drop)
        run_free(r, x);
    return out;
}

static kiln_tensor *linear_block(struct net *s, struct run *r, int fc, const kiln_tensor *x)
{
    if (!has_fc(s->config.arch, fc))
        return NULL;
    int64_t c = (fc == TIME1 || fc == CLASS1 ? 2 : 1) * s->config.hidden;
    kiln_tensor *hidden = run_rows(r, c), *out = run_rows(r, c);
    if (!r->err)
        r->err = r->ops->linear(r->host, s->fc[fc][0], x, fc_tensor(s, fc, BIAS), KILN_ACT_GELU,
                                NULL, hidden);
    if (!r->err)
        r->err = r->ops->linear(r->host, s->fc[fc][1], hidden, fc_tensor(s, fc, 2 + BIAS),
                                KILN_ACT_NONE, NULL, out);
    run_free(r, hidden);
    return out;
}

// x times what the class says plus what the time says, in place.
static void condition(struct net *s, struct run *r, int level, kiln_tensor *x, const kiln_tensor *t,
                      const kiln_tensor *h)
{
    kiln_tensor *add = linear_block(s, r, level ? TIME2 : TIME1, t);
    kiln_tensor *mul = linear_block(s, r, level ? CLASS2 : CLASS1, h);
    if (!r->err && (add || mul))
        r->err = r->ops->affine(r->host, x, mul, add, x);
    run_free(r, add);
    run_free(r, mul);
}

static kiln_tensor *flatten(struct run *r, const kiln_tensor *x)
{
    kiln_tensor *out = run_new(r, 1, 1, x ? x->shape[3] : 1);
    if (!r->err)
        r->err = r->ops->avg_pool(r->host, x, 7, out);
    if (!r->err)
        r->err = r->ops->act(r->host, out, KILN_ACT_GELU, out);
    return out;
}

int net_predict(struct net *s, const kiln_query *q, kiln_tensor *out)
{
    struct run run = {.host = s->base.host,
                      .ops = kiln_get_ops(&s->base),
                      .n = q->x->shape[0],
                      .map_dtype = s->base.host->map_dtype};
    struct run *r = &run;
    kiln_view view;
    const kiln_tensor *h = s->config.arch == ARCH_CLASS ? q->cond[0] : NULL;  // [n,10]
    const kiln_tensor *t = run_time(r, &s->config, q);                        // [n,1]

    const kiln_tensor *image = run_as_map(r, view_map(&view, q->x));  // [n,28,28,1]
    kiln_tensor *x = conv(s, r, IN_0, image, NULL, 1);                // [n,28,28,D]
    kiln_tensor *a0 = conv(s, r, IN_1, x, NULL, 1);                   // [n,28,28,D]
    x = conv(s, r, DOWN1_0, a0, NULL, 0);                             // [n,14,14,D]
    x = conv(s, r, DOWN1_1, x, NULL, 1);                              // [n,14,14,D]
    kiln_tensor *a1 = conv(s, r, DOWN1_2, x, NULL, 1);                // [n,14,14,D]
    x = conv(s, r, DOWN2_0, a1, NULL, 0);                             // [n,7,7,2D]
    x = conv(s, r, DOWN2_1, x, NULL, 1);                              // [n,7,7,2D]
    kiln_tensor *a2 = conv(s, r, DOWN2_2, x, NULL, 1);                // [n,7,7,2D]
    x = flatten(r, a2);                                               // [n,1,1,2D]
    x = conv(s, r, UNFLATTEN, x, NULL, 1);                            // [n,7,7,2D]
    condition(s, r, 0, x, t, h);                                      // [n,7,7,2D]
    x = conv(s, r, UP1_0, x, a2, 1);                                  // [n,14,14,D]
    x = conv(s, r, UP1_1, x, NULL, 1);                                // [n,14,14,D]
    x = conv(s, r, UP1_2, x, NULL, 1);                                // [n,14,14,D]
    condition(s, r, 1, x, t, h);                                      // [n,14,14,D]
    x = conv(s, r, UP2_0, x, a1, 1);                                  // [n,28,28,D]
    x = conv(s, r, UP2_1, x, NULL, 1);                                // [n,28,28,D]
    x = conv(s, r, UP2_2, x, NULL, 1);                                // [n,28,28,D]
    x = conv(s, r, OUT_0, x, a0, 1);                                  // [n,28,28,D]
    x = conv(s, r, OUT_1, x, NULL, 1);                                // [n,28,28,D]
    run_head(r, s->conv[HEAD], s->bias[HEAD], x, out);                // [n,28,28,1]
    return run_end(r);
}
