// score: how well the stack explains clean images: the mean squared error of its eps on noised
// copies. The lowest over prompts classifies (Li et al. 2023). SPDX-License-Identifier: MIT
#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

#include <kiln/ext/state.h>

enum { P_T, P_DRAWS, SPREAD = 8 };
static const kiln_param params[] = {
    {"t", KILN_FLOATS, KILN_PARAM_POSITIONAL, "", NULL, "timesteps; none: 8 spread over the net's",
     0, 1e6},
    {"draws", KILN_INT, 0, "4", NULL, "noises per image and timestep", 1, 10000},
};

struct score {
    kiln_self base;
    double *walk;  // a step for each draw at each level; the image stays clean
    double level[SPREAD];
    const double *t;  // [n_t]
    uint32_t n_t;
    double *sum;  // [rows]
};

static void destroy(kiln_self *self)
{
    struct score *s = (struct score *)self;
    free(s->walk);
    free(s->sum);
}

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct score *s = (struct score *)self;
    s->t = self->args[P_T].fs;
    s->n_t = self->args[P_T].n;
    if (t_start >= 0)
        return kiln_fail(self, KILN_ERR_ARG, "wants clean images, and this one is at t = %g",
                         t_start);
    if (!s->n_t && !net->n_t)
        return kiln_fail(self, KILN_ERR_ARG, "the net takes sigma as t: say which");
    if (!s->n_t) {
        for (int i = 0; i < SPREAD; i++)  // the middles of eight equal parts
            s->level[i] = net_first_t(net) + (double)((2 * i + 1) * net->n_t / (2 * SPREAD));
        s->t = s->level;
        s->n_t = SPREAD;
    }
    for (uint32_t i = 0; i < s->n_t; i++) {
        int e = check_t(self, net, s->t[i]);
        if (e)
            return e;
    }
    size_t steps = (size_t)s->n_t * (size_t)self->args[P_DRAWS].i;
    double *list = steps < UINT32_MAX ? realloc(s->walk, (steps + 1) * sizeof(*list)) : NULL;
    if (!list)
        return kiln_fail(self, KILN_ERR_MEMORY, "no memory for %zu steps", steps);
    for (size_t i = 0; i <= steps; i++)
        list[i] = KILN_CLEAN;
    s->walk = list;
    *t = list;
    *n = (uint32_t)steps;
    return KILN_OK;
}

static int begin(kiln_self *self, const kiln_run *run)
{
    struct score *s = (struct score *)self;
    double *sum = realloc(s->sum, (size_t)run->rows->n * sizeof(*sum));
    if (!sum)
        return kiln_fail(self, KILN_ERR_MEMORY, "no memory for scores");
    memset(sum, 0, (size_t)run->rows->n * sizeof(*sum));
    s->sum = sum;
    return KILN_OK;
}

// sum[i] += mean of (eps - z)^2 over row i, in double and in order.
static void add_errors(const kiln_tensor *eps, const kiln_tensor *z, double *sum)
{
    int64_t n = z->shape[0], len = kiln_numel(z) / n;
    const float *a = kiln_f32(eps), *b = kiln_f32(z);
    for (int64_t i = 0; i < n; i++) {
        double of_row = 0;
        for (int64_t k = 0; k < len; k++) {
            double d = (double)a[i * len + k] - (double)b[i * len + k];
            of_row += d * d;
        }
        sum[i] += of_row / (double)len;
    }
}

static int put_score(kiln_self *self, const kiln_run *run)
{
    struct score *s = (struct score *)self;
    const kiln_host *h = self->host;
    int64_t n = run->rows->n;
    kiln_tensor *out;
    int e = h->tensor_new(h, NULL, KILN_F64, 1, &n, &out);
    if (e)
        return e;
    double *v = (double *)(void *)((char *)out->data + out->byte_offset);
    for (int64_t i = 0; i < n; i++)
        v[i] = s->sum[i] / run->n_steps;
    return kiln_get_state(self)->put(h, "score", out);
}

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    struct score *s = (struct score *)self;
    const kiln_host *h = self->host;
    int64_t n = run->rows->n;
    uint32_t draw = i / s->n_t;
    kiln_level level = kiln_level_at(run->net, s->t[i % s->n_t]);
    kiln_tensor *z = NULL, *noisy = NULL;
    const kiln_estimate *eps;
    double *t = malloc((size_t)n * sizeof(*t));
    if (!t)
        return kiln_fail(self, KILN_ERR_MEMORY, "no memory for timesteps");
    for (int64_t r = 0; r < n; r++)
        t[r] = level.t;
    int e = kiln_new_like(h, x, &z);
    if (!e)
        e = kiln_new_like(h, x, &noisy);
    if (!e)
        e = h->normal(h, draw, run->rows->id, t, z);
    if (!e)
        e = kiln_get_ops(self)->combine(h, 2, (double[]){level.alpha, level.sigma}, NULL,
                                        (const kiln_tensor *[]){x, z}, noisy);
    if (!e)
        e = run->eval(run, KILN_EPS, noisy, level.t, &eps);
    if (!e)
        add_errors(eps->value, z, s->sum);
    h->tensor_free(h, z);
    h->tensor_free(h, noisy);
    free(t);
    if (!e && i + 1 == run->n_steps)
        e = put_score(self, run);
    return e;
}

static const kiln_sampler_ops sampler = {
    .size = sizeof(sampler), .plan = plan, .begin = begin, .step = step};
const kiln_node scheduler_score = {
    .size = sizeof(scheduler_score),
    .flags = KILN_NODE_TAKES_CLEAN,
    .name = "score",
    .summary = "how well the net explains the images: the mean error of its eps",
    .example = "digits test images=0:4 ! mnist-unet mnist-class ! score ! sort ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct score),
    .needs = "kiln.ops/1 kiln.state/1",
    .destroy = destroy,
    .sampler = &sampler,
};
