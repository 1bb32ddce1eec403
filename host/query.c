// Questions on their way down to the nets. SPDX-License-Identifier: MIT
#include "query.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void query_free(struct query *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n_children; i++)
        query_free(q->child[i]);
    free(q->child);
    if (q->q.x != q->given_x)
        tensor_unref(q->q.x);
    if (q->q.aux != q->given_aux)
        tensor_unref(q->q.aux);
    estimate_free(&q->answer);
    free(q->prompt);
    free(q);
}

struct query *query_new(struct layer *layer, const kiln_query *from, const int64_t *prompt)
{
    struct query *q = xcalloc(1, sizeof(*q));
    q->layer = layer;
    q->q = *from;
    q->q.in = NULL;
    q->q.n_in = 0;
    q->given_x = from->x;
    q->given_aux = from->aux;
    q->answer.size = sizeof(q->answer);
    size_t n = (size_t)from->x->shape[0];
    q->prompt = xmemdup(prompt, n * sizeof(*prompt));
    return q;
}

int query_see(struct stack *k, const struct layer *l, const kiln_query *q, kiln_query *seen)
{
    kiln_tensor *x, *aux;
    *seen = *q;
    int e = instance_side(l->instance, q->x, TENSOR_READ, &x);
    e = e ? e : instance_side(l->instance, q->aux, TENSOR_READ, &aux);
    e = e ? e
          : levels_on(&k->levels, q->x->shape[0], instance_device(l->instance), &k->sides, seen);
    if (e)
        return e;
    seen->x = x;
    seen->aux = aux;
    seen->in = l->in;
    seen->n_in = l->n_in;
    return KILN_OK;
}

// A child's tensor as expand left it: the one that was seen, or a new one that is the child's own.
static const kiln_tensor *child_tensor(const kiln_tensor *now, const kiln_tensor *seen,
                                       const kiln_tensor *of_parent)
{
    return now == seen ? of_parent : tensor_taken(now);
}

int query_expand(struct stack *k, struct query *q)
{
    struct layer *l = q->layer;
    const kiln_node *node = instance_node(l->instance);
    const kiln_combinator_ops *ops = node->combinator;
    if (!ops)
        return KILN_OK;  // a predictor
    struct context context = {.state = k->state, .use = l->line->use, .line = l->line};
    kiln_query seen;
    int n = (int)l->n_children, e = query_see(k, l, &q->q, &seen);
    if (e)
        return e;
    if (ops->arity) {
        instance_enter(l->instance, &context);
        n = ops->arity(l->instance->self, &seen);
        e = instance_leave(l->instance, n < 0 ? n : KILN_OK);
        if (e)
            return e;
        if (n < 1 || n > 64) {
            fail(KILN_ERR_INTERNAL, "asks for %d children (1 to 64)", n);
            return node_fail(l->line->bound, KILN_ERR_INTERNAL);
        }
    }
    q->child = xcalloc((size_t)n, sizeof(*q->child));
    kiln_query **child = xcalloc((size_t)n, sizeof(kiln_query *));
    for (; q->n_children < (size_t)n; q->n_children++) {
        struct query *c = query_new(NULL, &seen, q->prompt);
        c->q.branch = l->line->n_branches ? (uint32_t)(q->n_children % l->n_children) : 0;
        c->q.prompt = -1;
        q->child[q->n_children] = c;
        child[q->n_children] = &c->q;
    }
    instance_enter(l->instance, &context);
    e = ops->expand ? ops->expand(l->instance->self, &seen, child) : KILN_OK;
    e = instance_leave(l->instance, e);
    free(child);
    for (size_t i = 0; i < q->n_children; i++) {
        struct query *c = q->child[i];
        c->q.x = child_tensor(c->q.x, seen.x, q->q.x);
        c->q.aux = child_tensor(c->q.aux, seen.aux, q->q.aux);
        c->given_x = q->q.x;
        c->given_aux = q->q.aux;
    }
    for (size_t i = 0; i < q->n_children && !e; i++) {
        struct query *c = q->child[i];
        if (c->q.branch >= l->n_children) {
            fail(KILN_ERR_INTERNAL, "asks for branch %u of %zu", c->q.branch, l->n_children);
            return node_fail(l->line->bound, KILN_ERR_INTERNAL);
        }
        if (c->q.x->ndim != 4 || c->q.x->shape[0] != q->q.x->shape[0]) {
            fail(KILN_ERR_SHAPE, "gives a child x of %s", shape_text(c->q.x->ndim, c->q.x->shape));
            return node_fail(l->line->bound, KILN_ERR_SHAPE);
        }
        c->layer = l->child[c->q.branch];
        size_t n_prompts = l->n_prompts[c->q.branch];
        for (int64_t r = 0; r < c->q.x->shape[0]; r++)
            if (c->q.prompt >= 0)
                c->prompt[r] = c->q.prompt;
            else if (c->q.role == KILN_COND && n_prompts)
                c->prompt[r] = l->prompt[c->q.branch][(size_t)r % n_prompts];
        e = query_expand(k, c);
    }
    return e;
}
