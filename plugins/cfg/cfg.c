// cfg: classifier-free guidance (Ho and Salimans 2022, eq. 6): e = e_u + scale (e_c - e_u).
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

enum { P_SCALE, P_NEGATIVE };
static const kiln_param params[] = {
    {"scale", KILN_FLOAT, KILN_PARAM_POSITIONAL, "7", NULL,
     "0: as if without prompt, 1: the prompt alone, more: away from what negative says", 0, 1000},
    {"negative", KILN_PROMPT, 0, "", NULL, "prompt to move away from", 0, 0},
};

// Of a query without condition, and at scale 1, there is nothing to guide.
static int arity(kiln_self *self, const kiln_query *q)
{
    return q->role == KILN_COND && self->args[P_SCALE].f != 1 ? 2 : 1;
}

static int expand(kiln_self *self, const kiln_query *q, kiln_query *const *child)
{
    if (arity(self, q) == 2) {
        child[1]->role = KILN_UNCOND;
        child[1]->prompt = self->args[P_NEGATIVE].i;
    }
    return KILN_OK;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    if (arity(self, q) == 1)
        return KILN_OK;  // out is the one answer already
    // out has the variance of the first answer, the one with the prompt, and keeps it.
    double scale = self->args[P_SCALE].f, a[] = {scale, 1 - scale};
    const kiln_tensor *x[] = {answer[0]->value, answer[1]->value};
    return kiln_get_ops(self)->combine(self->host, 2, a, NULL, x, out->value);
}

static const kiln_combinator_ops combinator = {
    .size = sizeof(combinator), .arity = arity, .expand = expand, .reduce = reduce};
static const kiln_node cfg = {
    .size = sizeof(cfg),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "cfg",
    .summary = "classifier-free guidance: more of what the prompt asks for",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &combinator,
};
KILN_PLUGIN("org.kiln.cfg", "1.0", "MIT", &cfg);
