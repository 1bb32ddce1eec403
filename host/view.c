// SPDX-License-Identifier: MIT
#include "view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter_call.h"
#include "inputs.h"
#include "query.h"

enum proof { UNPROVED, PERMUTATION, INVERSE, LINEAR };

// What was found of the filter for one shape and one set of its own images.
struct shape_proof {
    int64_t chw[3];
    enum proof proof;
    int32_t *index;  // of a permutation: out[i] = sign[i] in[index[i]], over c h w
    float *sign;
    const void *inputs;  // identity of the images that it was probed with
};

struct kiln_filter {
    const struct bound_chain *chain;  // of the arguments, which outlive this
    char *name;                       // "view.0": where its images are in the State
    uint32_t flags;
    struct instance **instance;
    size_t n;
    struct shape_proof *proof;
    size_t n_proofs;
};

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
    return KILN_OK;
}

void filter_free(kiln_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        instance_free(f->instance[i]);
    for (size_t i = 0; i < f->n_proofs; i++) {
        free(f->proof[i].index);
        free(f->proof[i].sign);
    }
    free(f->proof);
    free(f->instance);
    free(f->name);
    free(f);
}

static const char *filter_title(const kiln_filter *f)
{
    return f->n ? instance_node(f->instance[0])->name : "the empty filter";
}

// ---- applying -----------------------------------------------------------------------------------

typedef int step_fn(struct instance *x, struct context *c, const kiln_rows *rows,
                    const kiln_tensor *in, kiln_tensor **out);

static int forward_step(struct instance *x, struct context *c, const kiln_rows *rows,
                        const kiln_tensor *in, kiln_tensor **out)
{
    struct filter_result r;
    int e = filter_call(x, c, rows, in, &r);
    if (e)
        return e;
    *out = tensor_ref(r.image);
    filter_result_free(&r);
    return KILN_OK;
}

static int inverse_step(struct instance *x, struct context *c, const kiln_rows *rows,
                        const kiln_tensor *in, kiln_tensor **out)
{
    int e = tensor_new(KILN_F32, in->ndim, in->shape, out);
    if (e)
        return e;
    instance_enter(x, c);
    e = instance_leave(x, instance_node(x)->filter->inverse(x->self, rows, in, *out));
    if (e)
        tensor_unref(*out);
    return e;
}

static int through(const kiln_filter *f, const struct context *outer, const kiln_tensor *x,
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
        struct context context = {.state = outer ? outer->state : NULL};
        const kiln_tensor **in = NULL;
        uint32_t n_in = 0;
        if (outer && outer->line) {
            char *prefix = xformat("in.%lld.%s.%zu", (long long)outer->line->no, f->name, at);
            e = stored_inputs(outer->state, prefix, f->chain->node[at], &in, &n_in);
            free(prefix);
        }
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

// ---- probing ------------------------------------------------------------------------------------

static uint64_t mix(uint64_t x)  // splitmix64's finaliser: numbers for the probes
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static int same_shape(const kiln_tensor *a, const kiln_tensor *b, const char *title)
{
    return tensor_same_shape(a, b)
               ? KILN_OK
               : fail(KILN_ERR_SHAPE, "'%s' changes the size from %s to %s", title,
                      shape_text(3, a->shape + 1), shape_text(3, b->shape + 1));
}

// Runs the filter on the ramp 1..n, exact in float below 2^24, and reads off where each value went;
// a shuffled ramp must go the same way.
static int probe_permutation(kiln_filter *f, const struct context *c, struct shape_proof *p)
{
    int64_t shape[4] = {1, p->chw[0], p->chw[1], p->chw[2]}, n = shape[1] * shape[2] * shape[3];
    kiln_tensor *x = NULL, *y = NULL, *z = NULL;
    char *seen = NULL;
    if (n >= 1 << 24)
        return fail(KILN_ERR_SHAPE, "an image of %s is too large for a view", shape_text(4, shape));
    int e = tensor_new(KILN_F32, 4, shape, &x);
    for (int64_t i = 0; i < n && !e; i++)
        kiln_f32(x)[i] = (float)(i + 1);
    e = e ? e : through(f, c, x, 0, &y);
    e = e ? e : same_shape(x, y, filter_title(f));
    int is = !e;
    if (is) {
        p->index = xcalloc((size_t)n, sizeof(*p->index));
        p->sign = xcalloc((size_t)n, sizeof(*p->sign));
        seen = xcalloc((size_t)n, 1);
        for (int64_t i = 0; i < n && is; i++) {
            float v = kiln_f32(y)[i], a = fabsf(v);
            is = a >= 1 && a <= (float)n && a == floorf(a) && !seen[(int64_t)a - 1];
            if (is) {
                p->index[i] = (int32_t)a - 1;
                p->sign[i] = v < 0 ? -1.0f : 1.0f;
                seen[p->index[i]] = 1;
            }
        }
        if (is) {
            for (int64_t i = n - 1; i > 0; i--) {  // Fisher and Yates
                int64_t j = (int64_t)(mix((uint64_t)i) % (uint64_t)(i + 1));
                float v = kiln_f32(x)[i];
                kiln_f32(x)[i] = kiln_f32(x)[j];
                kiln_f32(x)[j] = v;
            }
            e = through(f, c, x, 0, &z);
            for (int64_t i = 0; i < n && is && !e; i++)
                is = kiln_f32(z)[i] == p->sign[i] * kiln_f32(x)[p->index[i]];
        }
    }
    tensor_unref(x);
    tensor_unref(y);
    tensor_unref(z);
    free(seen);
    if (!e && is) {
        p->proof = PERMUTATION;
    } else {
        free(p->index);
        free(p->sign);
        p->index = NULL;
        p->sign = NULL;
    }
    return e;
}

static int random_images(const int64_t *shape, uint64_t salt, kiln_tensor **out)
{
    int e = tensor_new(KILN_F32, 4, shape, out);
    int64_t n = e ? 0 : kiln_numel(*out);
    for (int64_t i = 0; i < n; i++)
        kiln_f32(*out)[i] = (float)((double)(mix(salt ^ (uint64_t)i) >> 40) * 0x1p-23 - 1);
    return e;
}

static double dot(const kiln_tensor *a, const kiln_tensor *b)
{
    double s = 0;
    for (int64_t i = 0, n = kiln_numel(a); i < n; i++)
        s += (double)kiln_f32(a)[i] * (double)kiln_f32(b)[i];
    return s;
}

// f(a x + b y) = a f(x) + b f(y) on random images, to float rounding.
static int probe_linear(kiln_filter *f, const struct context *c, struct shape_proof *p, int *is)
{
    int64_t shape[4] = {1, p->chw[0], p->chw[1], p->chw[2]};
    kiln_tensor *x = NULL, *y = NULL, *s = NULL, *fx = NULL, *fy = NULL, *fs = NULL;
    *is = 0;
    int e = random_images(shape, 1, &x);
    e = e ? e : random_images(shape, 2, &y);
    e = e ? e : tensor_new(KILN_F32, 4, shape, &s);
    for (int64_t i = 0, n = e ? 0 : kiln_numel(s); i < n; i++)
        kiln_f32(s)[i] = 1.75f * kiln_f32(x)[i] - 0.625f * kiln_f32(y)[i];
    e = e ? e : through(f, c, x, 0, &fx);
    e = e ? e : through(f, c, y, 0, &fy);
    e = e ? e : through(f, c, s, 0, &fs);
    e = e ? e : same_shape(x, fx, filter_title(f));
    if (!e) {
        double worst = 0, largest = 0;
        for (int64_t i = 0, n = kiln_numel(fs); i < n; i++) {
            double want = 1.75 * (double)kiln_f32(fx)[i] - 0.625 * (double)kiln_f32(fy)[i];
            worst = fmax(worst, fabs(want - (double)kiln_f32(fs)[i]));
            largest = fmax(largest, fabs(want));
        }
        *is = worst <= 1e-5 * fmax(largest, 1);
    }
    tensor_unref(x);
    tensor_unref(y);
    tensor_unref(s);
    tensor_unref(fx);
    tensor_unref(fy);
    tensor_unref(fs);
    return e;
}

// With an inverse of its own: linear, keeps angles and lengths, and the inverse undoes it.
static int probe_inverse(kiln_filter *f, const struct context *c, struct shape_proof *p)
{
    int64_t shape[4] = {1, p->chw[0], p->chw[1], p->chw[2]};
    kiln_tensor *x = NULL, *y = NULL, *fx = NULL, *fy = NULL, *back = NULL;
    int linear, is = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!instance_node(f->instance[i])->filter->inverse)
            return KILN_OK;
    int e = probe_linear(f, c, p, &linear);
    e = e ? e : random_images(shape, 3, &x);
    e = e ? e : random_images(shape, 4, &y);
    e = e ? e : through(f, c, x, 0, &fx);
    e = e ? e : through(f, c, y, 0, &fy);
    e = e ? e : through(f, c, fx, 1, &back);
    if (!e) {
        double scale = dot(x, x);
        is = linear && fabs(dot(fx, fx) - scale) < 1e-4 * scale &&
             fabs(dot(fx, fy) - dot(x, y)) < 1e-4 * scale;
        for (int64_t i = 0, n = kiln_numel(x); i < n && is; i++)
            is = fabs((double)kiln_f32(back)[i] - (double)kiln_f32(x)[i]) < 1e-4;
    }
    tensor_unref(x);
    tensor_unref(y);
    tensor_unref(fx);
    tensor_unref(fy);
    tensor_unref(back);
    if (!e && is)
        p->proof = INVERSE;
    return e;
}

static const void *inputs_identity(const kiln_filter *f, const struct context *c)
{
    for (size_t i = 0; i < f->n; i++)
        if (has_inputs(f->chain->node[i]))
            return c && c->state ? c->state : NULL;
    return NULL;
}

static int prove(const kiln_filter *cf, const struct context *c, int64_t ch, int64_t h, int64_t w,
                 const struct shape_proof **out)
{
    kiln_filter *f = (kiln_filter *)(uintptr_t)cf;  // what was found is kept with the handle
    const void *inputs = inputs_identity(f, c);
    for (size_t i = 0; i < f->n_proofs; i++) {
        const struct shape_proof *p = &f->proof[i];
        if (p->chw[0] == ch && p->chw[1] == h && p->chw[2] == w && p->inputs == inputs) {
            *out = p;
            return KILN_OK;
        }
    }
    struct shape_proof p = {.chw = {ch, h, w}, .inputs = inputs};
    int is = 0, e = KILN_OK;
    if (f->flags & KILN_PARAM_VIEW) {
        e = probe_permutation(f, c, &p);
        if (!e && !p.proof)
            e = probe_inverse(f, c, &p);
        if (!e && !p.proof)
            e = fail(KILN_ERR_ARG, "'%s' is not orthogonal: noise would not stay noise",
                     filter_title(f));
    } else if (f->flags & KILN_PARAM_LINEAR) {
        e = probe_linear(f, c, &p, &is);
        if (!e && !is)
            e = fail(KILN_ERR_ARG, "'%s' is not linear", filter_title(f));
        p.proof = LINEAR;
    }
    if (e)
        return e;
    GROW(f->proof, f->n_proofs);
    f->proof[f->n_proofs++] = p;
    *out = &f->proof[f->n_proofs - 1];
    return KILN_OK;
}

// ---- the host functions -------------------------------------------------------------------------

static void lend(struct instance *x, const kiln_tensor *t)
{
    GROW(x->borrowed, x->n_borrowed);
    x->borrowed[x->n_borrowed++] = t;
}

// out[i] = s in[index[i]], or its inverse; signs leave variances alone.
static int permute(const struct shape_proof *p, const kiln_tensor *x, int inverse, int use_sign,
                   kiln_tensor **out)
{
    int e = tensor_new(KILN_F32, x->ndim, x->shape, out);
    if (e)
        return e;
    int64_t n = p->chw[0] * p->chw[1] * p->chw[2];
    for (int64_t r = 0; r < x->shape[0]; r++) {
        const float *in = kiln_f32(x) + r * n;
        float *o = kiln_f32(*out) + r * n;
        for (int64_t i = 0; i < n; i++) {
            float s = use_sign ? p->sign[i] : 1.0f;
            if (inverse)
                o[p->index[i]] = s * in[i];
            else
                o[i] = s * in[p->index[i]];
        }
    }
    return KILN_OK;
}

static int apply(const kiln_filter *f, const struct context *c, const kiln_tensor *x, int inverse,
                 int use_sign, kiln_tensor **out)
{
    const struct shape_proof *p = NULL;
    if (!f || !f->n) {
        *out = tensor_ref(x);
        return KILN_OK;
    }
    int e = f->flags & (KILN_PARAM_VIEW | KILN_PARAM_LINEAR)
                ? prove(f, c, x->shape[1], x->shape[2], x->shape[3], &p)
                : KILN_OK;
    if (e)
        return e;
    if (p && p->proof == PERMUTATION)
        return permute(p, x, inverse, use_sign, out);
    if (inverse && !use_sign) {  // a variance under a view that mixes values: as it is
        *out = tensor_ref(x);
        return KILN_OK;
    }
    return through(f, c, x, inverse, out);
}

int host_filter(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x,
                const kiln_tensor **out)
{
    struct instance *me = host_instance(h);
    kiln_tensor *y;
    int e = apply(f, me->context, x, 0, 1, &y);
    if (e)
        return e;
    lend(me, y);
    *out = y;
    return KILN_OK;
}

int host_view(const kiln_host *h, const kiln_filter *f, kiln_query *child)
{
    struct instance *me = host_instance(h);
    struct query *q = (struct query *)(void *)child;
    kiln_tensor *x, *aux = NULL;
    int e = apply(f, me->context, child->x, 0, 1, &x);
    if (!e && child->aux) {
        e = apply(f, me->context, child->aux, 0, 1, &aux);
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
    int e = apply(f, me->context, answer->value, 1, 1, &value);
    if (e)
        return e;
    lend(me, value);
    if (answer->var) {
        e = apply(f, me->context, answer->var, 1, 0, &var);
        if (e)
            return e;
        lend(me, var);
    }
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
