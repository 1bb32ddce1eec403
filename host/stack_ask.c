// The questions that nets are asked: those of one net go into one call.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "finite.h"
#include "query.h"
#include "runtime.h"

static int same_question(const struct query *a, const struct query *b)
{
    return a->layer == b->layer && a->q.x == b->q.x && a->q.aux == b->q.aux &&
           !memcmp(a->prompt, b->prompt, (size_t)a->q.x->shape[0] * sizeof(*a->prompt));
}

void query_leaves(struct query *q, struct leaves *list)
{
    for (size_t i = 0; i < q->n_children; i++)
        query_leaves(q->child[i], list);
    if (q->n_children)
        return;
    for (size_t i = 0; i < list->n && !q->twin; i++)
        if (same_question(list->q[i], q))
            q->twin = list->q[i];
    if (q->twin)
        return;
    GROW(list->q, list->n);
    list->q[list->n++] = q;
}

// The rows of all questions to one net, gathered for one call.
struct call {
    kiln_query q;
    kiln_tensor *x, *aux;
    kiln_estimate out;
};

static void call_free(struct call *c)
{
    tensor_unref(c->x);
    tensor_unref(c->aux);
    estimate_free(&c->out);
}

static int new_rows(const struct instance *net, int64_t n, const kiln_tensor *like,
                    kiln_tensor **out)
{
    int64_t shape[TENSOR_MAX_DIM] = {n};
    for (int32_t i = 1; i < like->ndim; i++)
        shape[i] = like->shape[i];
    int e = tensor_new_on(instance_device(net), tensor_dtype(like), like->ndim, shape, out);
    *out = tensor_taken(*out);
    return e;
}

// Rows [from, from + n) of a question become rows [to, to + n) of the call.
static int gather(struct call *c, const struct query *p, int64_t from, int64_t to, int64_t n,
                  int64_t *prompt)
{
    int e = tensor_copy_rows(c->x, to, p->q.x, from, n);
    if (!e && c->aux)
        e = tensor_copy_rows(c->aux, to, p->q.aux, from, n);
    memcpy(prompt + to, p->prompt + from, (size_t)n * sizeof(*prompt));
    return e;
}

// A call of the next n rows, beginning with row *row of question **q, which go on.
static int call_new(struct stack *k, struct call *c, struct query ***q, int64_t *row, int64_t n)
{
    const struct query *like = **q;
    const struct instance *net = like->layer->instance;
    const kiln_net *described = &net->net->net;
    *c = (struct call){.q = like->q, .out = {.size = sizeof(kiln_estimate)}};
    c->out.pred = described->pred;
    int64_t *prompt = xcalloc((size_t)n, sizeof(*prompt));
    int e = new_rows(net, n, like->q.x, &c->x);
    if (!e && like->q.aux)
        e = new_rows(net, n, like->q.aux, &c->aux);
    e = e ? e : new_rows(net, n, like->q.x, &c->out.value);
    if (!e && described->variance == KILN_VARIANCE_LEARNED_RANGE)
        e = new_rows(net, n, like->q.x, &c->out.var);
    for (int64_t at = 0, part; at < n && !e; at += part) {
        int64_t left = (**q)->q.x->shape[0] - *row;
        part = left < n - at ? left : n - at;
        e = gather(c, **q, *row, at, part, prompt);
        *row += part;
        if (part == left)
            ++*q, *row = 0;
    }
    e = e ? e : stack_cond(k, net, n, prompt, &c->q.cond);
    c->q.size = sizeof(c->q);
    c->q.net = described;
    c->q.in = NULL;
    c->q.n_in = 0;
    free(prompt);
    return e;
}

static int predict(struct stack *k, struct layer *l, struct call *c)
{
    struct instance *net = l->instance;
    struct context context = {.state = k->state, .use = l->line->use};
    kiln_estimate out = c->out;
    kiln_tensor *x = NULL, *aux = NULL;
    instance_enter(net, &context);
    struct level_sides sides;
    int e = levels_on(&k->levels, c->x->shape[0], instance_device(net), &sides, &c->q);
    e = e ? e : instance_side(net, c->x, TENSOR_READ, &x);
    e = e ? e : instance_side(net, c->aux, TENSOR_READ, &aux);
    e = e ? e : instance_side(net, c->out.value, TENSOR_WRITE, &out.value);
    e = e ? e : instance_side(net, c->out.var, TENSOR_WRITE, &out.var);
    c->q.x = x;
    c->q.aux = aux;
    e = instance_leave(net, e ? e : instance_node(net)->predictor->predict(net->self, &c->q, &out));
    c->out.pred = out.pred;
    return e ? e : finite_check(c->out.value, net->bound, NULL);
}

// Questions [first, last) of one net, of one shape.
static int ask(struct stack *k, struct query **q, size_t n_questions)
{
    struct instance *net = q[0]->layer->instance;
    int64_t total = 0, at = 0, rows = 0;
    int e = KILN_OK;
    for (size_t i = 0; i < n_questions; i++) {
        total += q[i]->q.x->shape[0];
        e = e ? e : new_rows(net, q[i]->q.x->shape[0], q[i]->q.x, &q[i]->answer.value);
        if (!e && net->net->net.variance == KILN_VARIANCE_LEARNED_RANGE)
            e = new_rows(net, q[i]->q.x->shape[0], q[i]->q.x, &q[i]->answer.var);
        q[i]->answer.pred = net->net->net.pred;
    }
    const int64_t most =
        runtime.max_batch > 0 && total > runtime.max_batch ? runtime.max_batch : total;
    struct query **from = q, **to = q;
    int64_t from_row = 0, to_row = 0;
    e = e ? e : stack_levels(k, most);
    for (; at < total && !e; at += rows) {
        rows = total - at > most ? most : total - at;
        struct call c;
        struct layer *layer = (*from)->layer;
        e = call_new(k, &c, &from, &from_row, rows);
        e = e ? e : predict(k, layer, &c);
        for (int64_t i = 0, part; i < rows && !e; i += part) {
            int64_t left = (*to)->q.x->shape[0] - to_row;
            part = left < rows - i ? left : rows - i;
            e = tensor_copy_rows((*to)->answer.value, to_row, c.out.value, i, part);
            if (!e && c.out.var)
                e = tensor_copy_rows((*to)->answer.var, to_row, c.out.var, i, part);
            to_row += part;
            if (part == left)
                to++, to_row = 0;
        }
        call_free(&c);
    }
    return e;
}

static int same_call(const struct query *a, const struct query *b)
{
    return a->layer->instance == b->layer->instance && a->q.x->shape[1] == b->q.x->shape[1] &&
           a->q.x->shape[2] == b->q.x->shape[2] && a->q.x->shape[3] == b->q.x->shape[3] &&
           !a->q.aux == !b->q.aux;
}

int stack_ask(struct stack *k, struct leaves *list)
{
    int e = KILN_OK;
    for (size_t i = 0; i < list->n && !e;) {
        size_t n = 1;  // move the questions of one call together
        for (size_t j = i + 1; j < list->n; j++)
            if (same_call(list->q[i], list->q[j])) {
                struct query *q = list->q[j];
                memmove(&list->q[i + n + 1], &list->q[i + n], (j - i - n) * sizeof(q));
                list->q[i + n++] = q;
            }
        e = ask(k, list->q + i, n);
        i += n;
    }
    return e;
}
