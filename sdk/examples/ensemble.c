// ensemble: a combinator with views. Asks the net about the image itself and about the image seen
// through each view, sees the answers back, and takes their mean.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { VIEW };
static const kiln_param params[] = {
    {"view", KILN_FILTERS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST | KILN_PARAM_VIEW,
     "flip horizontal", NULL, "beside the image itself", 0, 0},
};

static int arity(kiln_self *self, const kiln_query *q)
{
    (void)q;
    return (int)self->args[VIEW].n + 1;
}

static int expand(kiln_self *self, const kiln_query *q, kiln_query *const *child)
{
    int e = KILN_OK;
    for (uint32_t i = 0; i < self->args[VIEW].n && !e; i++)
        e = self->host->view(self->host, self->args[VIEW].filters[i], child[i + 1]);
    return (void)q, e;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_ops *ops = kiln_get_ops(self);
    for (uint32_t i = 0; i < self->args[VIEW].n; i++) {
        const double weight[] = {(i + 1) / (i + 2.0), 1 / (i + 2.0)};  // of the mean so far
        const kiln_estimate *back;
        int e = self->host->unview(self->host, self->args[VIEW].filters[i], answer[i + 1], &back);
        if (e)
            return e;
        e = ops->combine(self->host, 2, weight, NULL,
                         (const kiln_tensor *[]){out->value, back->value}, out->value);
        if (!e && out->var)
            e = ops->combine(self->host, 2, weight, NULL,
                             (const kiln_tensor *[]){out->var, back->var}, out->var);
        if (e)
            return e;
    }
    return (void)q, KILN_OK;
}

static const kiln_combinator_ops combinator = {
    .size = sizeof(combinator), .arity = arity, .expand = expand, .reduce = reduce};
static const kiln_node ensemble = {
    .size = sizeof(ensemble),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "ensemble",
    .summary = "the mean of what the net says of each view",
    .example = "randn 4x3x16x16 ! gaussian ! ensemble flip ! ddim 20 ! grid ! save out.png",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &combinator};
KILN_PLUGIN("org.example.ensemble", "1.0", "CC0-1.0", &ensemble);
