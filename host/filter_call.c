// SPDX-License-Identifier: MIT
#include "filter_call.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "finite.h"
#include "sample.h"
#include "twin.h"

void filter_result_free(struct filter_result *r)
{
    tensor_unref(r->image);
    free(r->from);
    free(r->t);
    *r = (struct filter_result){0};
}

static int take_plan(const kiln_plan *plan, const kiln_rows *rows, int keeps,
                     struct filter_result *r)
{
    int64_t n = plan->shape[0];
    for (int k = 0; k < 4; k++)
        if (plan->shape[k] < 1)
            return fail(KILN_ERR_INTERNAL, "plans an image of %s", shape_text(4, plan->shape));
    r->lo = plan->lo;
    r->hi = plan->hi;
    if (plan->from) {
        r->from = xmemdup(plan->from, (size_t)n * sizeof(*r->from));
        for (int64_t i = 0; i < n; i++)
            if (r->from[i] < 0 || r->from[i] >= rows->n)
                return fail(KILN_ERR_INTERNAL, "takes row %lld of %lld", (long long)r->from[i],
                            (long long)rows->n);
    }
    r->carries_t = !plan->n_t && keeps;
    if (plan->n_t) {
        r->t = xcalloc((size_t)n, sizeof(*r->t));
        for (int64_t i = 0; i < n; i++)
            r->t[i] = plan->t[i % plan->n_t];
    }
    return KILN_OK;
}

int filter_may_run(const struct instance *x)
{
    return instance_node(x)->flags & KILN_NODE_CAPTURABLE
               ? KILN_OK
               : twin_may_not("a filter of its own will");
}

int filter_call(struct instance *x, struct context *context, const kiln_rows *rows,
                const kiln_tensor *image, int spare, struct filter_result *r)
{
    const kiln_node *node = instance_node(x);
    const kiln_filter_ops *ops = node->filter;
    kiln_plan plan = {.size = sizeof(plan), .lo = rows->lo, .hi = rows->hi};
    memcpy(plan.shape, image->shape, sizeof(plan.shape));
    *r = (struct filter_result){0};
    int e = filter_may_run(x);
    if (e)
        return e;
    instance_enter(x, context);
    e = ops->plan ? ops->plan(x->self, rows, &plan) : KILN_OK;
    if (!e)
        e = take_plan(&plan, rows, (node->flags & KILN_NODE_KEEPS_NOISE) != 0, r);
    const int device = instance_device(x);
    kiln_tensor *in = NULL, *made = NULL;
    if (!e && spare && node->flags & KILN_NODE_IN_PLACE &&
        !memcmp(plan.shape, image->shape, sizeof(plan.shape))) {
        e = tensor_on(image, device, TENSOR_UPDATE, &made);
        in = e ? NULL : made;
        r->image = e ? NULL : tensor_ref(image);
    } else if (!e) {
        e = tensor_new_on(device, KILN_F32, 4, plan.shape, &made);
        r->image = tensor_taken(made);
        e = e ? e : tensor_on(image, device, TENSOR_READ, &in);
    }
    e = e ? e : instance_inputs(x, (const kiln_tensor **)(uintptr_t)rows->in, rows->n_in);
    int64_t n = plan.shape[0];
    int64_t *id = e ? NULL : xcalloc((size_t)n, sizeof(*id));
    double *t = e ? NULL : xcalloc((size_t)n, sizeof(*t));
    const char **prompt = e ? NULL : xcalloc((size_t)n, sizeof(char *));
    if (!e) {
        for (int64_t i = 0; i < n; i++) {
            int64_t k = r->from ? r->from[i] : i % rows->n;
            id[i] = rows->id[k];
            prompt[i] = rows->prompt ? rows->prompt[k] : NULL;
            t[i] = r->t ? r->t[i] : r->carries_t ? rows->t[k] : KILN_CLEAN;
        }
        kiln_rows out = *rows;  // with the range of the input
        out.n = n;
        out.id = id;
        out.t = t;
        out.prompt = prompt;
        e = ops->run(x->self, &out, in, made);
    }
    e = instance_leave(x, e);
    e = e ? e : finite_check(r->image, x->bound, NULL);
    free(id);
    free(t);
    free(prompt);
    if (e)
        filter_result_free(r);
    return e;
}
