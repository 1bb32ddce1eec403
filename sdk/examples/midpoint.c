// midpoint: a sampler. With y = x / alpha and u = sigma / alpha the images flow by dy/du = e; each
// step takes the slope half way along, at the price of two evaluations.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { STEPS };
static const kiln_param params[] = {
    {"steps", KILN_INT, KILN_PARAM_POSITIONAL, "20", NULL, "two evaluations each", 1, 500},
};

struct midpoint {
    kiln_self base;
    double t[501];
};

// Even steps from where the images are, at most the net's noisiest level, to the cleanest.
static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    double *list = ((struct midpoint *)self)->t, first = (double)net->t_first;
    if (!net->n_t)
        return kiln_fail(self, KILN_ERR_UNSUPPORTED, "wants a net with a noise schedule");
    double from = fmin(t_start, first + (double)net->n_t - 1);
    *n = (uint32_t)self->args[STEPS].i;
    for (uint32_t i = 0; i < *n; i++)
        list[i] = from + (first - from) * i / *n;
    list[*n] = KILN_CLEAN;
    *t = list;
    return KILN_OK;
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_level *a = &run->level[i], *b = &run->level[i + 1];
    const double below = fmax(b->t, (double)run->net->t_first);
    const kiln_level half = kiln_level_at(run->net, (a->t + below) / 2), *to[] = {&half, b};
    const kiln_estimate *slope;
    kiln_tensor *y;  // x at half way, then at b
    int e = kiln_new_like(self->host, x, &y);
    for (int k = 0; k < 2 && !e; k++) {
        const double r = to[k]->alpha / a->alpha, c[] = {r, to[k]->sigma - r * a->sigma};
        e = run->eval(run, KILN_EPS, k ? y : x, k ? half.t : a->t, &slope);
        if (!e)
            e = kiln_get_ops(self)->combine(self->host, 2, c, NULL,
                                            (const kiln_tensor *[]){x, slope->value}, k ? x : y);
    }
    return self->host->tensor_free(self->host, y), e;
}

static const kiln_sampler_ops ops = {.size = sizeof(ops), .plan = plan, .step = step};
static const kiln_node midpoint = {
    .size = sizeof(midpoint),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "midpoint",
    .summary = "second order, by the slope half way",
    .params = KILN_PARAMS(params),
    .example = "randn 4x3x16x16 ! gaussian ! prompt a ! midpoint 10 ! grid ! save out.png",
    .self_size = sizeof(struct midpoint),
    .needs = "kiln.ops/1",
    .sampler = &ops};
KILN_PLUGIN("org.example.midpoint", "1.0", "CC0-1.0", &midpoint);
