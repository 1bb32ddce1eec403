// guide: a combinator with two children: classifier-free guidance (Ho and Salimans 2022, eq. 6),
// e = e_u + scale (e_c - e_u), where e_u is the answer without the prompt.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { SCALE, NEGATIVE };
static const kiln_param params[] = {
    {"scale", KILN_FLOAT, KILN_PARAM_POSITIONAL, "5", NULL, "1: no guidance", 0, 100},
    {"negative", KILN_PROMPT, 0, "", NULL, "what to move away from", 0, 0},
};
enum { WITH, WITHOUT };

// A query that is without the prompt already, of guidance above, passes through.
static int arity(kiln_self *self, const kiln_query *q)
{
    (void)self;
    return q->role == KILN_COND ? 2 : 1;
}

static int expand(kiln_self *self, const kiln_query *q, kiln_query *const *child)
{
    if (q->role == KILN_UNCOND)
        return KILN_OK;
    child[WITHOUT]->role = KILN_UNCOND;
    child[WITHOUT]->prompt = self->args[NEGATIVE].i;
    return KILN_OK;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    if (q->role == KILN_UNCOND)
        return KILN_OK;  // out is a copy of answer[0] already, its variance with it
    const double scale = self->args[SCALE].f, weight[] = {scale, 1 - scale};
    const kiln_tensor *value[] = {answer[WITH]->value, answer[WITHOUT]->value};
    return kiln_get_ops(self)->combine(self->host, 2, weight, NULL, value, out->value);
}

static const kiln_combinator_ops combinator = {
    .size = sizeof(combinator), .arity = arity, .expand = expand, .reduce = reduce};
static const kiln_node guide = {
    .size = sizeof(guide),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "guide",
    .summary = "follow the prompt more closely",
    .example = "randn 4x3x16x16 ! gaussian ! prompt a ! guide 3 ! ddim 20 ! grid ! save out.png",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &combinator,
};
KILN_PLUGIN("org.example.guide", "1.0", "CC0-1.0", &guide);
