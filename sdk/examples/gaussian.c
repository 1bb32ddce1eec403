// gaussian: a predictor without weights: its data are so simple that the best estimate of the noise
// is known. They are N(m, 0.2^2), m a ramp whose colour is the prompt's, 0 for "".
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { SIZE, C = 3, T = 1000 };
static const kiln_param params[] = {
    {"size", KILN_INT, KILN_PARAM_POSITIONAL, "16", NULL, "height and width", 2, 256},
};

struct gaussian {
    kiln_self base;
    double alpha[T], sigma[T];
};

static int describe(kiln_self *self, kiln_net *net)
{
    struct gaussian *g = (struct gaussian *)self;
    for (int i = 0; i < T; i++)
        g->alpha[i] = cos(1.55 * (i + 1) / T), g->sigma[i] = sin(1.55 * (i + 1) / T);
    net->pred = KILN_EPS, net->variance = KILN_VARIANCE_BETA, net->n_cond = 1, net->steps = 50;
    net->chw[0] = C, net->chw[1] = net->chw[2] = self->args[SIZE].i;
    net->alpha = g->alpha, net->sigma = g->sigma, net->n_t = T, net->lo = -1, net->hi = 1;
    return KILN_OK;
}

static int encode(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond)
{
    const int64_t w = self->args[SIZE].i;
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 3, (int64_t[]){C, w, w}, cond);
    for (int64_t i = 0; i < C * w * w && !e; i++) {
        double colour = *text ? sin((double)((i / (w * w) + 1) * *text)) : 0;
        kiln_f32(*cond)[i] = (float)(colour * (double)(2 * (i % w) - w) / (double)w);
    }
    return (void)emb, e;
}

// x_t is N(a m, (0.2 a)^2 + s^2), so that E[e | x_t] = s (x_t - a m) / that variance.
static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    const int64_t length = C * self->args[SIZE].i * self->args[SIZE].i;
    for (int64_t i = 0; i < kiln_numel(q->x); i++) {
        const double a = q->level[i / length].alpha, s = q->level[i / length].sigma;
        const double x = (double)kiln_f32(q->x)[i], m = (double)kiln_f32(q->cond[0])[i];
        kiln_f32(out->value)[i] = (float)(s * (x - a * m) / (.04 * a * a + s * s));
    }
    return KILN_OK;
}

static const kiln_predictor_ops ops = {
    .size = sizeof(ops), .describe = describe, .encode = encode, .predict = predict};
static const kiln_node gaussian = {
    .size = sizeof(gaussian),
    .name = "gaussian",
    .summary = "exact noise estimate of a Gaussian",
    .example = "randn 4x3x16x16 ! gaussian ! prompt a ! ddim 20 ! grid ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct gaussian),
    .predictor = &ops};
KILN_PLUGIN("org.example.gaussian", "1.0", "CC0-1.0", &gaussian);
