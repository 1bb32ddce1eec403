// A step of a training: forward and backward of its net, and on a device the whole step as a
// recorded graph. SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "error.h"
#include "recorded.h"
#include "runtime.h"
#include "training_job.h"

// What the net is told beside x, at places that stay: a graph reads it there.
struct told {
    int64_t n;
    struct levels levels;
    kiln_tensor **cond;        // [n_cond] [n,...]
    const kiln_tensor **side;  // where the net runs
    struct recorded step;
    struct told *next;
};

// ---- what it is told ----------------------------------------------------------------------------

// Of n rows, first in the list; it is made the first time.
static struct told *find(struct job *j, int64_t n)
{
    struct told **at = &j->told;
    while (*at && (*at)->n != n)
        at = &(*at)->next;
    struct told *w = *at;
    if (w) {
        *at = w->next;
    } else {
        uint32_t n_cond = j->training.net->n_cond;
        w = xcalloc(1, sizeof(*w));
        w->n = n;
        w->cond = xcalloc(n_cond, sizeof(kiln_tensor *));
        w->side = xcalloc(n_cond, sizeof(kiln_tensor *));
        recorded_add(&w->step);
    }
    w->next = j->told;
    j->told = w;
    return w;
}

void job_free_steps(struct job *j)
{
    while (j->told) {
        struct told *w = j->told;
        j->told = w->next;
        recorded_remove(&w->step);
        levels_free(&w->levels);
        for (uint32_t k = 0; k < j->training.net->n_cond; k++)
            tensor_unref(w->cond[k]);
        free(w->cond);
        free(w->side);
        free(w);
    }
}

// Row i of tensor k, of what the net made of a prompt.
static int cond_row(struct told *w, uint32_t k, int64_t i, const kiln_tensor *one)
{
    int64_t shape[TENSOR_MAX_DIM] = {w->n};
    for (int32_t d = 0; d < one->ndim; d++)
        shape[d + 1] = one->shape[d];
    int e = KILN_OK;
    if (!w->cond[k])
        e = tensor_new(tensor_dtype(one), one->ndim + 1, shape, &w->cond[k]);
    else if (!i)
        e = tensor_home_own(w->cond[k]);
    e = e ? e : tensor_home(one);
    if (!e)
        memcpy((char *)tensor_data(w->cond[k]) + (size_t)i * tensor_bytes(one), tensor_data(one),
               tensor_bytes(one));
    return e;
}

static int tell_prompts(struct job *j, struct told *w, const char *const *prompt)
{
    uint32_t n_cond = j->training.net->n_cond;
    int e = KILN_OK;
    for (int64_t i = 0; i < w->n && n_cond && !e; i++) {
        int64_t handle = prompt_handle(prompt && prompt[i] ? prompt[i] : "");
        e = embed_plain(j->first, j->net, handle);
        kiln_tensor *const *one = NULL;
        for (size_t k = 0; k < j->net->n_cond && !one; k++)
            if (j->net->cond[k].prompt == handle)
                one = j->net->cond[k].tensor;
        for (uint32_t k = 0; k < n_cond && !e; k++)
            e = cond_row(w, k, i, one[k]);
    }
    for (uint32_t k = 0; k < n_cond && !e; k++)
        w->side[k] = w->cond[k];
    return e ? e : instance_inputs(j->net, w->side, n_cond);
}

static int tell(struct job *j, int64_t n, const double *times, const char *const *prompt)
{
    struct told *w = find(j, n);
    kiln_level *level = xcalloc((size_t)n, sizeof(*level));
    kiln_tensor *side;
    for (int64_t i = 0; i < n; i++)
        level[i] = kiln_level_at(j->training.net, times[i]);
    int e = levels_set(&w->levels, n, level);
    free(level);
    e = e ? e : tensor_on(w->levels.block, instance_device(j->net), TENSOR_READ, &side);
    return e ? e : tell_prompts(j, w, prompt);
}

// ---- forward, backward --------------------------------------------------------------------------

int job_forward(const kiln_training *t, const kiln_tensor *x, const double *times,
                const char *const *prompt, kiln_tensor *out)
{
    struct job *j = job_of(t);
    int64_t n = x->shape[0];
    struct level_sides sides;
    kiln_query q = {.size = sizeof(q), .net = t->net, .prompt = -1, .x = x};
    int e = times ? tell(j, n, times, prompt) : KILN_OK;
    if (!e && (!j->told || j->told->n != n))
        e = fail(KILN_ERR_ARG, "forward without t wants the rows that step was told of");
    e = e ? e : levels_on(&j->told->levels, n, instance_device(j->net), &sides, &q);
    if (e)
        return e;
    q.cond = j->told->side;
    instance_enter(j->net, &j->net_context);
    return instance_leave(j->net, j->trainable->forward(j->net->self, &q, out));
}

int job_backward(const kiln_training *t, const kiln_tensor *dout)
{
    struct job *j = job_of(t);
    instance_enter(j->net, &j->net_context);
    return instance_leave(j->net, j->trainable->backward(j->net->self, dout));
}

// ---- the step as one ----------------------------------------------------------------------------

static int may_be_recorded(const struct job *j)
{
    const uint32_t both = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE;
    return recorded_wanted() && (instance_node(j->net)->flags & both) == both &&
           (instance_node(j->trainer)->flags & both) == both;
}

static int record(struct recorded *r, int (*fn)(void *ctx), void *ctx)
{
    int e = twin_record_begin();
    if (e)
        return e;
    e = fn(ctx);
    int ended = twin_record_end(!e, &r->graph);
    r->stage = RECORDED_READY;
    return e ? e : ended;
}

int job_step(const kiln_training *t, int64_t n, const double *times, const char *const *prompt,
             int (*fn)(void *ctx), void *ctx)
{
    struct job *j = job_of(t);
    int e = tell(j, n, times, prompt);
    if (e)
        return e;
    struct recorded *r = &j->told->step;
    if (!may_be_recorded(j))
        return fn(ctx);
    if (r->stage == RECORDED_WARM && record(r, fn, ctx))
        recorded_forget(r, RECORDED_NEVER);  // as it is, then
    if (r->stage == RECORDED_READY)
        return twin_replay(&r->graph);
    e = fn(ctx);
    if (!e && r->stage == RECORDED_COLD)
        r->stage = RECORDED_WARM;
    return e;
}
