// SPDX-License-Identifier: MIT
#include "view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter_call.h"
#include "inputs.h"
#include "ops_host.h"
#include "query.h"
#include "runtime.h"
#include "view_probe.h"

int filter_new(const struct bound_chain *chain, uint32_t flags, const char *name, kiln_filter **out)
{
    kiln_filter *f = *out = xcalloc(1, sizeof(*f));
    f->chain = chain;
    f->flags = flags;
    f->name = xstrdup(name);
    f->instance = xcalloc(chain->n, sizeof(struct instance *));
    for (; f->n < chain->n; f->n++) {
        struct bound *b = chain->node[f->n];
        if (b->def->builtin)
            return fail(KILN_ERR_ARG, "%s cannot be used as a filter argument", b->def->node->name);
        int e = instance_get(b, 0, &f->instance[f->n]);
        if (e)
            return e;
    }
    if (f->n < 2 || !(flags & KILN_PARAM_VIEW))
        return KILN_OK;
    f->part = xcalloc(f->n, sizeof(*f->part));
    for (size_t k = 0; k < f->n; k++)
        f->part[k] = (kiln_filter){.chain = chain,
                                   .first = k,
                                   .name = f->name,
                                   .flags = flags,
                                   .instance = &f->instance[k],
                                   .n = 1};
    return KILN_OK;
}

static void free_proofs(kiln_filter *f)
{
    for (size_t i = 0; i < f->n_proofs; i++)
        shape_proof_free(&f->proof[i]);
    free(f->proof);
}

void filter_free(kiln_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        instance_free(f->instance[i]);
    free_proofs(f);
    for (size_t i = 0; f->part && i < f->n; i++)
        free_proofs(&f->part[i]);
    free(f->part);
    free(f->instance);
    free(f->name);
    free(f);
}

// ---- applying -----------------------------------------------------------------------------------

typedef int step_fn(struct instance *x, struct context *c, const kiln_rows *rows,
                    const kiln_tensor *in, kiln_tensor **out);

static int forward_step(struct instance *x, struct context *c, const kiln_rows *rows,
                        const kiln_tensor *in, kiln_tensor **out)
{
    struct filter_result r;
    int e = filter_call(x, c, rows, in, 0, &r);
    if (e)
        return e;
    *out = tensor_ref(r.image);
    filter_result_free(&r);
    return KILN_OK;
}

static int inverse_step(struct instance *x, struct context *c, const kiln_rows *rows,
                        const kiln_tensor *in, kiln_tensor **out)
{
    kiln_tensor *from, *made;
    int e = filter_may_run(x);
    e = e ? e : tensor_new_on(instance_device(x), KILN_F32, in->ndim, in->shape, &made);
    if (e)
        return e;
    instance_enter(x, c);
    e = instance_side(x, in, TENSOR_READ, &from);
    e = e ? e : instance_inputs(x, (const kiln_tensor **)(uintptr_t)rows->in, rows->n_in);
    e = instance_leave(x, e ? e : instance_node(x)->filter->inverse(x->self, rows, from, made));
    if (e)
        tensor_unref(made);
    *out = e ? NULL : tensor_taken(made);
    return e;
}

// The images of node k, as references.
static int node_inputs(const kiln_filter *f, const struct context *outer, size_t k,
                       const kiln_tensor ***in, uint32_t *n_in)
{
    *in = NULL;
    *n_in = 0;
    if (!outer || !outer->line)
        return KILN_OK;
    size_t node = f->first + k;
    char *prefix = xformat("in.%lld.%s.%zu", (long long)outer->line->no, f->name, node);
    int e = stored_inputs(outer->state, prefix, f->chain->node[node], in, n_in);
    free(prefix);
    return e;
}

int filter_inputs(const kiln_filter *f, const struct context *outer, const kiln_tensor ***in,
                  uint32_t *n_in)
{
    *in = NULL;
    *n_in = 0;
    for (size_t k = 0; k < f->n; k++) {
        const kiln_tensor **part;
        uint32_t n;
        int e = node_inputs(f, outer, k, &part, &n);
        if (e) {
            inputs_free(*in, *n_in);
            return e;
        }
        *in = xrealloc((void *)(uintptr_t)*in, *n_in + n, sizeof(**in));
        for (uint32_t i = 0; i < n; i++)
            (*in)[(*n_in)++] = part[i];
        free(part);
    }
    return KILN_OK;
}

// ---- a whole chain ------------------------------------------------------------------------------

// Of a chain that mixes values, a node that only moves them.
static int move_back(const kiln_filter *part, const struct context *outer, kiln_tensor **x)
{
    struct shape_proof *p;
    kiln_tensor *back;
    int e = filter_prove(part, outer, (*x)->shape + 1, &p);
    e = e ? e : shape_permute(p, *x, 1, 1, &back);
    if (!e) {
        tensor_unref(*x);
        *x = back;
    }
    return e;
}

int filter_through(const kiln_filter *f, const struct context *outer, const kiln_tensor *x,
                   int inverse, kiln_tensor **out)
{
    int64_t n = x->shape[0];
    int64_t *id = xcalloc((size_t)n, sizeof(*id));
    double *t = xcalloc((size_t)n, sizeof(*t));
    for (int64_t i = 0; i < n; i++)
        id[i] = i, t[i] = KILN_CLEAN;
    kiln_tensor *now = tensor_ref(x);
    int e = KILN_OK;
    for (size_t k = 0; k < f->n && !e; k++) {
        size_t at = inverse ? f->n - 1 - k : k;
        if (inverse && !instance_node(f->instance[at])->filter->inverse) {
            e = move_back(&f->part[at], outer, &now);
            continue;
        }
        struct context context = {.state = outer ? outer->state : NULL};
        const kiln_tensor **in;
        uint32_t n_in;
        e = node_inputs(f, outer, at, &in, &n_in);
        kiln_rows rows = {.size = sizeof(rows),
                          .n = n,
                          .id = id,
                          .t = t,
                          .lo = -1,
                          .hi = 1,
                          .in = in,
                          .n_in = n_in};
        kiln_tensor *next = NULL;
        step_fn *fn = inverse ? inverse_step : forward_step;
        e = e ? e : fn(f->instance[at], &context, &rows, now, &next);
        inputs_free(in, n_in);
        tensor_unref(now);
        now = e ? NULL : next;
    }
    free(id);
    free(t);
    if (e)
        tensor_unref(now);
    else
        *out = now;
    return e;
}

// ---- the host functions -------------------------------------------------------------------------

static void lend(struct instance *x, const kiln_tensor *t)
{
    GROW(x->borrowed, x->n_borrowed);
    x->borrowed[x->n_borrowed++] = t;
}

static int apply(const kiln_filter *f, const struct context *c, const kiln_tensor *x, int inverse,
                 int use_sign, kiln_tensor **out)
{
    struct shape_proof *p = NULL;
    if (!f || !f->n) {
        *out = tensor_ref(x);
        return KILN_OK;
    }
    int e = f->flags & (KILN_PARAM_VIEW | KILN_PARAM_LINEAR) ? filter_prove(f, c, x->shape + 1, &p)
                                                             : KILN_OK;
    if (e)
        return e;
    if (p && p->proof == PERMUTATION)
        return shape_permute(p, x, inverse, use_sign, out);
    if (inverse && !use_sign) {  // a variance under a view that mixes values: as it is
        *out = tensor_ref(x);
        return KILN_OK;
    }
    return filter_through(f, c, x, inverse, out);
}

// A picture turns about the middle m of its range: of [0,1], dark and bright are exchanged by 1 -
// x. So x_t = alpha x0 + sigma e is seen as V (x_t - alpha m) + alpha m, and e as V e. Most views
// leave an image of one value alone, and then m does not matter.
static double middle_seen(const kiln_filter *f, const struct context *c, const kiln_tensor *x)
{
    struct shape_proof *p;
    if (!f || !f->n || !c || !c->state || filter_prove(f, c, x->shape + 1, &p) || !p->turns)
        return 0;
    return (c->state->lo + c->state->hi) / 2;
}

// x += alpha m, row by row; alpha 1 by NULL. x is nobody else's.
static int shift_rows(kiln_tensor *x, const kiln_tensor *alpha, double m)
{
    const int device = alpha ? alpha->device.type : tensor_place(x);
    const kiln_tensor *const r[] = {NULL, alpha};
    kiln_tensor *side;
    int e = tensor_on(x, device, TENSOR_UPDATE, &side);
    const kiln_tensor *const of[] = {side, NULL};
    return e ? e : runtime_ops(device)->combine(&plain_host, 2, (double[]){1, m}, r, of, side);
}

// apply() about the middle: rows about alpha m, or about m (alpha NULL).
static int apply_about(const kiln_filter *f, const struct context *c, const kiln_tensor *x,
                       int inverse, const kiln_tensor *alpha, double m, kiln_tensor **out)
{
    kiln_tensor *moved;
    if (m == 0)
        return apply(f, c, x, inverse, 1, out);
    int e = tensor_clone(x, &moved);
    if (e)
        return e;
    e = shift_rows(moved, alpha, -m);
    e = e ? e : apply(f, c, moved, inverse, 1, out);
    tensor_unref(moved);
    return e ? e : shift_rows(*out, alpha, m);
}

// What a node gave, seen through f, and lent on the side that it works on.
static int lend_applied(struct instance *me, const kiln_filter *f, const kiln_tensor *given,
                        int inverse, int use_sign, double m, kiln_tensor **out)
{
    kiln_tensor *x, *y;
    int e = tensor_adopt(given, &x);
    if (e)
        return e;
    e = use_sign ? apply_about(f, me->context, x, inverse, NULL, m, &y)
                 : apply(f, me->context, x, inverse, 0, &y);
    tensor_unref(x);
    if (e)
        return e;
    lend(me, y);
    return instance_side(me, y, TENSOR_READ, out);
}

int host_filter(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x,
                const kiln_tensor **out)
{
    kiln_tensor *y = NULL;
    int e = lend_applied(host_instance(h), f, x, 0, 1, 0, &y);
    *out = y;
    return e;
}

int host_view(const kiln_host *h, const kiln_filter *f, kiln_query *child)
{
    struct instance *me = host_instance(h);
    struct query *q = (struct query *)(void *)child;
    kiln_tensor *from, *made, *x = NULL, *aux = NULL;
    double m = middle_seen(f, me->context, child->x);
    int e = tensor_adopt(child->x, &from);
    if (!e) {
        e = apply_about(f, me->context, from, 0, child->alpha, m, &made);
        tensor_unref(from);
        e = e ? e : instance_side(me, made, TENSOR_READ, &x);
    }
    if (!e && child->aux) {
        e = tensor_adopt(child->aux, &from);
        if (!e) {
            e = apply(f, me->context, from, 0, 1, &made);
            tensor_unref(from);
        }
        e = e ? e : instance_side(me, made, TENSOR_READ, &aux);
        if (e)
            tensor_unref(x);
    }
    if (e)
        return e;
    // What was given is not the query's own; an empty filter gives it back, with a reference.
    if (child->x != q->given_x || x == q->given_x)
        tensor_unref(child->x);
    child->x = x;
    if (aux && (child->aux != q->given_aux || aux == q->given_aux))
        tensor_unref(child->aux);
    child->aux = aux ? aux : child->aux;
    return KILN_OK;
}

int host_unview(const kiln_host *h, const kiln_filter *f, const kiln_estimate *answer,
                const kiln_estimate **out)
{
    struct instance *me = host_instance(h);
    kiln_tensor *value, *var = NULL, *holder;
    int64_t bytes = (int64_t)sizeof(kiln_estimate);
    double m = middle_seen(f, me->context, answer->value);
    int e;
    if (m != 0 && answer->pred != KILN_EPS && answer->pred != KILN_X0)
        return fail(KILN_ERR_UNSUPPORTED,
                    "in the range %g to %g this view wants estimates of noise or of the image: set "
                    "the combinator's pred",
                    me->context->state->lo, me->context->state->hi);
    e = lend_applied(me, f, answer->value, 1, 1, answer->pred == KILN_X0 ? m : 0, &value);
    if (!e && answer->var)
        e = lend_applied(me, f, answer->var, 1, 0, 0, &var);
    if (e)
        return e;
    e = tensor_new(KILN_U8, 1, &bytes,
                   &holder);  // lent like the tensors, so that it ends with them
    if (e)
        return e;
    lend(me, holder);
    kiln_estimate *o = tensor_data(holder);
    *o = (kiln_estimate){.size = sizeof(*o), .pred = answer->pred, .value = value, .var = var};
    *out = o;
    return KILN_OK;
}
