// @NAME@: a sampler. One step from where the images are to clean ones.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

struct @IDENT@ {
    kiln_self base;
    double t[2];
};

static int plan(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    struct @IDENT@ *s = (struct @IDENT@ *)self;
    s->t[0] = net->n_t ? fmin(t_start, (double)(net->t_first + net->n_t - 1)) : t_start;
    s->t[1] = KILN_CLEAN;
    *t = s->t;
    *n = 1;
    return KILN_OK;
}

// From x at level[i] to x at level[i + 1], in place.
static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_estimate *x0;
    int e = run->eval(run, KILN_X0, x, run->level[i].t, &x0);
    return e ? e : self->host->tensor_copy(self->host, x, x0->value);
}

static const kiln_sampler_ops ops = {.size = sizeof(ops), .plan = plan, .step = step};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "one step to the clean image",
    .example = "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 3 ! @NAME@ ! save out.png",
    .flags = KILN_NODE_ANY_DEVICE,
    .self_size = sizeof(struct @IDENT@),
    .sampler = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
