// One question to a stack: expanded down to the nets, one call per net, reduced back up.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "query.h"
#include "runtime.h"
#include "stack.h"

// ---- kinds of estimates -------------------------------------------------------------------------

// value' = a value + b x. With x = alpha x0 + sigma e, v = alpha e - sigma x0, flow = e - x0.
static int coefficients(int from, int to, double alpha, double sigma, double *a, double *b)
{
    // e = e_a value + e_b x, from each kind; then the wanted kind from e and x.
    double e_a, e_b, n;
    switch (from) {
    case KILN_EPS:
        e_a = 1, e_b = 0;
        break;
    case KILN_X0:
        if (sigma <= 0)
            return 0;
        e_a = -alpha / sigma, e_b = 1 / sigma;
        break;
    case KILN_V:
        n = alpha * alpha + sigma * sigma;
        e_a = alpha / n, e_b = sigma / n;
        break;
    case KILN_FLOW:
        n = alpha + sigma;
        e_a = alpha / n, e_b = 1 / n;
        break;
    default:
        return 0;
    }
    // x0 directly where the way over e divides by sigma or alpha.
    double x_a, x_b;
    if (from == KILN_V)
        n = alpha * alpha + sigma * sigma, x_a = -sigma / n, x_b = alpha / n;
    else if (from == KILN_FLOW)
        n = alpha + sigma, x_a = -sigma / n, x_b = 1 / n;
    else if (alpha > 0)
        x_a = -sigma * e_a / alpha, x_b = (1 - sigma * e_b) / alpha;
    else
        return 0;
    switch (to) {
    case KILN_EPS:
        *a = e_a, *b = e_b;
        return 1;
    case KILN_X0:
        *a = x_a, *b = x_b;
        return 1;
    case KILN_V:
        *a = alpha * e_a - sigma * x_a, *b = alpha * e_b - sigma * x_b;
        return 1;
    default:
        *a = e_a - x_a, *b = e_b - x_b;
        return to == KILN_FLOW;
    }
}

int estimate_convert(const kiln_tensor *value, int from, int to, const kiln_tensor *x,
                     const kiln_level *level, kiln_tensor **out)
{
    if (from == to || !to) {
        *out = tensor_ref(value);
        return KILN_OK;
    }
    int e = tensor_new(KILN_F32, value->ndim, value->shape, out);
    if (e)
        return e;
    int64_t n = value->shape[0], row = n ? kiln_numel(value) / n : 0;
    for (int64_t i = 0; i < n; i++) {
        double a, b;
        if (from == KILN_X0 && to == KILN_EPS && level[i].sigma <= 0)
            a = b = 0;  // no noise, and none is estimated
        else if (!coefficients(from, to, level[i].alpha, level[i].sigma, &a, &b)) {
            tensor_unref(*out);
            *out = NULL;
            return fail(KILN_ERR_UNSUPPORTED, "an estimate cannot be converted at t = %g",
                        level[i].t);
        }
        const float *v = kiln_f32(value) + i * row, *p = kiln_f32(x) + i * row;
        float *o = kiln_f32(*out) + i * row;
        for (int64_t j = 0; j < row; j++)
            o[j] = (float)(a * (double)v[j] + b * (double)p[j]);
    }
    return KILN_OK;
}

void estimate_free(kiln_estimate *e)
{
    tensor_unref(e->value);
    tensor_unref(e->var);
    e->value = e->var = NULL;
}

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

static int expand(struct stack *k, struct query *q)
{
    struct layer *l = q->layer;
    const kiln_node *node = instance_node(l->instance);
    const kiln_combinator_ops *ops = node->combinator;
    if (!ops)
        return KILN_OK;  // a predictor
    q->q.in = l->in;
    q->q.n_in = l->n_in;
    struct context context = {.state = k->state, .use = l->line->use, .line = l->line};
    int n = (int)l->n_children, e;
    if (ops->arity) {
        instance_enter(l->instance, &context);
        n = ops->arity(l->instance->self, &q->q);
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
        struct query *c = query_new(NULL, &q->q, q->prompt);
        c->q.branch = l->line->n_branches ? (uint32_t)(q->n_children % l->n_children) : 0;
        c->q.prompt = -1;
        q->child[q->n_children] = c;
        child[q->n_children] = &c->q;
    }
    instance_enter(l->instance, &context);
    e = ops->expand ? ops->expand(l->instance->self, &q->q, child) : KILN_OK;
    e = instance_leave(l->instance, e);
    free(child);
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
    kiln_tensor *x, *aux, *t, *alpha, *sigma, **cond;
    kiln_level *level;
    kiln_estimate out;
};

static void call_free(struct call *c, uint32_t n_cond)
{
    tensor_unref(c->x);
    tensor_unref(c->aux);
    tensor_unref(c->t);
    tensor_unref(c->alpha);
    tensor_unref(c->sigma);
    for (uint32_t i = 0; c->cond && i < n_cond; i++)
        tensor_unref(c->cond[i]);
    free(c->cond);
    free(c->level);
    estimate_free(&c->out);
}

static kiln_tensor *const *find_cond(const struct instance *x, int64_t prompt)
{
    if (prompt < 0)
        prompt = prompt_handle("");
    for (size_t i = 0; i < x->n_cond; i++)
        if (x->cond[i].prompt == prompt)
            return x->cond[i].tensor;
    return NULL;
}

static int new_rows(int64_t n, const kiln_tensor *like, kiln_tensor **out)
{
    int64_t shape[TENSOR_MAX_DIM] = {n};
    for (int32_t i = 1; i < like->ndim; i++)
        shape[i] = like->shape[i];
    return tensor_new(tensor_dtype(like), like->ndim, shape, out);
}

// One row of the gathered call: row r of question p becomes row i.
static int gather_row(struct call *c, struct query *p, int64_t r, int64_t i)
{
    struct instance *net = p->layer->instance;
    size_t bytes = tensor_bytes(c->x) / (size_t)c->x->shape[0];
    memcpy((char *)tensor_data(c->x) + (size_t)i * bytes,
           (char *)tensor_data(p->q.x) + (size_t)r * bytes, bytes);
    if (c->aux) {
        bytes = tensor_bytes(c->aux) / (size_t)c->aux->shape[0];
        memcpy((char *)tensor_data(c->aux) + (size_t)i * bytes,
               (char *)tensor_data(p->q.aux) + (size_t)r * bytes, bytes);
    }
    c->level[i] = p->q.level[r];
    kiln_f32(c->t)[i] = (float)c->level[i].t;
    kiln_f32(c->alpha)[i] = (float)c->level[i].alpha;
    kiln_f32(c->sigma)[i] = (float)c->level[i].sigma;
    uint32_t n_cond = net->net->net.n_cond;
    kiln_tensor *const *cond = n_cond ? find_cond(net, p->prompt[r]) : NULL;
    if (n_cond && !cond)
        return fail(KILN_ERR_INTERNAL, "the prompt \"%s\" was not encoded",
                    prompt_text(p->prompt[r]));
    for (uint32_t k = 0; k < n_cond; k++) {
        bytes = tensor_bytes(cond[k]);
        memcpy((char *)tensor_data(c->cond[k]) + (size_t)i * bytes, tensor_data(cond[k]), bytes);
    }
    return KILN_OK;
}

static int call_new(struct call *c, struct query *like, int64_t n)
{
    const kiln_net *net = &like->layer->instance->net->net;
    *c = (struct call){.q = like->q, .out = {.size = sizeof(kiln_estimate), .pred = net->pred}};
    c->level = xcalloc((size_t)n, sizeof(*c->level));
    int e = new_rows(n, like->q.x, &c->x);
    if (!e && like->q.aux)
        e = new_rows(n, like->q.aux, &c->aux);
    e = e ? e : tensor_new(KILN_F32, 1, &n, &c->t);
    e = e ? e : tensor_new(KILN_F32, 1, &n, &c->alpha);
    e = e ? e : tensor_new(KILN_F32, 1, &n, &c->sigma);
    e = e ? e : new_rows(n, like->q.x, &c->out.value);
    if (!e && net->variance == KILN_VARIANCE_LEARNED_RANGE)
        e = new_rows(n, like->q.x, &c->out.var);
    c->cond = xcalloc(net->n_cond, sizeof(kiln_tensor *));
    kiln_tensor *const *cond =
        net->n_cond ? find_cond(like->layer->instance, like->prompt[0]) : NULL;
    for (uint32_t k = 0; cond && k < net->n_cond && !e; k++) {
        int64_t shape[TENSOR_MAX_DIM] = {n};
        for (int32_t i = 0; i < cond[k]->ndim; i++)
            shape[i + 1] = cond[k]->shape[i];
        e = tensor_new(tensor_dtype(cond[k]), cond[k]->ndim + 1, shape, &c->cond[k]);
    }
    if (!e && net->n_cond && !cond)
        e = fail(KILN_ERR_INTERNAL, "the prompt \"%s\" was not encoded",
                 prompt_text(like->prompt[0]));
    c->q.size = sizeof(c->q);
    c->q.x = c->x;
    c->q.aux = c->aux;
    c->q.t = c->t;
    c->q.alpha = c->alpha;
    c->q.sigma = c->sigma;
    c->q.level = c->level;
    c->q.net = net;
    c->q.cond = (const kiln_tensor *const *)c->cond;
    c->q.in = NULL;
    c->q.n_in = 0;
    return e;
}

// Questions [first, last) of one net, of one shape.
static int ask(struct stack *k, struct query **q, size_t n_questions)
{
    struct instance *net = q[0]->layer->instance;
    int64_t total = 0, at = 0, rows = 0;
    int e = KILN_OK;
    for (size_t i = 0; i < n_questions; i++) {
        total += q[i]->q.x->shape[0];
        e = e ? e : new_rows(q[i]->q.x->shape[0], q[i]->q.x, &q[i]->answer.value);
        if (!e && net->net->net.variance == KILN_VARIANCE_LEARNED_RANGE)
            e = new_rows(q[i]->q.x->shape[0], q[i]->q.x, &q[i]->answer.var);
        q[i]->answer.pred = net->net->net.pred;
    }
    size_t from = 0, to = 0;
    int64_t from_row = 0, to_row = 0;
    for (; at < total && !e; at += rows) {
        rows = runtime.max_batch > 0 && total - at > runtime.max_batch ? runtime.max_batch
                                                                       : total - at;
        struct call c;
        e = call_new(&c, q[from], rows);
        for (int64_t i = 0; i < rows && !e; i++) {
            e = gather_row(&c, q[from], from_row, i);
            if (++from_row == q[from]->q.x->shape[0])
                from++, from_row = 0;
        }
        struct context context = {.state = k->state, .use = q[0]->layer->line->use};
        instance_enter(net, &context);
        if (!e)
            e = instance_node(net)->predictor->predict(net->self, &c.q, &c.out);
        e = instance_leave(net, e);
        if (!e && check_finite(c.out.value))
            e = node_fail(net->bound, KILN_ERR_INTERNAL);
        for (int64_t i = 0; i < rows && !e; i++) {
            size_t bytes = tensor_bytes(c.x) / (size_t)rows;
            memcpy((char *)tensor_data(q[to]->answer.value) + (size_t)to_row * bytes,
                   (char *)tensor_data(c.out.value) + (size_t)i * bytes, bytes);
            if (c.out.var)
                memcpy((char *)tensor_data(q[to]->answer.var) + (size_t)to_row * bytes,
                       (char *)tensor_data(c.out.var) + (size_t)i * bytes, bytes);
            if (++to_row == q[to]->q.x->shape[0])
                to++, to_row = 0;
        }
        call_free(&c, net->net->net.n_cond);
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
    const kiln_estimate **answer = xcalloc(q->n_children, sizeof(*answer));
    int e = KILN_OK;
    for (size_t i = 0; i < q->n_children && !e; i++) {
        struct query *c = q->child[i];
        e = reduce(k, c);
        if (e)
            break;
        if (!pred)
            pred = c->answer.pred;
        kiln_tensor *value;
        e = estimate_convert(c->answer.value, (int)c->answer.pred, (int)pred, c->q.x, c->q.level,
                             &value);
        if (e)
            break;
        tensor_unref(c->answer.value);
        c->answer.value = value;
        c->answer.pred = pred;
        answer[i] = &c->answer;
    }
    if (!e) {
        q->answer.pred = pred;
        e = tensor_clone(answer[0]->value, &q->answer.value);
    }
    if (!e && answer[0]->var)
        e = tensor_clone(answer[0]->var, &q->answer.var);
    if (!e && ops->reduce) {
        struct context context = {
            .state = k->state, .use = q->layer->line->use, .line = q->layer->line};
        instance_enter(q->layer->instance, &context);
        e = ops->reduce(q->layer->instance->self, &q->q, answer, &q->answer);
        e = instance_leave(q->layer->instance, e);
    }
    free(answer);
    return e;
}

int stack_eval(struct stack *k, int pred, const kiln_tensor *x, kiln_level level, uint32_t step,
               uint32_t n_steps, kiln_estimate *out)
{
    int64_t n = x->shape[0];
    kiln_query q = {
        .size = sizeof(q), .x = x, .net = k->net, .step = step, .n_steps = n_steps, .prompt = -1};
    kiln_level *levels = xcalloc((size_t)n, sizeof(*levels));
    kiln_tensor *t = NULL, *alpha = NULL, *sigma = NULL;
    struct leaves list = {0};
    struct query *top = NULL;
    int e = tensor_new(KILN_F32, 1, &n, &t);
    e = e ? e : tensor_new(KILN_F32, 1, &n, &alpha);
    e = e ? e : tensor_new(KILN_F32, 1, &n, &sigma);
    for (int64_t i = 0; i < n && !e; i++) {
        levels[i] = level;
        kiln_f32(t)[i] = (float)level.t;
        kiln_f32(alpha)[i] = (float)level.alpha;
        kiln_f32(sigma)[i] = (float)level.sigma;
    }
    q.t = t;
    q.alpha = alpha;
    q.sigma = sigma;
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
    tensor_unref(t);
    tensor_unref(alpha);
    tensor_unref(sigma);
    return e;
}
