// dpmpp: DPM-Solver++ (Lu et al. 2022b), multistep, of order 1 to 3: polynomials through the last
// estimates of x0 over lambda = log(alpha / sigma), integrated exactly.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { P_ORDER = WALK_N, PAST = 2, FEW = 15 };
static const kiln_param params[] = {
    WALK_PARAMS,
    {"order", KILN_INT, 0, "2", NULL, "of the solver; 3 for nets without guidance", 1, 3},
};
// Cosine schedules run off to lambda = -10 in their last timesteps; what is beyond this limit is
// noise for all purposes, and a polynomial through it would be none through the rest.
static double least_lambda(const kiln_net *net)
{
    return net->lambda_min < 0 ? net->lambda_min : -5.1;
}

struct dpmpp {
    kiln_self base;
    struct walk walk;
    kiln_tensor *past[PAST];  // estimates of x0, the latest first
};

static void forget(kiln_self *self)
{
    struct dpmpp *s = (struct dpmpp *)self;
    for (int k = 0; k < PAST; k++) {
        self->host->tensor_free(self->host, s->past[k]);
        s->past[k] = NULL;
    }
}

static void destroy(kiln_self *self)
{
    forget(self);
    walk_free(&((struct dpmpp *)self)->walk);
}

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct walk *walk = &((struct dpmpp *)self)->walk;
    int e = walk_plan(self, net, t_start, walk);
    if (!e && !isfinite(t_start)) {
        double start = walk->t[0];
        for (;; start--) {
            kiln_level l = kiln_level_at(net, start);
            if (start <= walk->t[1] || log_snr(&l, -HUGE_VAL) >= least_lambda(net))
                break;
        }
        if (start < walk->t[0] && start > walk->t[1])
            e = walk_plan(self, net, start, walk);
    }
    *t = walk->t;
    *n = (uint32_t)walk->n;
    return e;
}

static int begin(kiln_self *self, const kiln_run *run)
{
    (void)run;
    forget(self);
    return KILN_OK;
}

// What this step can do: the past that there is; and first order where x0 itself is the result, or
// second before the end of a short walk, as higher ones overshoot there.
static int order_of(kiln_self *self, const kiln_run *run, uint32_t i)
{
    const struct dpmpp *s = (const struct dpmpp *)self;
    uint32_t left = run->n_steps - i;
    int order = (int)self->args[P_ORDER].i;
    if (left == 1 && (run->n_steps < FEW || run->level[i + 1].sigma <= 0))
        return 1;
    if (left == 2 && run->n_steps < FEW && order > 2)
        order = 2;
    while (order > 1 && !s->past[order - 2])
        order--;
    return order;
}

// c [3]: of the estimates at a and before; Lu et al. 2022b, algorithm 2 and, for order 3, eq. 4.1
// with divided differences: d1, d2 are the first and half the second derivative in units of h.
static void weights(const kiln_run *run, uint32_t i, int order, double *c)
{
    const kiln_level *l = &run->level[i];
    // alpha_b (1 - e^-h), by way of which h may be infinite.
    double w = l[1].alpha - l[0].alpha * l[1].sigma / l[0].sigma;
    c[0] = w;
    c[1] = c[2] = 0;
    if (order == 1)
        return;
    double lambda_min = least_lambda(run->net);
    double la = log_snr(&l[0], lambda_min), h = log_snr(&l[1], lambda_min) - la;
    double r0 = (la - log_snr(&l[-1], lambda_min)) / h;
    double r1 = order == 3 ? (log_snr(&l[-1], lambda_min) - log_snr(&l[-2], lambda_min)) / h : 0;
    if (!(r0 > 0 && isfinite(r0)))  // points beyond the limit, which are one
        return;
    if (!(r1 > 0)) {
        c[0] += w / (2 * r0);
        c[1] -= w / (2 * r0);
        return;
    }
    double w1 = l[1].alpha * (expm1(-h) / h + 1);
    double w2 = l[1].alpha * ((expm1(-h) + h) / (h * h) - 0.5);
    // slope s01 = (m0 - m1) / r0, s12 = (m1 - m2) / r1, bend = (s01 - s12) / (r0 + r1);
    // x gains w1 (s01 + r0 bend) - w2 bend.
    double of_bend = w1 * r0 - w2, s01 = w1 + of_bend / (r0 + r1), s12 = -of_bend / (r0 + r1);
    c[0] += s01 / r0;
    c[1] += s12 / r1 - s01 / r0;
    c[2] -= s12 / r1;
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    struct dpmpp *s = (struct dpmpp *)self;
    const kiln_host *h = self->host;
    const kiln_level *a = &run->level[i], *b = &run->level[i + 1];
    const kiln_estimate *x0;
    kiln_tensor *kept = NULL;
    int e = run->eval(run, KILN_X0, x, a->t, &x0);
    if (!e && i + 1 < run->n_steps && self->args[P_ORDER].i > 1) {
        e = kiln_new_like(h, x0->value, &kept);
        e = e ? e : h->tensor_copy(h, kept, x0->value);
    }
    if (!e && b->sigma <= 0) {
        e = apply_move(self, run, (struct move){0, b->alpha, 0}, x0->value, x);
    } else if (!e) {
        double c[4] = {b->sigma / a->sigma};
        int order = order_of(self, run, i);
        weights(run, i, order, c + 1);
        const kiln_tensor *term[] = {x, x0->value, s->past[0], s->past[1]};
        e = kiln_get_ops(self)->combine(h, 1 + order, c, NULL, term, x);
    }
    h->tensor_free(h, s->past[1]);
    s->past[1] = s->past[0];
    s->past[0] = kept;
    if (i + 1 == run->n_steps)
        forget(self);
    return e;
}

static const kiln_sampler_ops sampler = {
    .size = sizeof(sampler), .plan = plan, .begin = begin, .step = step};
const kiln_node scheduler_dpmpp = {
    .size = sizeof(scheduler_dpmpp),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "dpmpp",
    .summary = "sample in very few steps with a multistep solver (Lu et al. 2022)",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! dpmpp 20 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct dpmpp),
    .needs = "kiln.ops/1",
    .create = walk_create,
    .destroy = destroy,
    .sampler = &sampler,
};
