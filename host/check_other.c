// check: nodes of the other kinds at work, as far as they can be without a net.
// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "exec.h"
#include "finite.h"
#include "instance.h"

enum { DOCUMENTS = 3 };

static void cannot(struct findings *f)
{
    found_note(f, "cannot be tried here: %s", fail_text());
}

// ---- sources ------------------------------------------------------------------------------------

// The first documents as one number; 0: a failure, told already.
static int run_source(struct findings *f, struct bound *b, uint64_t *digest)
{
    struct instance *x;
    int good = 1, got = 0;
    if (instance_get(b, 0, &x)) {
        cannot(f);
        return 0;
    }
    for (int i = 0; i < DOCUMENTS && good; i++) {
        kiln_document doc = {.size = sizeof(doc), .t = KILN_CLEAN, .lo = -1, .hi = 1};
        struct state *s = state_begin(i, -1);
        struct context context = {.state = s};
        instance_enter(x, &context);
        int e = instance_leave(x, instance_node(x)->source->next(x->self, &doc));
        if (e < 0) {
            cannot(f);
            good = 0;
        } else if (!e && (!doc.image || doc.image->ndim != 4 ||
                          tensor_dtype(doc.image) != KILN_F32 || kiln_numel(doc.image) < 1)) {
            found_bad(f, "document %d: the image is not F32 [n,c,h,w]", i);
            good = 0;
        } else if (!e && finite_check(doc.image, b, NULL)) {
            found_bad(f, "document %d: %s", i, fail_text());
            good = 0;
        } else if (!e && !(doc.hi > doc.lo)) {
            found_bad(f, "document %d: the range of values is empty", i);
            good = 0;
        } else if (!e) {
            got++;
            digest_add(digest, doc.image->shape, 4 * sizeof(int64_t));
            digest_add(digest, tensor_data(doc.image), tensor_bytes(doc.image));
        }
        tensor_unref(e ? NULL : doc.image);
        state_free(s);
        if (e)
            break;
    }
    instance_free(x);
    if (good && !got)
        found_note(f, "gives no document");
    return good;
}

static void check_source(struct findings *f, struct bound *b, uint64_t *digest)
{
    uint64_t first = 0, second = 0;
    if (!run_source(f, b, &first) || !run_source(f, b, &second))
        return;
    if (first == second)
        found_good(f, "documents: the same again, finite");
    else
        found_bad(f, "again: other documents the second time");
    digest_add(digest, &first, sizeof(first));
}

// ---- encoders, predictors, samplers -------------------------------------------------------------

static void check_encoder(struct findings *f, struct instance *x, uint64_t *digest)
{
    static const char *const texts[] = {"a pencil", "", "a pencil"};
    kiln_tensor *out[3] = {NULL, NULL, NULL};
    struct state *s = state_begin(0, 1);
    int e = KILN_OK;
    for (int i = 0; i < 3 && !e; i++) {
        struct context context = {.state = s};
        instance_enter(x, &context);
        e = instance_leave(x, instance_node(x)->encoder->encode(x->self, texts[i], &out[i]));
    }
    if (e)
        cannot(f);
    else if (!tensor_same_shape(out[0], out[1]))
        found_bad(f, "embeddings: of \"\" another shape than of a text");
    else if (memcmp(tensor_data(out[0]), tensor_data(out[2]), tensor_bytes(out[0])))
        found_bad(f, "again: another embedding of the same text");
    else
        found_good(f, "embeddings: of one shape, the same again");
    if (!e)
        digest_add(digest, tensor_data(out[0]), tensor_bytes(out[0]));
    for (int i = 0; i < 3 && !e; i++)
        tensor_unref(out[i]);
    state_free(s);
}

static void check_predictor(struct findings *f, struct instance *x)
{
    kiln_net net = {.size = sizeof(net)};
    struct state *s = state_begin(0, 1);
    struct context context = {.state = s};
    instance_enter(x, &context);
    int e = instance_leave(x, instance_node(x)->predictor->describe(x->self, &net));
    if (e)
        cannot(f);
    else if (net.chw[0] < 1 || net.chw[1] < 1 || net.chw[2] < 1)
        found_bad(f, "net: no size");
    else if (!(net.hi > net.lo))
        found_bad(f, "net: the range of values is empty");
    else if (net.pred < KILN_EPS || net.pred > KILN_FLOW)
        found_bad(f, "net: it does not say what it estimates");
    else if (net.n_t < 0 || (net.n_t && (!net.alpha || !net.sigma)))
        found_bad(f, "net: no noise schedule");
    else
        found_good(f, "net: %s", shape_text(3, net.chw));
    state_free(s);
}

static void check_sampler(struct findings *f, struct instance *x, uint64_t *digest)
{
    const kiln_net *net = check_net(1, 28, 28);
    const double *t = NULL;
    uint32_t n = 0;
    struct state *s = state_begin(0, 1);
    struct context context = {.state = s};
    int free_walk = (instance_node(x)->flags & KILN_NODE_TAKES_CLEAN) != 0, bad = 0;
    instance_enter(x, &context);
    int e = instance_leave(x, instance_node(x)->sampler->plan(
                                  x->self, net, free_walk ? KILN_CLEAN : KILN_NOISE, &t, &n));
    state_free(s);
    if (e) {
        cannot(f);
        return;
    }
    if (!n || !t) {
        found_bad(f, "plan: no steps");
        return;
    }
    for (uint32_t i = 0; i <= n; i++)
        bad |= !isfinite(t[i]) || (i && !free_walk && t[i] > t[i - 1]) ||
               (i < n && t[i] > (double)(net->t_first + net->n_t - 1));
    if (bad)
        found_bad(f, "plan: t grows, or is none of the net's timesteps");
    else
        found_good(f, "plan: %u steps from %g to %g", n, t[0], t[n]);
    digest_add(digest, t, (n + 1) * sizeof(*t));
}

void check_other(struct findings *f, struct bound *b, uint64_t *digest)
{
    const kiln_node *node = b->def->node;
    struct instance *x;
    size_t before = tensor_used();
    if (bound_kind(b) == KIND_SOURCE) {
        check_source(f, b, digest);
    } else if (instance_get(b, 0, &x)) {
        cannot(f);
        return;
    } else {
        if (node->encoder)
            check_encoder(f, x, digest);
        if (node->predictor)
            check_predictor(f, x);
        if (node->sampler)
            check_sampler(f, x, digest);
        instance_free(x);
        found_good(f, "created and destroyed");
    }
    size_t after = tensor_used();
    if (after > before)
        found_bad(f, "leaks: %zu bytes of tensors are left", after - before);
    else
        found_good(f, "leaks: none");
}
