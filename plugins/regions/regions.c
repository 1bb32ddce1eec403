// regions: a prompt for each region of the image: the first branch where its mask is 1, of the rest
// the second where its mask is, and so on; the last one everywhere else.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

enum { P_BRANCH, P_MASK };
static const kiln_param params[] = {
    {"branch", KILN_MODELS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "prompts, or chains in brackets, one for each region", 0, 0},
    {"mask", KILN_MASKS, 0, NULL, NULL, "where a branch holds; one less than branches", 0, 0},
};

static int create(kiln_self *self)
{
    uint32_t branches = self->args[P_BRANCH].n, masks = self->args[P_MASK].n;
    if (branches < 2)
        return kiln_fail(self, KILN_ERR_ARG, "wants two branches or more");
    if (masks + 1 != branches)
        return kiln_fail(self, KILN_ERR_ARG, "%u masks for %u branches: wants %u", masks, branches,
                         branches - 1);
    return KILN_OK;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    uint32_t last = self->args[P_BRANCH].n - 1;
    const kiln_tensor *value = answer[last]->value, *var = answer[last]->var;  // of what is below
    int e = KILN_OK, vars = 1;  // have all of them a variance
    for (uint32_t i = 0; i <= last; i++)
        vars = vars && answer[i]->var;
    for (uint32_t i = last; i-- > 0 && !e;) {
        e = ops->blend(h, q->in[i], answer[i]->value, value, out->value);
        if (!e && vars)
            e = ops->blend(h, q->in[i], answer[i]->var, var, out->var);
        value = out->value;
        var = out->var;
    }
    return e;
}

static const kiln_combinator_ops combinator = {.size = sizeof(combinator), .reduce = reduce};
static const kiln_node regions = {
    .size = sizeof(regions),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "regions",
    .summary = "a prompt for each region of the image",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! cfg 5 ! regions 1 7 "
               "mask= [ rect 0,0,14,28 ] ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .create = create,
    .combinator = &combinator,
};
KILN_PLUGIN("org.kiln.regions", "1.0", "MIT", &regions);
