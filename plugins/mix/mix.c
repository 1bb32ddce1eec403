// mix: a weighted sum of what the branches say (Liu et al. 2022, composable diffusion); a negative
// weight moves away from a branch.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

enum { P_BRANCH, P_WEIGHTS };
enum { MOST = 64, TERMS = 8 };  // children of a combinator; terms of one combine
static const kiln_param params[] = {
    {"branch", KILN_MODELS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "prompts, or chains in brackets", 0, 0},
    {"weights", KILN_FLOATS, 0, "", NULL, "one for each branch, with the sum 1; none: equal", 0, 0},
};

static int create(kiln_self *self)
{
    const kiln_value *branch = &self->args[P_BRANCH], *weights = &self->args[P_WEIGHTS];
    double sum = 0;
    if (!branch->n || branch->n > MOST)
        return kiln_fail(self, KILN_ERR_ARG, "wants 1 to %d branches", (int)MOST);
    if (!weights->n)
        return KILN_OK;
    if (weights->n != branch->n)
        return kiln_fail(self, KILN_ERR_ARG, "%u weights for %u branches", weights->n, branch->n);
    for (uint32_t i = 0; i < weights->n; i++)
        sum += weights->fs[i];
    if (fabs(sum - 1) > 1e-6)  // else noise would not stay N(0,1)
        return kiln_fail(self, KILN_ERR_ARG, "weights: their sum is %g, and has to be 1", sum);
    return KILN_OK;
}

// out = sum of a[i] x[i], in pieces that combine can take.
static int sum(kiln_self *self, int n, const double *a, const kiln_tensor *const *x,
               kiln_tensor *out)
{
    const kiln_ops *ops = kiln_get_ops(self);
    int at = n < TERMS ? n : TERMS;
    int e = ops->combine(self->host, at, a, NULL, x, out);
    while (at < n && !e) {
        int k = n - at < TERMS - 1 ? n - at : TERMS - 1;
        double part[TERMS] = {1};
        const kiln_tensor *term[TERMS] = {out};
        for (int i = 0; i < k; i++) {
            part[1 + i] = a[at + i];
            term[1 + i] = x[at + i];
        }
        e = ops->combine(self->host, 1 + k, part, NULL, term, out);
        at += k;
    }
    return e;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_value *weights = &self->args[P_WEIGHTS];
    int n = (int)self->args[P_BRANCH].n;
    double a[MOST] = {0};
    const kiln_tensor *value[MOST] = {NULL}, *var[MOST] = {NULL};
    (void)q;
    for (int i = 0; i < n; i++) {
        a[i] = weights->n ? weights->fs[i] : 1. / n;
        value[i] = answer[i]->value;
        var[i] = answer[i]->var;
    }
    int e = sum(self, n, a, value, out->value);
    for (int i = 0; i < n; i++)
        if (!var[i])  // nets that learned none beside one that did: the first one's holds
            return e;
    return e ? e : sum(self, n, a, var, out->var);
}

static const kiln_combinator_ops combinator = {.size = sizeof(combinator), .reduce = reduce};
static const kiln_node mix = {
    .size = sizeof(mix),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "mix",
    .summary = "a weighted sum of several prompts or stacks",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! cfg 5 ! mix 3 8 weights=0.6,0.4 ! ddpm "
               "! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .create = create,
    .combinator = &combinator,
};
KILN_PLUGIN("org.kiln.mix", "1.0", "MIT", &mix);
