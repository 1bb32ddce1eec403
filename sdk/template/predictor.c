// @NAME@: a predictor. Takes every image for noise alone.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { SIZE };
static const kiln_param params[] = {
    {"size", KILN_INT, KILN_PARAM_POSITIONAL, "16", NULL, "height and width", 1, 1024},
};
enum { T = 1000 };

struct @IDENT@ {
    kiln_self base;
    double alpha[T], sigma[T];
};

// What the net is, without loading it: the noise schedule, the shape and range of its images, and
// what predict() estimates.
static int describe(kiln_self *self, kiln_net *net)
{
    struct @IDENT@ *s = (struct @IDENT@ *)self;
    for (int i = 0; i < T; i++) {
        s->alpha[i] = cos(1.55 * (i + 1) / T);
        s->sigma[i] = sin(1.55 * (i + 1) / T);
    }
    net->pred = KILN_EPS;
    net->variance = KILN_VARIANCE_BETA;
    net->chw[0] = 1;
    net->chw[1] = net->chw[2] = self->args[SIZE].i;
    net->alpha = s->alpha;
    net->sigma = s->sigma;
    net->n_t = T;
    net->steps = 20;
    net->lo = -1;
    net->hi = 1;
    return KILN_OK;
}

// e of x = alpha x0 + sigma e, were x0 all 0. A real net has load(), too, and encode() for prompts.
static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    (void)self;
    const int64_t length = kiln_numel(q->x) / q->x->shape[0];
    for (int64_t i = 0; i < kiln_numel(q->x); i++)
        kiln_f32(out->value)[i] = (float)((double)kiln_f32(q->x)[i] / q->level[i / length].sigma);
    return KILN_OK;
}

static const kiln_predictor_ops ops = {
    .size = sizeof(ops), .describe = describe, .predict = predict};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "the net of all that is gray",
    .example = "randn 1x1x16x16 ! @NAME@ ! ddim 5 ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct @IDENT@),
    .predictor = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
