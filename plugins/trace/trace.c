// trace: keeps the images of a run on their way, as the kept image "trace".
// SPDX-License-Identifier: MIT
#include <kiln/ext/state.h>
#include <kiln/kiln.h>

enum { P_T, P_EVERY, P_WHAT };
enum { X, X0 };
static const kiln_param params[] = {
    {"t", KILN_FLOATS, KILN_PARAM_POSITIONAL, "", NULL, "timesteps at which to look", 0, 1e6},
    {"every", KILN_INT, 0, "0", NULL,
     "look each so many steps, at the start too; without t and every: at each step", 0, 1e6},
    {"what", KILN_ENUM, 0, "x", "x|x0", "x: the noisy image on reaching t, x0: its estimate there",
     0, 0},
};

struct trace {
    kiln_self base;
    uint32_t looked;  // in the run in hand, for the warning at its end
};

static int wanted(const kiln_self *self, double t, uint32_t step)
{
    const kiln_value *list = &self->args[P_T];
    int64_t every = self->args[P_EVERY].i;
    if (!list->n && !every)
        every = 1;
    if (every && step % every == 0)
        return 1;
    for (uint32_t i = 0; i < list->n; i++)
        if (list->fs[i] == t)
            return 1;
    return 0;
}

static int keep(kiln_self *self, const kiln_tensor *x, double t)
{
    const kiln_host *h = self->host;
    const kiln_state *state = kiln_get_state(self);
    int64_t n = x->shape[0];
    kiln_tensor *times;
    ((struct trace *)self)->looked++;
    int e = h->tensor_new(h, NULL, KILN_F64, 1, &n, &times);
    if (e)
        return e;
    double *v = (double *)(void *)((char *)times->data + times->byte_offset);
    for (int64_t i = 0; i < n; i++)
        v[i] = t;
    e = state->append(h, "keep.trace", x);
    if (!e)
        e = state->append(h, "keep.trace.t", times);
    h->tensor_free(h, times);
    return e;
}

static int before(kiln_self *self, const kiln_step *step, kiln_tensor *x)
{
    if (step->i)
        return KILN_OK;
    ((struct trace *)self)->looked = 0;
    if (self->args[P_WHAT].i == X && wanted(self, step->from->t, 0))
        return keep(self, x, step->from->t);
    return KILN_OK;
}

static int after(kiln_self *self, const kiln_step *step, kiln_tensor *x)
{
    const kiln_host *h = self->host;
    int e = KILN_OK;
    if (self->args[P_WHAT].i == X) {
        if (wanted(self, step->to->t, step->i + 1))
            e = keep(self, x, step->to->t);
    } else if (step->x0 && wanted(self, step->from->t, step->i)) {
        e = keep(self, step->x0, step->from->t);
    }
    if (!e && step->i + 1 == step->n && !((struct trace *)self)->looked)
        h->log(h, KILN_LOG_WARNING, "the run came by none of the timesteps asked for");
    return e;
}

static const kiln_hook_ops hook = {.size = sizeof(hook), .before = before, .after = after};
static const kiln_node trace = {
    .size = sizeof(trace),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "trace",
    .summary = "keep the images on their way, as @trace",
    .example =
        "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! trace every=50 ! ddpm "
        "! take trace ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct trace),
    .needs = "kiln.state/1",
    .hook = &hook,
};
KILN_PLUGIN("org.kiln.trace", "1.0", "MIT", &trace);
