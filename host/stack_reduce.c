// Answers on their way back up. SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "error.h"
#include "query.h"

// Answers of the children, of the kind that reduce works on.
static int answers(struct stack *k, struct query *q, uint32_t *pred);

static int call_reduce(struct stack *k, struct query *q)
{
    struct layer *l = q->layer;
    const kiln_combinator_ops *ops = instance_node(l->instance)->combinator;
    struct context context = {.state = k->state, .use = l->line->use, .line = l->line};
    kiln_estimate *side = xcalloc(q->n_children + 1, sizeof(*side)), *out = &side[q->n_children];
    const kiln_estimate **answer = xcalloc(q->n_children, sizeof(*answer));
    kiln_query seen;
    instance_enter(l->instance, &context);
    int e = query_see(k, l, &q->q, &seen);
    for (size_t i = 0; i <= q->n_children && !e; i++) {
        const int own = i == q->n_children;
        const kiln_estimate *of = own ? &q->answer : &q->child[i]->answer;
        const enum tensor_use use = own ? TENSOR_UPDATE : TENSOR_READ;
        side[i] = *of;
        e = instance_side(l->instance, of->value, use, &side[i].value);
        e = e ? e : instance_side(l->instance, of->var, use, &side[i].var);
        if (!own)
            answer[i] = &side[i];
    }
    e = instance_leave(l->instance, e ? e : ops->reduce(l->instance->self, &seen, answer, out));
    q->answer.pred = out->pred;
    free(side);
    free(answer);
    return e;
}

int query_reduce(struct stack *k, struct query *q)
{
    if (q->twin) {
        q->answer.pred = q->twin->answer.pred;
        q->answer.value = tensor_ref(q->twin->answer.value);
        q->answer.var = tensor_ref(q->twin->answer.var);
        return KILN_OK;
    }
    if (!q->n_children)
        return KILN_OK;
    const kiln_combinator_ops *ops = instance_node(q->layer->instance)->combinator;
    uint32_t pred = ops->pred;
    int e = answers(k, q, &pred);
    const kiln_estimate *first = &q->child[0]->answer;
    if (!e) {
        q->answer.pred = pred;
        e = tensor_clone(first->value, &q->answer.value);
    }
    if (!e && first->var)
        e = tensor_clone(first->var, &q->answer.var);
    return e || !ops->reduce ? e : call_reduce(k, q);
}

static int answers(struct stack *k, struct query *q, uint32_t *pred)
{
    int e = KILN_OK;
    for (size_t i = 0; i < q->n_children && !e; i++) {
        struct query *c = q->child[i];
        kiln_tensor *value;
        e = query_reduce(k, c);
        if (e)
            break;
        if (!*pred)
            *pred = c->answer.pred;
        e = levels_convert(&k->levels, c->answer.value, (int)c->answer.pred, (int)*pred, c->q.x,
                           &value);
        if (!e && c->answer.pred != *pred)
            k->converted |= 1u << (ESTIMATE_KINDS * (c->answer.pred - 1) + *pred - 1);
        if (e)
            break;
        tensor_unref(c->answer.value);
        c->answer.value = value;
        c->answer.pred = *pred;
    }
    return e;
}
