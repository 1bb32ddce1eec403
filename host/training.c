// SPDX-License-Identifier: MIT
#include "training.h"

#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "error.h"
#include "progress.h"
#include "runtime.h"
#include "sample.h"
#include "training_job.h"

static const kiln_rows *lend_data(struct job *j, struct state *s)
{
    GROW(j->data, j->n_data);
    struct data *d = &j->data[j->n_data++];
    d->state = s;
    d->prompt = row_prompts(s->prompt, s->n);
    d->rows = xcalloc(1, sizeof(*d->rows));
    *d->rows = (kiln_rows){.size = sizeof(kiln_rows),
                           .n = s->n,
                           .id = s->id,
                           .t = s->t,
                           .prompt = d->prompt,
                           .lo = s->lo,
                           .hi = s->hi,
                           .net = j->training.net};
    return d->rows;
}

static int job_next(const kiln_training *t, const kiln_rows **rows, const kiln_tensor **image)
{
    struct job *j = job_of(t);
    struct state *s;
    int e = KILN_OK;
    if (!j->n_data)
        s = state_copy(j->first);
    else
        e = j->stage->up->next(j->stage->up, &s);
    if (e)
        return e;
    if (!s->image)
        e = fail(KILN_ERR_ARG, "there is no image to learn from");
    e = e ? e : check_net_size(t->net, s->image, net_name_of(j->first));
    e = e ? e : state_to_range(s, t->net->lo, t->net->hi);
    if (e) {
        state_free(s);
        return e;
    }
    kiln_tensor *side;
    e = tensor_on(s->image, KILN_DEVICE_CPU, TENSOR_READ, &side);
    *rows = lend_data(j, s);
    *image = side;
    return e;
}

static int job_draws(const kiln_training *t, const char *name, const kiln_tensor **out)
{
    struct job *j = job_of(t);
    int e = draw_file_tensor(j->first, name, out);
    if (!e && *out) {
        GROW(j->lent, j->n_lent);
        j->lent[j->n_lent++] = *out;
    }
    return e;
}

static int job_done(const kiln_training *t, const char *path)
{
    struct job *j = job_of(t);
    free(j->path);
    j->path = xstrdup(path);
    return KILN_OK;
}

// The pending predictor is now the written file: its first parameter names it.
static int rename_predictor(struct job *j)
{
    struct bound *b = j->line->bound, *renamed;
    struct text t = {0};
    text_format(&t, "%s %s=", b->def->node->name, bound_param(b, 0)->name);
    text_word(&t, j->path);
    int e = bind_text(t.s, &renamed);
    text_free(&t);
    if (!e) {
        bound_free(b);
        j->line->bound = renamed;
    }
    return e;
}

static int begin(struct job *j, struct bound *b)
{
    struct state *s = j->first;
    j->line = state_find_pending(s, KIND_PREDICTOR);
    if (!j->line)
        return fail(KILN_ERR_ARG,
                    "no net was named: put one before it ('kiln list predictor' shows them)");
    const kiln_node *node = j->line->bound->def->node;
    j->trainable = node->extension ? node->extension("kiln.trainable/1") : NULL;
    if (!j->trainable)
        return fail(KILN_ERR_UNSUPPORTED, "%s cannot be trained", node->name);
    // Instances of its own: training changes what this one returns.
    int e = instance_get(j->line->bound, 0, &j->net);
    e = e ? e : instance_get(b, 0, &j->trainer);
    if (e)
        return e;
    j->net_context = (struct context){.state = s, .use = j->line->use};
    kiln_net net = {.size = sizeof(net)};
    instance_enter(j->net, &j->net_context);
    e = instance_leave(j->net, node->predictor->describe(j->net->self, &net));
    if (e)
        return e;
    j->net->net = net_new(&net);
    if (instance_device(j->net) != instance_device(j->trainer))
        return fail(KILN_ERR_UNSUPPORTED,
                    "%s and %s do not both work on the GPU: train with --device cpu", node->name,
                    b->def->node->name);
    e = predictor_load(j->net, &j->net_context);
    kiln_training *t = &j->training;
    t->size = sizeof(*t);
    t->net = &j->net->net->net;
    t->next = job_next;
    t->forward = job_forward;
    t->backward = job_backward;
    t->draws = job_draws;
    t->done = job_done;
    t->step = job_step;
    t->keyed = !strcmp(s->rng, "kiln");
    if (!e) {
        instance_enter(j->net, &j->net_context);
        e = j->trainable->weights(j->net->self, &t->weight, &t->n_weights);
        e = e ? e : j->trainable->config(j->net->self, &t->config);
        e = instance_leave(j->net, e);
    }
    return e;
}

static void job_free(struct job *j)
{
    job_free_steps(j);
    instance_free(j->trainer);
    instance_free(j->net);
    for (size_t i = 0; i < j->n_data; i++) {
        free(j->data[i].prompt);
        free(j->data[i].rows);
        state_free(j->data[i].state);
    }
    for (size_t i = 0; i < j->n_lent; i++)
        tensor_unref(j->lent[i]);
    free(j->lent);
    free(j->data);
    free(j->path);
}

int training_next(struct stage *g, struct state **out)
{
    struct job j = {.stage = g};
    struct bound *b = g->bound;
    if (g->count++)
        return KILN_END;
    int e = g->up->next(g->up, &j.first);
    if (e)
        return e;
    progress_begin(b->def->node->name);
    e = begin(&j, b);
    if (!e && runtime.dry_run) {
        printf("# %s: %lld images and more to come\n", b->def->node->name, (long long)j.first->n);
    } else if (e) {
        node_fail(b, e);
    } else {
        struct context context = {.state = j.first,
                                  .use = state_draws(j.first, b->def->node->name)};
        instance_enter(j.trainer, &context);
        e = instance_leave(j.trainer, b->def->node->trainer->train(j.trainer->self, &j.training));
        if (!e && context.drew)
            state_count_draw(j.first, b->def->node->name);
    }
    progress_end();
    if (!e && j.path)
        e = rename_predictor(&j);
    if (!e) {  // the images were used up
        struct state *s = j.first;
        state_set_image(s, NULL);
        e = state_map_rows(s, 0, NULL);
        s->n = 0;
        s->doc = 0;
        s->docs = 1;
        state_add_line(s, b->line);
    }
    if (e)
        state_free(j.first);
    else
        *out = j.first;
    job_free(&j);
    return e > 0 ? KILN_ERR_INTERNAL : e;
}
