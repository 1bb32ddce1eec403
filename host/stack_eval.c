// One question to a stack: expanded down to the nets, one call per net, reduced back up.
// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "query.h"
#include "twin.h"

int stack_answer(struct stack *k, const kiln_query *q, kiln_estimate *out)
{
    struct leaves list = {0};
    struct query *top = query_new(k->top, q, k->row_prompt);
    int e = query_expand(k, top);
    if (!e) {
        query_leaves(top, &list);
        e = stack_ask(k, &list);
    }
    e = e ? e : query_reduce(k, top);
    *out = (kiln_estimate){.size = sizeof(*out)};
    if (!e) {
        out->pred = top->answer.pred;
        out->value = tensor_ref(top->answer.value);
        out->var = tensor_ref(top->answer.var);
    }
    query_free(top);
    free(list.q);
    return e;
}

// All rows are at one level; what was recorded reads it where it was then.
static int set_levels(struct stack *k, int64_t rows, const kiln_level *level)
{
    const kiln_level of_all = *level;
    if (k->levels.block && k->levels.n != rows)
        graph_forget(k);
    kiln_level *levels = xcalloc((size_t)rows, sizeof(*levels));
    for (int64_t i = 0; i < rows; i++)
        levels[i] = of_all;
    int e = levels_set(&k->levels, rows, levels);
    free(levels);
    return e;
}

int stack_levels(struct stack *k, int64_t rows)
{
    if (rows <= k->levels.n)
        return KILN_OK;
    int e = twin_may_not("more rows than before");
    return e ? e : set_levels(k, rows, &k->levels.level[0]);
}

int stack_eval(struct stack *k, int pred, const kiln_tensor *x, kiln_level level, uint32_t step,
               uint32_t n_steps, kiln_estimate *out)
{
    const int64_t n = x->shape[0], rows = n > k->levels.n ? n : k->levels.n;
    kiln_query q = {
        .size = sizeof(q), .x = x, .net = k->net, .step = step, .n_steps = n_steps, .prompt = -1};
    int e = set_levels(k, rows, &level);
    for (size_t i = 0; i < k->n_layers; i++)
        if (k->layer[i]->aux)
            q.aux = k->layer[i]->aux;
    kiln_tensor *value = NULL;
    q.level = k->levels.level;
    *out = (kiln_estimate){.size = sizeof(*out)};
    e = e ? e : graph_answer(k, &q, out);
    if (!e)
        e = levels_convert(&k->levels, out->value, (int)out->pred, pred, x, &value);
    if (e) {
        estimate_free(out);
        return e;
    }
    tensor_unref(out->value);
    out->value = value;
    out->pred = pred ? (uint32_t)pred : out->pred;
    return KILN_OK;
}
