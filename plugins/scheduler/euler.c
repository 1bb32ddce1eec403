// euler: Euler's method on the probability flow ODE (Karras et al. 2022, eq. 4), in y = x / alpha
// over s = sigma / alpha, where dy/ds = (y - x0) / s. For a flow net it is x + (t_b - t_a) flow.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

static const kiln_param params[] = {WALK_PARAMS};

struct euler {
    kiln_self base;
    struct walk walk;
};

static void destroy(kiln_self *self)
{
    walk_free(&((struct euler *)self)->walk);
}

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct walk *walk = &((struct euler *)self)->walk;
    int e = walk_plan(self, net, t_start, walk);
    *t = walk->t;
    *n = (uint32_t)walk->n;
    return e;
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_level *a = &run->level[i], *b = &run->level[i + 1];
    struct move m = {0, b->alpha, 0};
    if (b->sigma > 0) {
        // y_b = y_a + (s_b - s_a)(y_a - x0) / s_a, times alpha_b; alpha_a may be 0, s_a infinite.
        double ratio = b->sigma * a->alpha / (b->alpha * a->sigma);  // s_b / s_a
        m.x = b->sigma / a->sigma;
        m.x0 = b->alpha * (1 - ratio);
    }
    return eval_and_move(self, run, i, m, x);
}

static const kiln_sampler_ops sampler = {.size = sizeof(sampler), .plan = plan, .step = step};
const kiln_node scheduler_euler = {
    .size = sizeof(scheduler_euler),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "euler",
    .summary = "Euler steps along the probability flow (Karras et al. 2022)",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! euler 50 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct euler),
    .needs = "kiln.ops/1",
    .create = walk_create,
    .destroy = destroy,
    .sampler = &sampler,
};
