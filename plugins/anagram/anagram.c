// anagram: an image with a prompt for each view (Geng et al. 2024, eq. 4): e is the mean of
// V_i^-1 e(V_i x, p_i), or in turn one of them.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

enum { P_BRANCH, P_VIEW, P_REDUCE };
enum { MEAN, ALTERNATE };
static const kiln_param params[] = {
    {"branch", KILN_MODELS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "prompts, or chains in brackets, one for each view", 0, 0},
    {"view", KILN_FILTERS, KILN_PARAM_VIEW, "flip", NULL,
     "views of all branches but the first, which sees the image itself; or of each", 0, 0},
    {"reduce", KILN_ENUM, 0, "mean", "mean|alternate", "mean of the views, or step i asks view i",
     0, 0},
};

static int create(kiln_self *self)
{
    uint32_t branches = self->args[P_BRANCH].n, views = self->args[P_VIEW].n;
    if (branches < 2)
        return kiln_fail(self, KILN_ERR_ARG, "wants two prompts or more");
    if (views + 1 != branches && views != branches)
        return kiln_fail(self, KILN_ERR_ARG,
                         "%u views for %u branches: wants one for each but the first, or for each",
                         views, branches);
    return KILN_OK;
}

// The view of branch i, NULL: the image itself.
static const kiln_filter *view_of(const kiln_self *self, uint32_t i)
{
    uint32_t plain = self->args[P_BRANCH].n - self->args[P_VIEW].n;
    return i < plain ? NULL : self->args[P_VIEW].filters[i - plain];
}

// The steps of alternate ask the branches in turn.
static uint32_t turn(const kiln_self *self, uint32_t step)
{
    return self->args[P_REDUCE].i == MEAN ? 0 : step % self->args[P_BRANCH].n;
}

static uint32_t variant(kiln_self *self, uint32_t step, uint32_t n_steps)
{
    (void)n_steps;
    return turn(self, step);
}

// Which branch child k asks.
static uint32_t branch_of(const kiln_self *self, const kiln_query *q, uint32_t k)
{
    return self->args[P_REDUCE].i == MEAN ? k : turn(self, q->step);
}

static int arity(kiln_self *self, const kiln_query *q)
{
    (void)q;
    return self->args[P_REDUCE].i == MEAN ? (int)self->args[P_BRANCH].n : 1;
}

static int expand(kiln_self *self, const kiln_query *q, kiln_query *const *child)
{
    int e = KILN_OK, n = arity(self, q);
    for (int k = 0; k < n && !e; k++) {
        child[k]->branch = branch_of(self, q, (uint32_t)k);
        const kiln_filter *view = view_of(self, child[k]->branch);
        if (view)
            e = self->host->view(self->host, view, child[k]);
    }
    return e;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    int e = KILN_OK, n = arity(self, q);
    for (int k = 0; k < n && !e; k++) {
        const kiln_filter *view = view_of(self, branch_of(self, q, (uint32_t)k));
        const kiln_estimate *back = answer[k];
        if (view)
            e = h->unview(h, view, answer[k], &back);
        if (e)
            break;
        double w[] = {k / (k + 1.), 1 / (k + 1.)};  // running mean; k = 0: back alone
        const kiln_tensor *value[] = {out->value, back->value}, *var[] = {out->var, back->var};
        e = ops->combine(h, k ? 2 : 1, k ? w : w + 1, NULL, k ? value : value + 1, out->value);
        if (!e && out->var && back->var)
            e = ops->combine(h, k ? 2 : 1, k ? w : w + 1, NULL, k ? var : var + 1, out->var);
    }
    return e;
}

static const kiln_combinator_ops combinator = {.size = sizeof(combinator),
                                               .arity = arity,
                                               .expand = expand,
                                               .reduce = reduce,
                                               .variant = variant};
static const kiln_node anagram = {
    .size = sizeof(anagram),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "anagram",
    .summary = "an image that reads differently through each view",
    .example = "randn 8x1x28x28 ! mnist-unet mnist-class ! cfg 5 ! anagram 6 9 view=\"rotate 180\" "
               "! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .create = create,
    .combinator = &combinator,
};
KILN_PLUGIN("org.kiln.anagram", "1.0", "MIT", &anagram);
