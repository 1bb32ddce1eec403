// SPDX-License-Identifier: MIT
#include "view_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "inputs.h"

static uint64_t mix(uint64_t x)  // splitmix64's finaliser: numbers for the probes
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// The filter as a person would write it.
static const char *title(const kiln_filter *f)
{
    static char line[200];
    struct text t = {0};
    struct bound_chain chain = {f->chain->node + f->first, f->n};
    bound_chain_recipe(&t, &chain, 0);
    snprintf(line, sizeof(line), "%s", t.s ? t.s : "");
    text_free(&t);
    return line;
}

static int same_shape(const kiln_tensor *a, const kiln_tensor *b, const kiln_filter *f)
{
    return tensor_same_shape(a, b)
               ? KILN_OK
               : fail(KILN_ERR_SHAPE, "'%s' changes the size from %s to %s", title(f),
                      shape_text(3, a->shape + 1), shape_text(3, b->shape + 1));
}

// Here values are looked at, wherever the filter works.
static int through(const kiln_filter *f, const struct context *c, const kiln_tensor *x, int inverse,
                   kiln_tensor **out)
{
    int e = filter_through(f, c, x, inverse, out);
    return e ? e : tensor_home(*out);
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
    e = e ? e : same_shape(x, y, f);
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
                p->turns |= v < 0;
                seen[p->index[i]] = 1;
            }
        }
        is = is && !(e = tensor_home_own(x));
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
    e = e ? e : same_shape(x, fx, f);
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
    for (size_t i = 0; i < f->n; i++) {
        struct shape_proof *moves;
        if (instance_node(f->instance[i])->filter->inverse)
            continue;
        if (!f->part || filter_prove(&f->part[i], c, p->chw, &moves) || moves->proof != PERMUTATION)
            return KILN_OK;
    }
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
    if (!e && is) {
        p->proof = INVERSE;
        p->turns = 1;
    }
    return e;
}

// Why it is no view. White noise tells: its strength, and how alike two of them are.
static int refuse_view(kiln_filter *f, const struct context *c, struct shape_proof *p)
{
    int64_t shape[4] = {1, p->chw[0], p->chw[1], p->chw[2]};
    kiln_tensor *x = NULL, *y = NULL, *fx = NULL, *fy = NULL;
    const char *of = title(f);
    int linear, e = probe_linear(f, c, p, &linear);
    if (!e && !linear)
        return fail(KILN_ERR_ARG, "'%s' is not orthogonal: it is not even linear", of);
    e = e ? e : random_images(shape, 3, &x);
    e = e ? e : random_images(shape, 4, &y);
    e = e ? e : through(f, c, x, 0, &fx);
    e = e ? e : through(f, c, y, 0, &fy);
    if (!e) {
        double scale = dot(x, x), strength = sqrt(dot(fx, fx) / scale);
        if (fabs(strength - 1) > 1e-3)
            e = fail(KILN_ERR_ARG,
                     "'%s' is not orthogonal: noise would not stay noise, of strength 1 it becomes "
                     "%.2g",
                     of, strength);
        else if (fabs(dot(fx, fy) - dot(x, y)) > 1e-4 * scale)
            e = fail(KILN_ERR_ARG,
                     "'%s' is not orthogonal: noise would not stay noise, its values would hang "
                     "together",
                     of);
        else
            e = fail(
                KILN_ERR_ARG,
                "'%s' is orthogonal, but mixes values and has no inverse: a view moves values, "
                "or brings an inverse that undoes it",
                of);
    }
    tensor_unref(x);
    tensor_unref(y);
    tensor_unref(fx);
    tensor_unref(fy);
    return e;
}

void shape_proof_free(struct shape_proof *p)
{
    free(p->index);
    free(p->sign);
    for (int k = 0; k < 2; k++) {
        tensor_unref(p->there[k].index);
        tensor_unref(p->there[k].sign);
    }
    inputs_free(p->in, p->n_in);
    *p = (struct shape_proof){0};
}

static int same_inputs(const struct shape_proof *p, const kiln_tensor *const *in, uint32_t n)
{
    return p->n_in == n && (!n || !memcmp(p->in, in, n * sizeof(*in)));
}

static int probe(kiln_filter *f, const struct context *c, struct shape_proof *p)
{
    int is = 0, e = KILN_OK;
    for (uint32_t i = 0; i < p->n_in; i++)
        if (p->in[i] && p->in[i]->shape[0] > 1)
            return fail(KILN_ERR_ARG, "'%s' has %lld images of its own: here it takes one, for all",
                        title(f), (long long)p->in[i]->shape[0]);
    if (f->flags & KILN_PARAM_VIEW) {
        e = probe_permutation(f, c, p);
        if (!e && !p->proof)
            e = probe_inverse(f, c, p);
        return !e && !p->proof ? refuse_view(f, c, p) : e;
    }
    e = probe_linear(f, c, p, &is);
    if (!e && !is)
        e = fail(KILN_ERR_ARG, "'%s' is not linear", title(f));
    p->proof = LINEAR;
    return e;
}

int filter_prove(const kiln_filter *cf, const struct context *c, const int64_t *chw,
                 struct shape_proof **out)
{
    kiln_filter *f = (kiln_filter *)(uintptr_t)cf;  // what was found is kept with the handle
    struct shape_proof p = {.chw = {chw[0], chw[1], chw[2]}};
    int e = filter_inputs(f, c, &p.in, &p.n_in);
    if (e)
        return e;
    for (size_t i = 0; i < f->n_proofs; i++) {
        struct shape_proof *have = &f->proof[i];
        if (memcmp(have->chw, p.chw, sizeof(p.chw)))
            continue;
        if (same_inputs(have, p.in, p.n_in)) {
            inputs_free(p.in, p.n_in);
            *out = have;
            return KILN_OK;
        }
        // Another document's images: what was found with the last one's is of no use any more.
        shape_proof_free(have);
        *have = f->proof[--f->n_proofs];
        break;
    }
    e = probe(f, c, &p);
    if (e) {
        shape_proof_free(&p);
        return e;
    }
    GROW(f->proof, f->n_proofs);
    f->proof[f->n_proofs] = p;
    *out = &f->proof[f->n_proofs++];
    return KILN_OK;
}
