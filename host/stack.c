// SPDX-License-Identifier: MIT
#include "stack.h"

#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "error.h"
#include "inputs.h"
#include "query.h"

// ---- prompts ------------------------------------------------------------------------------------

struct prompt_set {
    int64_t *handle;
    size_t n;
};

static void add_prompt(struct prompt_set *set, int64_t handle)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->handle[i] == handle)
            return;
    GROW(set->handle, set->n);
    set->handle[set->n++] = handle;
}

static void collect_line(struct prompt_set *set, const struct pending *p)
{
    for (uint32_t i = 0; i < p->bound->def->node->n_params; i++)
        if (bound_param(p->bound, i)->type == KILN_PROMPT)
            add_prompt(set, p->bound->value[i].i);
    for (size_t i = 0; i < p->n_branches; i++) {
        for (size_t k = 0; k < p->branch[i].n_prompts; k++)
            add_prompt(set, p->branch[i].prompt[k]);
        for (size_t k = 0; k < p->branch[i].n; k++)
            collect_line(set, &p->branch[i].line[k]);
    }
}

int predictor_load(struct instance *x, struct context *context)
{
    const kiln_predictor_ops *ops = instance_node(x)->predictor;
    if (x->loaded || !ops->load) {
        x->loaded = 1;
        return KILN_OK;
    }
    instance_enter(x, context);
    int e = instance_leave(x, ops->load(x->self));
    x->loaded = !e;
    return e;
}

// Do the branches of the top line give every row its prompt? Then the rows' own are never asked
// for.
static int rows_are_asked(const struct stack *k)
{
    const struct layer *top = k->top;
    while (top->n_children == 1 && !top->line->n_branches)
        top = top->child[0];
    if (!top->n_children)
        return 1;
    for (size_t i = 0; i < top->n_children; i++)
        if (!top->n_prompts[i])
            return 1;
    return 0;
}

// A new net draws its weights from the seed alone: which document, stage or process names it first
// must not matter.
static int load_net(struct state *s, struct instance *net)
{
    struct state *alone = state_new();
    alone->seed = s->seed;
    struct context context = {.state = alone};
    int e = predictor_load(net, &context);
    state_free(alone);
    return e;
}

// Before a net is loaded, those go of which the last document has had what it wanted: of two stages
// in one chain there is one in memory.
static void make_room(const struct state *s, struct instance *const *net, size_t n)
{
    int loads = 0;
    for (size_t i = 0; i < n; i++) {
        loads |= !net[i]->loaded;
        net[i]->spent = s->docs >= 0 && s->doc + 1 >= s->docs;
    }
    if (loads)
        instances_unload_spent(net, n);
}

static int encode_and_load(struct stack *k)
{
    struct state *s = k->state;
    struct prompt_set set = {0};
    for (int64_t i = 0; i < s->n && rows_are_asked(k); i++)
        add_prompt(&set, s->prompt[i] < 0 ? prompt_handle("") : s->prompt[i]);
    for (size_t i = 0; i < s->n_pending; i++)
        collect_line(&set, &s->pending[i]);
    struct instance **net = xcalloc(k->n_layers + 1, sizeof(struct instance *));
    size_t n = 0;
    for (size_t i = 0; i < k->n_layers; i++) {
        int known = !k->layer[i]->instance->net;
        for (size_t j = 0; j < n && !known; j++)
            known = net[j] == k->layer[i]->instance;
        if (!known)
            net[n++] = k->layer[i]->instance;
    }
    make_room(s, net, n);
    int e = embed_nets(s, net, n, set.handle, set.n, load_net);
    free(net);
    free(set.handle);
    return e;
}

// ---- the tree -----------------------------------------------------------------------------------

static int same_net(const kiln_net *a, const kiln_net *b)
{
    return a->chw[0] == b->chw[0] && a->n_t == b->n_t && a->t_first == b->t_first &&
           a->lo == b->lo && a->hi == b->hi &&
           (!a->n_t || (!memcmp(a->alpha, b->alpha, (size_t)a->n_t * sizeof(double)) &&
                        !memcmp(a->sigma, b->sigma, (size_t)a->n_t * sizeof(double))));
}

static int predictor_describe(struct instance *x, struct state *s)
{
    if (x->net)
        return KILN_OK;
    kiln_net net = {.size = sizeof(net)};
    struct context context = {.state = s};
    instance_enter(x, &context);
    int e = instance_leave(x, instance_node(x)->predictor->describe(x->self, &net));
    if (!e)
        x->net = net_new(&net);
    return e;
}

static int build_lines(struct stack *k, struct pending *line, size_t n, struct layer *below,
                       struct layer **out);

static int build_layer(struct stack *k, struct pending *p, struct layer *below, struct layer **out)
{
    struct layer *l = xcalloc(1, sizeof(*l));
    k->layer = xrealloc(k->layer, k->n_layers + 1, sizeof(struct layer *));
    k->layer[k->n_layers++] = l;
    *out = l;
    l->line = p;
    int e = instance_get(p->bound, 1, &l->instance);
    if (e)
        return e;
    if (p->kind == KIND_PREDICTOR) {
        e = predictor_describe(l->instance, k->state);
        if (e)
            return e;
        if (k->net && !same_net(k->net, &l->instance->net->net))
            return fail(KILN_ERR_ARG,
                        "%s: its net differs in channels, schedule or range from the other one",
                        p->bound->def->node->name);
        k->net = k->net ? k->net : &l->instance->net->net;
        return KILN_OK;
    }
    l->n_children = p->n_branches ? p->n_branches : 1;
    l->child = xcalloc(l->n_children, sizeof(*l->child));
    l->prompt = xcalloc(l->n_children, sizeof(*l->prompt));
    l->n_prompts = xcalloc(l->n_children, sizeof(*l->n_prompts));
    l->child[0] = below;
    for (size_t i = 0; i < p->n_branches && !e; i++) {
        struct branch *b = &p->branch[i];
        l->prompt[i] = b->prompt;
        l->n_prompts[i] = b->n_prompts;
        e = build_lines(k, b->line, b->n, below, &l->child[i]);
    }
    return e;
}

static int build_lines(struct stack *k, struct pending *line, size_t n, struct layer *below,
                       struct layer **out)
{
    int e = KILN_OK;
    for (size_t i = 0; i < n && !e; i++)
        if (line[i].kind == KIND_PREDICTOR)
            e = build_layer(k, &line[i], NULL, &below);
    for (size_t i = 0; i < n && !e; i++) {
        if (line[i].kind == KIND_HOOK && line != k->state->pending)
            return fail(KILN_ERR_ARG, "%s: a hook works on the whole image, not in a branch",
                        line[i].bound->def->node->name);
        if (line[i].kind != KIND_COMBINATOR)
            continue;
        if (!below)
            return fail(KILN_ERR_ARG, "%s: no net stands below it", line[i].bound->def->node->name);
        e = build_layer(k, &line[i], below, &below);
    }
    *out = below;
    return e;
}

static struct {
    char **line;
    size_t n;
} ran;

int stack_has_run(const struct bound *b)
{
    for (size_t i = 0; i < ran.n; i++)
        if (!strcmp(ran.line[i], b->line))
            return 1;
    return 0;
}

static void remember_lines(const struct state *s)
{
    for (size_t i = 0; i < s->n_pending; i++)
        if (!stack_has_run(s->pending[i].bound)) {
            GROW(ran.line, ran.n);
            ran.line[ran.n++] = xstrdup(s->pending[i].bound->line);
        }
}

int stack_tree(struct state *s, const char *who, struct stack *out)
{
    struct stack *k = out;
    *k = (struct stack){.state = s};
    int e = build_lines(k, s->pending, s->n_pending, NULL, &k->top);
    if (!e && !k->top)
        e = fail(KILN_ERR_ARG,
                 "%s: no net was named: put one before it ('kiln list predictor' shows them)", who);
    for (size_t i = 0; i < s->n_pending && !e; i++) {
        if (s->pending[i].kind != KIND_HOOK)
            continue;
        struct hook h = {.line = &s->pending[i]};
        e = instance_get(s->pending[i].bound, 1, &h.instance);
        k->hook = xrealloc(k->hook, k->n_hooks + 1, sizeof(*k->hook));
        k->hook[k->n_hooks++] = h;
    }
    if (e)
        stack_free(k);
    return e;
}

int stack_build(struct state *s, const char *who, struct stack *out)
{
    int e = stack_tree(s, who, out);
    if (e)
        return e;
    e = encode_and_load(out);
    if (e)
        stack_free(out);
    else
        remember_lines(s);
    return e;
}

static void free_rows(struct stack *k)
{
    graph_free(k);
    levels_free(&k->levels);
    stack_cond_free(k);
    for (size_t i = 0; i < k->n_layers; i++) {
        inputs_free(k->layer[i]->in, k->layer[i]->n_in);
        k->layer[i]->in = NULL;
        tensor_unref(k->layer[i]->aux);
        k->layer[i]->aux = NULL;
    }
    for (size_t i = 0; i < k->n_hooks; i++) {
        inputs_free(k->hook[i].in, k->hook[i].n_in);
        k->hook[i].in = NULL;
    }
}

void stack_free(struct stack *k)
{
    free_rows(k);
    for (size_t i = 0; i < k->n_layers; i++) {
        free(k->layer[i]->child);
        free(k->layer[i]->prompt);
        free(k->layer[i]->n_prompts);
        free(k->layer[i]);
    }
    free(k->layer);
    free(k->hook);
    *k = (struct stack){0};
}

static int prepare_aux(struct stack *k, struct layer *l, const kiln_rows *rows)
{
    const kiln_net *net = &l->instance->net->net;
    const kiln_predictor_ops *ops = instance_node(l->instance)->predictor;
    if (!net->aux || !ops->prepare)
        return KILN_OK;
    const kiln_tensor *x = k->state->image;
    int64_t shape[4] = {rows->n, net->aux, x->shape[2], x->shape[3]};
    kiln_tensor *aux;
    int e = tensor_new_on(instance_device(l->instance), KILN_F32, 4, shape, &aux);
    if (e)
        return e;
    l->aux = tensor_taken(aux);
    kiln_rows r = *rows;
    r.in = l->in;
    r.n_in = l->n_in;
    struct context context = {.state = k->state, .use = l->line->use, .line = l->line};
    instance_enter(l->instance, &context);
    return instance_leave(l->instance, ops->prepare(l->instance->self, &r, aux));
}

int stack_rows(struct stack *k, const kiln_rows *rows, const int64_t *row,
               const int64_t *row_prompt)
{
    int e = KILN_OK;
    free_rows(k);
    k->rows = rows;
    k->row_prompt = row_prompt;
    for (size_t i = 0; i < k->n_layers && !e; i++) {
        struct layer *l = k->layer[i];
        e = line_inputs(k->state, l->line, rows->n, row, &l->in, &l->n_in);
        e = e ? e : instance_inputs(l->instance, l->in, l->n_in);
        if (e)
            return node_fail(l->line->bound, e);
        if (l->instance->net)
            e = prepare_aux(k, l, rows);
    }
    for (size_t i = 0; i < k->n_hooks && !e; i++) {
        struct hook *h = &k->hook[i];
        e = line_inputs(k->state, h->line, rows->n, row, &h->in, &h->n_in);
        e = e ? e : instance_inputs(h->instance, h->in, h->n_in);
        if (e)
            return node_fail(h->line->bound, e);
    }
    return e;
}
