// hybrid: one image from far, another from near (Geng et al. 2024b, factorized diffusion):
// e = F e_far + (1 - F) e_near, F a low-pass or any other linear filter.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

enum { P_FAR, P_NEAR, P_FILTER };
static const kiln_param params[] = {
    {"far", KILN_MODEL, KILN_PARAM_POSITIONAL, NULL, NULL,
     "prompt, or chain in brackets, of what the filter passes", 0, 0},
    {"near", KILN_MODEL, KILN_PARAM_POSITIONAL, NULL, NULL, "the same, of the rest", 0, 0},
    {"filter", KILN_FILTER, KILN_PARAM_LINEAR, "blur 2 kernel=33", NULL,
     "a linear filter that keeps the size", 0, 0},
};

// The filter sees the difference alone, so that equal estimates come through exactly.
static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_estimate *far = answer[0], *near = answer[1];
    const kiln_tensor *value[] = {far->value, near->value}, *var[] = {far->var, near->var}, *low;
    (void)q;
    int e = ops->combine(h, 2, (double[]){1, -1}, NULL, value, out->value);
    if (!e)
        e = h->filter(h, self->args[P_FILTER].filter, out->value, &low);
    if (!e)
        e = ops->combine(h, 2, (double[]){1, 1}, NULL, (const kiln_tensor *[]){near->value, low},
                         out->value);
    if (!e && out->var && near->var)
        e = ops->combine(h, 2, (double[]){0.5, 0.5}, NULL, var, out->var);
    return e;
}

static const kiln_combinator_ops combinator = {.size = sizeof(combinator), .reduce = reduce};
static const kiln_node hybrid = {
    .size = sizeof(hybrid),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "hybrid",
    .summary = "one image from far and another from near",
    .example = "randn 8x1x28x28 ! mnist-unet mnist-class ! cfg 5 ! hybrid 0 1 filter=\"blur 1.5\" "
               "! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &combinator,
};
KILN_PLUGIN("org.kiln.hybrid", "1.0", "MIT", &hybrid);
