// A question to a stack as a recorded graph: the same operations in each step, so from the third
// one on they are launched as one. The first of a kind runs as it is, and makes what is constant;
// the second is recorded. x and the levels are read where they were then; what else goes in, rows
// of conditions and images, is that of the run in hand, and the graph ends with it.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "finite.h"
#include "query.h"
#include "recorded.h"

struct graph {
    struct recorded recorded;  // first: what recorded.c holds
    int64_t shape[4];
    uint32_t *variant;  // [n_layers]
    kiln_tensor *x;     // its place
    kiln_estimate out;  // of the last replay
    struct finite_record finite;
    uint32_t converted;
    struct graph *next;
};

static void let_go(struct recorded *r)
{
    struct graph *g = (struct graph *)(void *)r;
    estimate_free(&g->out);
    tensor_unref(g->x);
    tensor_unref(g->finite.flag);
    g->x = NULL;
    g->finite = (struct finite_record){0};
}

void graph_forget(struct stack *k)
{
    for (struct graph *g = k->graph; g; g = g->next)
        if (g->recorded.stage != RECORDED_NEVER)
            recorded_forget(&g->recorded, RECORDED_COLD);
}

void graph_free(struct stack *k)
{
    while (k->graph) {
        struct graph *g = k->graph;
        k->graph = g->next;
        recorded_remove(&g->recorded);
        free(g->variant);
        free(g);
    }
}

// ---- which --------------------------------------------------------------------------------------

static int may_be_recorded(const struct stack *k)
{
    const uint32_t both = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE;
    if (!recorded_wanted())
        return 0;
    for (size_t i = 0; i < k->n_layers; i++)
        if ((instance_node(k->layer[i]->instance)->flags & both) != both)
            return 0;
    return 1;
}

static uint32_t variant_of(const struct layer *l, const kiln_query *q)
{
    const kiln_combinator_ops *ops = instance_node(l->instance)->combinator;
    return ops && KILN_HAS(ops, kiln_combinator_ops, variant) && ops->variant
               ? ops->variant(l->instance->self, q->step, q->n_steps)
               : 0;
}

static int is_for(const struct graph *g, const struct stack *k, const kiln_query *q)
{
    int same = !memcmp(g->shape, q->x->shape, sizeof(g->shape));
    for (size_t i = 0; i < k->n_layers && same; i++)
        same = g->variant[i] == variant_of(k->layer[i], q);
    return same;
}

static struct graph *find(struct stack *k, const kiln_query *q)
{
    for (struct graph *g = k->graph; g; g = g->next)
        if (is_for(g, k, q))
            return g;
    struct graph *g = xcalloc(1, sizeof(*g));
    memcpy(g->shape, q->x->shape, sizeof(g->shape));
    g->variant = xcalloc(k->n_layers, sizeof(*g->variant));
    for (size_t i = 0; i < k->n_layers; i++)
        g->variant[i] = variant_of(k->layer[i], q);
    g->next = k->graph;
    k->graph = g;
    g->recorded.let_go = let_go;
    recorded_add(&g->recorded);
    return g;
}

// ---- recording ----------------------------------------------------------------------------------

// What a replay reads is on the device before.
static int bring_inputs(struct stack *k, const kiln_query *q, kiln_tensor **x)
{
    kiln_tensor *side;
    int e = tensor_on(q->x, KILN_DEVICE_CUDA, TENSOR_READ, x);
    return e ? e : tensor_on(k->levels.block, KILN_DEVICE_CUDA, TENSOR_READ, &side);
}

static int record(struct stack *k, struct graph *g, const kiln_query *q)
{
    kiln_query own = *q;
    kiln_tensor *x;
    int e = bring_inputs(k, q, &x);
    e = e ? e : tensor_new_on(KILN_DEVICE_CUDA, KILN_F32, 4, g->shape, &x);
    g->x = e ? NULL : tensor_taken(x);
    e = e ? e : finite_record_begin(&g->finite);
    if (!e && !g->x)  // it was given up meanwhile
        e = KILN_ERR_MEMORY;
    e = e ? e : twin_record_begin();
    if (!e) {
        own.x = g->x;
        k->converted = 0;
        e = stack_answer(k, &own, &g->out);
        g->converted = k->converted;
        int ended = twin_record_end(!e, &g->recorded.graph);
        e = e ? e : ended;
    }
    finite_record_end();
    g->recorded.stage = RECORDED_READY;
    return e;
}

// Conversions that do not go at this level say so when they are asked for.
static int goes_at(const struct graph *g, const kiln_level *level)
{
    double a, b;
    const int kinds = ESTIMATE_KINDS;
    for (int i = 0; i < kinds * kinds; i++)
        if (g->converted >> i & 1 && !estimate_factors(i / kinds + 1, i % kinds + 1, level, &a, &b))
            return 0;
    return 1;
}

static int new_like(const kiln_tensor *t, kiln_tensor **out)
{
    *out = NULL;
    int e = t ? tensor_new_on(KILN_DEVICE_CUDA, KILN_F32, t->ndim, t->shape, out) : KILN_OK;
    *out = e ? NULL : tensor_taken(*out);
    return e;
}

static int copy_out(const kiln_tensor *from, kiln_tensor *to)
{
    return from ? tensor_copy_into(to, from) : KILN_OK;
}

// KILN_END: it was given up, as memory is short. What asks for memory comes first.
static int replay(struct stack *k, struct graph *g, const kiln_query *q, kiln_estimate *out)
{
    kiln_tensor *from, *to;
    int e = new_like(g->out.value, &out->value);
    if (!e && g->recorded.stage == RECORDED_READY)
        e = new_like(g->out.var, &out->var);
    if (!e && g->recorded.stage == RECORDED_READY)
        e = finite_reserve(&g->finite);
    if (!e && g->recorded.stage == RECORDED_READY)
        e = bring_inputs(k, q, &from);
    if (!e && g->recorded.stage != RECORDED_READY)
        e = KILN_END;
    e = e ? e : tensor_on(g->x, KILN_DEVICE_CUDA, TENSOR_WRITE, &to);
    e = e ? e : tensor_copy_raw(to, from);
    e = e ? e : twin_replay(&g->recorded.graph);
    e = e ? e : finite_replayed(&g->finite);
    e = e ? e : copy_out(g->out.value, out->value);
    e = e ? e : copy_out(g->out.var, out->var);
    out->pred = g->out.pred;
    if (e)
        estimate_free(out);
    return e;
}

int graph_answer(struct stack *k, const kiln_query *q, kiln_estimate *out)
{
    if (!may_be_recorded(k))
        return stack_answer(k, q, out);
    struct graph *g = find(k, q);
    if (g->recorded.stage == RECORDED_WARM && record(k, g, q)) {
        // As it is, then; and what was made, but never filled, goes.
        recorded_forget(&g->recorded, RECORDED_NEVER);
        stack_cond_free(k);
    }
    if (g->recorded.stage == RECORDED_READY && goes_at(g, &k->levels.level[0])) {
        int e = replay(k, g, q, out);
        if (e != KILN_END)
            return e;
    }
    int e = stack_answer(k, q, out);
    if (!e && g->recorded.stage == RECORDED_COLD)
        g->recorded.stage = RECORDED_WARM;
    return e;
}
