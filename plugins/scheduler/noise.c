// noise: the forward process, x_t = alpha x0 + sigma e.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

#include <kiln/ext/state.h>

enum { P_T, P_SIGMA, P_SCHEDULE };
enum { OF_NET, COSINE, LINEAR };
static const kiln_param params[] = {
    {"t", KILN_FLOATS, 0, "", NULL, "timesteps; one image gives an image for each", 0, 1e6},
    {"sigma", KILN_FLOATS, 0, "", NULL, "instead: x0 + sigma e, of nets that take sigma", 0, 1e6},
    {"schedule", KILN_ENUM, 0, "net", "net|cosine|linear",
     "where t counts: the net's, or without a net 1000 timesteps of a public schedule", 0, 0},
};
enum { T = 1000 };

struct noise {
    kiln_self base;
    kiln_net own;  // schedule=cosine and linear
    double *level;
};

// alpha_bar of T steps, as running product of 1 - beta.
static void make_schedule(int64_t kind, double *alpha, double *sigma)
{
    const double pi = 3.14159265358979323846;
    double bar = 1;
    for (int i = 0; i < T; i++) {
        // linear: Ho et al. 2020, section 4. cosine: Nichol and Dhariwal 2021, eq. 17.
        double beta = 1e-4 + (0.02 - 1e-4) * i / (T - 1);
        if (kind == COSINE) {
            double u = cos(((double)i / T + 0.008) / 1.008 * pi / 2);
            double v = cos(((double)(i + 1) / T + 0.008) / 1.008 * pi / 2);
            beta = fmin(1 - v * v / (u * u), 0.999);
        }
        bar *= 1 - beta;
        alpha[i] = sqrt(bar);
        sigma[i] = sqrt(1 - bar);
    }
}

static int create(kiln_self *self)
{
    struct noise *s = (struct noise *)self;
    const kiln_value *args = self->args;
    if (!args[P_T].n == !args[P_SIGMA].n)
        return kiln_fail(self, KILN_ERR_ARG, "say how much: t= or sigma=, one of the two");
    if (args[P_SCHEDULE].i == OF_NET)
        return KILN_OK;
    if (args[P_SIGMA].n)
        return kiln_fail(self, KILN_ERR_ARG, "schedule: only with t=");
    s->level = malloc(2 * T * sizeof(*s->level));
    if (!s->level)
        return kiln_fail(self, KILN_ERR_MEMORY, "no memory for a schedule");
    make_schedule(args[P_SCHEDULE].i, s->level, s->level + T);
    s->own.alpha = s->level;
    s->own.sigma = s->level + T;
    s->own.n_t = T;
    return KILN_OK;
}

static void destroy(kiln_self *self)
{
    free(((struct noise *)self)->level);
}

// The schedule that t counts in; NULL: x0 + sigma e.
static const kiln_net *schedule(kiln_self *self, const kiln_rows *rows)
{
    struct noise *s = (struct noise *)self;
    return s->level ? &s->own : rows->net;
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const kiln_value *t = &self->args[P_T], *sigma = &self->args[P_SIGMA];
    const kiln_net *net = schedule(self, rows);
    const kiln_value *value = t->n ? t : sigma;
    for (int64_t i = 0; i < rows->n; i++)
        if (rows->t[i] >= 0)
            return kiln_fail(self, KILN_ERR_ARG, "the image is noisy already (t = %g)", rows->t[i]);
    if (t->n && !net)
        return kiln_fail(self, KILN_ERR_ARG,
                         "t of what schedule? name a net before it, or say schedule=cosine");
    if (sigma->n && net && net->n_t)
        return kiln_fail(self, KILN_ERR_ARG,
                         "sigma: the net has the timesteps %g to %g, say t=", net_first_t(net),
                         net_last_t(net));
    if (rows->net && net != rows->net)
        return kiln_fail(self, KILN_ERR_ARG, "schedule: the net has one of its own");
    for (uint32_t i = 0; i < value->n && net; i++) {
        int e = check_t(self, net, value->fs[i]);
        if (e)
            return e;
    }
    return plan_values(self, plan, value->fs, value->n);
}

// Without a net the State gets the schedule, so that the t of its images means something.
static int publish(kiln_self *self)
{
    const struct noise *s = (const struct noise *)self;
    const kiln_host *h = self->host;
    const kiln_state *state = kiln_get_state(self);
    const char *name[] = {"alpha", "sigma"};
    const double *level[] = {s->own.alpha, s->own.sigma};
    int64_t n = T;
    int e = KILN_OK;
    for (int k = 0; k < 2 && !e; k++) {
        kiln_tensor *t;
        e = h->tensor_new(h, NULL, KILN_F64, 1, &n, &t);
        if (e)
            break;
        memcpy((char *)t->data + t->byte_offset, level[k], T * sizeof(double));
        e = state->put(h, name[k], t);
    }
    return e ? e : state->put_text(h, "kiln.t_first", "0");
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_net *net = schedule(self, rows);
    int e = h->normal(h, 0, rows->id, rows->t, out);
    for (int64_t i = 0; i < rows->n && !e; i++) {
        struct row x0, z;
        row_of(&x0, in, i % in->shape[0]);
        row_of(&z, out, i);
        kiln_level level = {rows->t[i], 1, rows->t[i]};
        if (net)
            level = kiln_level_at(net, rows->t[i]);
        e = ops->combine(h, 2, (double[]){level.alpha, level.sigma}, NULL,
                         (const kiln_tensor *[]){&x0.tensor, &z.tensor}, &z.tensor);
    }
    return e || !net || net == rows->net ? e : publish(self);
}

static const kiln_filter_ops filter = {.size = sizeof(filter), .plan = plan, .run = run};
const kiln_node scheduler_noise = {
    .size = sizeof(scheduler_noise),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_NET_RANGE,
    .name = "noise",
    .summary = "add noise as the forward process does",
    .example = "digits test images=0 ! mnist-unet mnist-class ! noise t=50,150,250 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct noise),
    .needs = "kiln.ops/1 kiln.state/1",
    .create = create,
    .destroy = destroy,
    .filter = &filter,
};
