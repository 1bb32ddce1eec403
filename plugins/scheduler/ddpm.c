// ddpm: ancestral sampling (Ho et al. 2020, algorithm 2), also over strides, where beta and alpha
// are those between the two timesteps (Nichol and Dhariwal 2021, section 4).
// SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { P_VARIANCE = WALK_N };
enum { AUTO, LEARNED, POSTERIOR, BETA };
static const kiln_param params[] = {
    WALK_PARAMS,
    {"variance", KILN_ENUM, 0, "auto", "auto|learned|posterior|beta",
     "of the noise of a step; auto: what the net says of itself", 0, 0},
};

struct ddpm {
    kiln_self base;
    struct walk walk;
};

static void destroy(kiln_self *self)
{
    walk_free(&((struct ddpm *)self)->walk);
}

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct walk *walk = &((struct ddpm *)self)->walk;
    int e = walk_plan(self, net, t_start, walk);
    if (!e && self->args[P_VARIANCE].i == LEARNED && net->variance != KILN_VARIANCE_LEARNED_RANGE)
        e = kiln_fail(self, KILN_ERR_ARG, "variance: the net has learned none");
    *t = walk->t;
    *n = (uint32_t)walk->n;
    return e;
}

static int variance_of(kiln_self *self, const kiln_net *net, const kiln_estimate *answer)
{
    int64_t v = self->args[P_VARIANCE].i;
    if (v == AUTO)
        v = net->variance == KILN_VARIANCE_BETA            ? BETA
            : net->variance == KILN_VARIANCE_LEARNED_RANGE ? LEARNED
                                                           : POSTERIOR;
    return v == LEARNED && !answer->var ? POSTERIOR : (int)v;
}

// Noise between the two variances as the net says for each pixel: Nichol and Dhariwal 2021, eq. 15.
static int add_learned(kiln_self *self, const kiln_run *run, const kiln_tensor *var,
                       double posterior, double beta, kiln_tensor *x)
{
    const kiln_host *h = self->host;
    kiln_tensor *z;
    int e = kiln_new_like(h, x, &z);
    if (!e)
        e = h->normal(h, 0, run->rows->id, run->rows->t, z);
    if (!e)
        e = kiln_get_ops(self)->add_range_noise(h, var, z, log(fmax(posterior, 1e-20)),
                                                log(fmax(beta, 1e-20)), x);
    h->tensor_free(h, z);
    return e;
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_level *a = &run->level[i], *b = &run->level[i + 1];
    const kiln_estimate *x0;
    double posterior, beta;
    struct move m = posterior_move(a, b, &posterior, &beta);
    int e = run->eval(run, KILN_X0, x, a->t, &x0);
    if (e)
        return e;
    int variance = variance_of(self, run->net, x0);
    if (b->sigma <= 0)  // the end is without noise
        return apply_move(self, run, m, x0->value, x);
    if (variance != LEARNED)
        m.z = sqrt(variance == BETA ? beta : posterior);
    e = apply_move(self, run, m, x0->value, x);
    if (!e && variance == LEARNED)
        e = add_learned(self, run, x0->var, posterior, beta, x);
    return e;
}

static const kiln_sampler_ops sampler = {.size = sizeof(sampler), .plan = plan, .step = step};
const kiln_node scheduler_ddpm = {
    .size = sizeof(scheduler_ddpm),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "ddpm",
    .summary = "sample with fresh noise in each step (Ho et al. 2020)",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct ddpm),
    .needs = "kiln.ops/1",
    .create = walk_create,
    .destroy = destroy,
    .sampler = &sampler,
};
