// ddim: Song et al. 2021, eq. 12, with eta: 0 adds no noise, 1 as much as ddpm's posterior.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { P_ETA = WALK_N };
static const kiln_param params[] = {
    WALK_PARAMS,
    {"eta", KILN_FLOAT, 0, "0", NULL, "0: no noise, 1: as much as ddpm variance=posterior", 0, 1},
};

struct ddim {
    kiln_self base;
    struct walk walk;
};

static void destroy(kiln_self *self)
{
    walk_free(&((struct ddim *)self)->walk);
}

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct walk *walk = &((struct ddim *)self)->walk;
    int e = walk_plan(self, net, t_start, walk);
    *t = walk->t;
    *n = (uint32_t)walk->n;
    return e;
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    struct move m = ddim_move(&run->level[i], &run->level[i + 1], self->args[P_ETA].f);
    return eval_and_move(self, run, i, m, x);
}

static const kiln_sampler_ops sampler = {.size = sizeof(sampler), .plan = plan, .step = step};
const kiln_node scheduler_ddim = {
    .size = sizeof(scheduler_ddim),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "ddim",
    .summary = "sample in few steps, without noise unless eta says so (Song et al. 2021)",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddim 50 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct ddim),
    .needs = "kiln.ops/1",
    .create = walk_create,
    .destroy = destroy,
    .sampler = &sampler,
};
