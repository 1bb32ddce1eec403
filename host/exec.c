// SPDX-License-Identifier: MIT
#include "exec.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "filter_call.h"
#include "finite.h"
#include "inputs.h"
#include "nodes.h"
#include "progress.h"
#include "runtime.h"
#include "sample.h"
#include "training.h"

struct stage *stage_new(struct bound *b, struct stage *up,
                        int (*next)(struct stage *, struct state **))
{
    struct stage *s = xcalloc(1, sizeof(*s));
    s->bound = b ? bound_ref(b) : NULL;
    s->up = up;
    s->next = next;
    return s;
}

void stage_free(struct stage *s)
{
    while (s) {
        struct stage *up = s->up;
        if (s->close)
            s->close(s);
        instance_free(s->instance);
        bound_free(s->bound);
        free(s);
        s = up;
    }
}

void state_use_rng(struct state *s)
{
    s->seed = runtime.seed;
    free(s->rng);
    s->rng = xstrdup(runtime.rng);
    if (strcmp(s->rng, "kiln") && strcmp(s->rng, "torch"))
        origins_add_path(&s->inputs, s->rng);
}

struct state *state_begin(int64_t doc, int64_t docs)
{
    struct state *s = state_new();
    s->doc = doc;
    s->docs = docs;
    state_use_rng(s);
    return s;
}

// ---- sources ------------------------------------------------------------------------------------

// The line of one document among many, so that a recipe makes it alone: of a source whose table has
// whole numbers "first" and "docs". NULL: the line as it is.
static char *document_line(const struct bound *b, const struct state *s)
{
    int first = -1, docs = -1;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        if (p->type == KILN_INT && !strcmp(p->name, "first"))
            first = (int)i;
        if (p->type == KILN_INT && !strcmp(p->name, "docs"))
            docs = (int)i;
    }
    if (first < 0 || docs < 0 || b->value[docs].i == 1)
        return NULL;
    kiln_value was_first = b->value[first], was_docs = b->value[docs];
    b->value[first].i = s->id[0];
    b->value[docs].i = 1;
    char *line = bound_line(b, 0);
    b->value[first] = was_first;
    b->value[docs] = was_docs;
    return line;
}

static int take_document(struct stage *g, kiln_document *doc, struct state **out)
{
    int64_t n = doc->image && doc->image->ndim == 4 ? doc->image->shape[0] : 0;
    if (n < 1 || tensor_dtype(doc->image) != KILN_F32) {
        tensor_unref(doc->image);
        fail(KILN_ERR_INTERNAL, "gives no image");
        return node_fail(g->bound, KILN_ERR_INTERNAL);
    }
    struct state *s = *out;
    state_set_image(s, tensor_taken(doc->image));
    int e = state_map_rows(s, n, NULL);
    for (int64_t i = 0; i < n && !e; i++) {
        s->id[i] = doc->id ? doc->id[i] : doc->first + i;
        if (s->id[i] < 0)
            e = node_fail(g->bound, fail(KILN_ERR_INTERNAL, "gives an id below 0"));
        s->t[i] = doc->t;
        s->prompt[i] = doc->prompt && doc->prompt[i] ? prompt_handle(doc->prompt[i]) : -1;
    }
    s->lo = doc->lo;
    s->hi = doc->hi;
    s->name = doc->name ? xstrdup(doc->name) : NULL;
    s->docs = doc->total > 0 ? doc->total : -1;
    char *line = document_line(g->bound, s);
    state_add_line(s, line ? line : g->bound->line);
    origins_add(&s->inputs, g->bound);
    free(line);
    return e ? e : finite_check(s->image, g->bound, NULL);
}

static int source_next(struct stage *g, struct state **out)
{
    struct context context = {0};
    kiln_document doc = {.size = sizeof(doc), .t = KILN_CLEAN, .lo = -1, .hi = 1};
    if (!g->instance) {
        int e = instance_get(g->bound, 0, &g->instance);
        if (e)
            return e;
    }
    struct state *s = context.state = state_begin(g->count, -1);
    instance_enter(g->instance, &context);
    int e = instance_leave(g->instance,
                           instance_node(g->instance)->source->next(g->instance->self, &doc));
    if (!e)
        e = take_document(g, &doc, &s);
    else
        tensor_unref(doc.image);  // what it made before it failed
    if (e) {
        state_free(s);
        return e;
    }
    if (context.drew)
        state_count_draw(s, g->bound->def->node->name);
    g->count++;
    *out = s;
    return KILN_OK;
}

// ---- filters ------------------------------------------------------------------------------------

static int apply_filter(struct bound *b, struct state *s)
{
    const kiln_node *node = b->def->node;
    const kiln_tensor **in = NULL;
    uint32_t n_in = 0;
    struct instance *x;
    int e = s->image ? KILN_OK : fail(KILN_ERR_ARG, "there is no image to work on");
    if (e)
        return node_fail(b, e);
    if ((node->flags & KILN_NODE_NET_RANGE) && s->net && s->t[0] < 0)
        e = state_to_range(s, s->net->net.lo, s->net->net.hi);
    e = e ? e : instance_get(b, 1, &x);
    e = e ? e : eval_inputs(b, s, s->lo, s->hi, &in, &n_in);
    if (e)
        return e;
    struct context context = {.state = s, .use = state_draws(s, node->name)};
    kiln_rows rows = state_rows(s, in, n_in);
    struct filter_result r;
    e = filter_call(x, &context, &rows, s->image, tensor_ours(s->image), &r);
    free((void *)(uintptr_t)rows.prompt);
    inputs_free(in, n_in);
    if (e)
        return e;
    e = finite_settle();
    if (e) {
        filter_result_free(&r);
        return e;
    }
    int64_t n = r.image->shape[0];
    e = state_map_rows(s, n, r.from);
    for (int64_t i = 0; i < n && !e; i++)
        s->t[i] = r.t ? r.t[i] : r.carries_t ? s->t[i] : KILN_CLEAN;
    s->lo = r.lo;
    s->hi = r.hi;
    state_set_image(s, tensor_ref(r.image));
    filter_result_free(&r);
    if (context.drew)
        state_count_draw(s, node->name);
    return e;
}

// ---- pending nodes ------------------------------------------------------------------------------

static int name_predictor(struct bound *b, struct state *s)
{
    struct instance *x;
    const struct pending *other = state_find_pending(s, KIND_PREDICTOR);
    if (other)
        return fail(KILN_ERR_ARG, "%s: the net %s was named already, and no sampler has used it",
                    b->def->node->name, other->bound->def->node->name);
    int e = instance_get(b, 1, &x);
    if (e)
        return e;
    if (!x->net) {
        kiln_net net = {.size = sizeof(net)};
        struct context context = {.state = s};
        instance_enter(x, &context);
        e = instance_leave(x, instance_node(x)->predictor->describe(x->self, &net));
        if (e)
            return e;
        x->net = net_new(&net);
    }
    net_unref(s->net);
    s->net = net_ref(x->net);
    state_put_tensor(s, "alpha", NULL);  // its own take the place of noise's
    state_put_tensor(s, "sigma", NULL);
    state_put_text(s, "kiln.t_first", NULL);
    return KILN_OK;
}

// A branch is what its bracket adds to a State whose stack is empty.
static int make_branches(struct pending *p, struct state *s)
{
    const struct bound *b = p->bound;
    int e = KILN_OK;
    for (uint32_t i = 0; i < b->def->node->n_params && !e; i++) {
        const kiln_param *q = bound_param(b, i);
        if (q->type != KILN_MODEL && q->type != KILN_MODELS)
            continue;
        for (size_t k = 0; k < b->items[i].n && !e; k++) {
            struct state *sub = state_copy(s), *out = NULL;
            for (size_t j = sub->n_pending; j-- > 0;) {  // not their images: they are the State's
                pending_clear(&sub->pending[j]);
                sub->n_pending--;
            }
            for (int64_t r = 0; r < sub->n; r++)
                sub->prompt[r] = -1;
            int64_t rows = sub->n;
            e = exec_bracket(b->items[i].item[k].chain, sub, &out);
            state_free(sub);
            if (e) {
                e = fail_in(e, "%s: %s", b->def->node->name, q->name);
                break;
            }
            if (out->n != rows)
                e = fail(KILN_ERR_ARG, "%s: %s: a branch cannot change the number of images",
                         b->def->node->name, q->name);
            p->branch = xrealloc(p->branch, p->n_branches + 1, sizeof(*p->branch));
            struct branch *branch = &p->branch[p->n_branches++];
            *branch = (struct branch){.line = out->pending, .n = out->n_pending};
            out->pending = NULL;
            out->n_pending = 0;
            int given = out->n && out->prompt[0] >= 0, same = 1;
            for (int64_t r = 1; r < out->n; r++)
                same = same && out->prompt[r] == out->prompt[0];
            if (given) {
                branch->n_prompts = same ? 1 : (size_t)out->n;
                branch->prompt = xmemdup(out->prompt, branch->n_prompts * sizeof(int64_t));
            }
            // Images that the branch's lines captured come along.
            for (size_t j = 0; j < out->n_tensors; j++)
                if (!strncmp(out->tensor[j].name, "in.", 3) &&
                    !state_tensor(s, out->tensor[j].name))
                    state_put_tensor(s, out->tensor[j].name, tensor_ref(out->tensor[j].tensor));
            s->next_no = out->next_no;
            state_free(out);
        }
    }
    return e;
}

int state_name_node(struct state *s, struct bound *b)
{
    const kiln_node *node = b->def->node;
    enum kind kind = bound_kind(b);
    struct pending p = {
        .kind = kind, .bound = bound_ref(b), .no = s->next_no++, .use = state_draws(s, node->name)};
    int capture = 1, e = instance_check_needs(node);
    if (e)
        node_fail(b, e);
    if (!e && kind == KIND_ENCODER) {
        for (size_t i = s->n_pending; i-- > 0;)  // the new one takes the old one's place
            if (s->pending[i].kind == KIND_ENCODER)
                state_drop_pending(s, i);
    }
    if (!e && kind == KIND_PREDICTOR) {
        e = name_predictor(b, s);
        capture = !e && s->net->net.aux;
    }
    char *prefix = xformat("in.%lld", (long long)p.no);
    e = e ? e : store_inputs(b, s, prefix, capture);
    free(prefix);
    e = e ? e : make_branches(&p, s);
    if (e) {
        pending_clear(&p);
        return e;
    }
    state_count_draw(s, node->name);
    state_push_pending(s, &p);
    return KILN_OK;
}

// ---- stages -------------------------------------------------------------------------------------

static int apply(struct stage *g, struct state *s)
{
    struct bound *b = g->bound;
    const kiln_tensor **in = NULL;
    uint32_t n_in = 0;
    int e;
    switch (bound_kind(b)) {
    case KIND_FILTER:
        return b->def->builtin ? b->def->builtin->apply(b, s) : apply_filter(b, s);
    case KIND_SAMPLER:
        e = s->image ? KILN_OK : node_fail(b, fail(KILN_ERR_ARG, "there is no image to work on"));
        e = e ? e : eval_inputs(b, s, s->lo, s->hi, &in, &n_in);
        e = e ? e : sampler_run(b, s, in, n_in);
        inputs_free(in, n_in);
        return e;
    default:
        return state_name_node(s, b);
    }
}

static int node_next(struct stage *g, struct state **out)
{
    struct state *s;
    int e = g->up->next(g->up, &s);
    if (e)
        return e;
    e = progress_at(0, NULL);
    if (!e && runtime.dry_run && g->bound->def->builtin && g->bound->def->builtin->writes)
        e = KILN_OK;
    else if (!e)
        e = apply(g, s);
    if (!e)
        state_add_node(s, g->bound);
    if (e) {
        state_free(s);
        return e > 0 ? KILN_ERR_INTERNAL : e;
    }
    g->count++;
    *out = s;
    return KILN_OK;
}

int stages_build(const struct bound_chain *c, size_t n, struct stage *up, struct stage **out)
{
    for (size_t i = 0; i < n; i++) {
        struct bound *b = c->node[i];
        enum kind kind = bound_kind(b);
        if (b->def->builtin && b->def->builtin->open)
            up = b->def->builtin->open(b, up);
        else if (kind == KIND_SOURCE)
            up = stage_new(b, NULL, source_next);
        else if (kind == KIND_TRAINER)
            up = stage_new(b, up, training_next);
        else
            up = stage_new(b, up, node_next);
        up->place = i + 1;
        for (size_t k = 0; k < c->n; k++)
            up->repeated |= k != i && c->node[k]->def == b->def;
    }
    *out = up;
    return KILN_OK;
}

// ---- brackets -----------------------------------------------------------------------------------

static int given_next(struct stage *g, struct state **out)
{
    if (!g->priv)
        return KILN_END;
    *out = g->priv;
    g->priv = NULL;
    return KILN_OK;
}

static void given_close(struct stage *g)
{
    state_free(g->priv);
}

int exec_bracket(const struct bound_chain *c, const struct state *s, struct state **out)
{
    struct stage *top = NULL;
    struct state *more = NULL;
    *out = NULL;
    if (!c->n || bound_kind(c->node[0]) != KIND_SOURCE) {
        top = stage_new(NULL, NULL, given_next);
        top->close = given_close;
        top->priv = state_copy(s);
    }
    int e = stages_build(c, c->n, top, &top);
    e = e ? e : top->next(top, out);
    if (e == KILN_END)
        e = fail(KILN_ERR_ARG, "the chain in brackets gives nothing");
    if (!e) {
        int end = top->next(top, &more);
        if (!end) {
            state_free(more);
            e = fail(KILN_ERR_ARG, "the chain in brackets gives more than one document");
        } else if (end < 0) {
            e = end;
        }
    }
    stage_free(top);
    if (e) {
        state_free(*out);
        *out = NULL;
    }
    return e;
}

// ---- checks -------------------------------------------------------------------------------------

static int check_brackets(const struct bound *b)
{
    for (uint32_t i = 0; i < b->def->node->n_params; i++)
        for (size_t k = 0; k < b->items[i].n; k++) {
            const struct bound_chain *c = b->items[i].item[k].chain;
            int e = c ? chain_check(c, 1) : KILN_OK;
            if (e)
                return e;
        }
    return KILN_OK;
}

int chain_check(const struct bound_chain *c, int is_bracket)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *name = c->node[i]->def->node->name;
        enum kind kind = bound_kind(c->node[i]);
        const struct builtin *builtin = c->node[i]->def->builtin;
        int e = check_brackets(c->node[i]);
        if (!e && builtin && builtin->check)
            e = builtin->check(c->node[i]);
        if (e)
            return e;
        if (kind == KIND_SOURCE && i && c->node[i]->def->node->filter)
            return fail(KILN_ERR_ARG,
                        "%s: %s= is for the start of a chain: in its middle the shape comes from "
                        "the net, or from size=",
                        name, bound_param(c->node[i], 0)->name);
        if (kind == KIND_SOURCE && i)
            return fail(KILN_ERR_ARG, "%s makes images and must stand first", name);
        if (kind == KIND_SINK && (is_bracket || i + 1 < c->n))
            return fail(KILN_ERR_ARG, "%s must stand last%s", name,
                        strcmp(name, "save") ? "" : ": 'tee' writes in the middle of a chain");
        if (kind == KIND_NONE)
            return fail(KILN_ERR_ARG, "%s is of a kind that this kiln does not know", name);
    }
    return KILN_OK;
}
