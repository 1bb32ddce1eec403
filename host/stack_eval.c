// One question to a stack: expanded down to the nets, one call per net, reduced back up.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "finite.h"
#include "query.h"
#include "runtime.h"
#include "stack.h"

// ---- queries ------------------------------------------------------------------------------------

static void query_free(struct query *q)
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

static struct query *query_new(struct layer *layer, const kiln_query *from, const int64_t *prompt)
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

// q as an instance sees it: on the side that it works on.
static int see(struct stack *k, const struct layer *l, const kiln_query *q, kiln_query *seen)
{
    kiln_tensor *x, *aux;
    *seen = *q;
    int e = instance_side(l->instance, q->x, TENSOR_READ, &x);
    e = e ? e : instance_side(l->instance, q->aux, TENSOR_READ, &aux);
    e = e ? e : levels_on(&k->levels, instance_device(l->instance), seen);
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

static int expand(struct stack *k, struct query *q)
{
    struct layer *l = q->layer;
    const kiln_node *node = instance_node(l->instance);
    const kiln_combinator_ops *ops = node->combinator;
    if (!ops)
        return KILN_OK;  // a predictor
    struct context context = {.state = k->state, .use = l->line->use, .line = l->line};
    kiln_query seen;
    int n = (int)l->n_children, e = see(k, l, &q->q, &seen);
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
        e = expand(k, c);
    }
    return e;
}

// ---- nets ---------------------------------------------------------------------------------------

struct leaves {
    struct query **q;
    size_t n;
};

static int same_question(const struct query *a, const struct query *b)
{
    return a->layer == b->layer && a->q.x == b->q.x && a->q.aux == b->q.aux &&
           !memcmp(a->prompt, b->prompt, (size_t)a->q.x->shape[0] * sizeof(*a->prompt));
}

static void collect(struct query *q, struct leaves *list)
{
    for (size_t i = 0; i < q->n_children; i++)
        collect(q->child[i], list);
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
    struct levels levels;
    kiln_estimate out;
};

static void call_free(struct call *c)
{
    tensor_unref(c->x);
    tensor_unref(c->aux);
    levels_free(&c->levels);
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
                  kiln_level *level, int64_t *prompt)
{
    int e = tensor_copy_rows(c->x, to, p->q.x, from, n);
    if (!e && c->aux)
        e = tensor_copy_rows(c->aux, to, p->q.aux, from, n);
    for (int64_t i = 0; i < n; i++) {
        level[to + i] = p->q.level[from + i];
        prompt[to + i] = p->prompt[from + i];
    }
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
    kiln_level *level = xcalloc((size_t)n, sizeof(*level));
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
        e = gather(c, **q, *row, at, part, level, prompt);
        *row += part;
        if (part == left)
            ++*q, *row = 0;
    }
    e = e ? e : levels_new(&c->levels, n, level);
    e = e ? e : stack_cond(k, net, n, prompt, &c->q.cond);
    c->q.size = sizeof(c->q);
    c->q.net = described;
    c->q.in = NULL;
    c->q.n_in = 0;
    free(level);
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
    int e = levels_on(&c->levels, instance_device(net), &c->q);
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
    struct query **from = q, **to = q;
    int64_t from_row = 0, to_row = 0;
    for (; at < total && !e; at += rows) {
        rows = runtime.max_batch > 0 && total - at > runtime.max_batch ? runtime.max_batch
                                                                       : total - at;
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

static int ask_all(struct stack *k, struct leaves *list)
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

// ---- back up ------------------------------------------------------------------------------------

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
    int e = see(k, l, &q->q, &seen);
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

static int reduce(struct stack *k, struct query *q)
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
        e = reduce(k, c);
        if (e)
            break;
        if (!*pred)
            *pred = c->answer.pred;
        e = estimate_convert(c->answer.value, (int)c->answer.pred, (int)*pred, c->q.x, c->q.level,
                             &value);
        if (e)
            break;
        tensor_unref(c->answer.value);
        c->answer.value = value;
        c->answer.pred = *pred;
    }
    return e;
}

int stack_eval(struct stack *k, int pred, const kiln_tensor *x, kiln_level level, uint32_t step,
               uint32_t n_steps, kiln_estimate *out)
{
    int64_t n = x->shape[0];
    kiln_query q = {
        .size = sizeof(q), .x = x, .net = k->net, .step = step, .n_steps = n_steps, .prompt = -1};
    kiln_level *levels = xcalloc((size_t)n, sizeof(*levels));
    struct leaves list = {0};
    struct query *top = NULL;
    for (int64_t i = 0; i < n; i++)
        levels[i] = level;
    int e = levels_new(&k->levels, n, levels);
    q.level = levels;
    for (size_t i = 0; i < k->n_layers; i++)
        if (k->layer[i]->aux)
            q.aux = k->layer[i]->aux;
    if (!e) {
        top = query_new(k->top, &q, k->row_prompt);
        e = expand(k, top);
    }
    if (!e) {
        collect(top, &list);
        e = ask_all(k, &list);
    }
    if (!e)
        e = reduce(k, top);
    *out = (kiln_estimate){.size = sizeof(*out)};
    if (!e) {
        out->pred = pred ? (uint32_t)pred : top->answer.pred;
        out->var = tensor_ref(top->answer.var);
        e = estimate_convert(top->answer.value, (int)top->answer.pred, pred, x, levels,
                             &out->value);
    }
    if (e)
        estimate_free(out);
    query_free(top);
    free(list.q);
    free(levels);
    levels_free(&k->levels);
    return e;
}
