// Nodes that join and part documents: batch, split.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "nodes.h"

static const kiln_filter_ops is_filter = {.size = sizeof(is_filter)};

static int concat(const kiln_tensor *a, const kiln_tensor *b, kiln_tensor **out)
{
    int64_t shape[TENSOR_MAX_DIM];
    for (int32_t k = 0; k < a->ndim; k++)
        shape[k] = a->shape[k];
    shape[0] += b->shape[0];
    int e = tensor_new(tensor_dtype(a), a->ndim, shape, out);
    if (e)
        return e;
    e = tensor_copy_rows(*out, 0, a, 0, a->shape[0]);
    e = e ? e : tensor_copy_rows(*out, a->shape[0], b, 0, b->shape[0]);
    if (e)
        tensor_unref(*out);
    return e;
}

// All rows of t, which has n of them or one for all.
static int expand_rows(const kiln_tensor *t, int64_t n, kiln_tensor **out)
{
    int64_t *from = xcalloc((size_t)n, sizeof(*from));
    for (int64_t i = 0; i < n; i++)
        from[i] = t->shape[0] == 1 ? 0 : i;
    int e = tensor_pick_rows(t, n, from, out);
    free(from);
    return e;
}

// Captured images get a row for each image.
static int join_inputs(struct state *a, const struct state *b)
{
    for (size_t i = 0; i < a->n_tensors; i++) {
        struct named_tensor *x = &a->tensor[i];
        const kiln_tensor *y = state_tensor(b, x->name);
        kiln_tensor *left, *right, *both;
        if (strncmp(x->name, "in.", 3) || !y || x->tensor->ndim != 4 || y->ndim != 4)
            continue;
        int e = expand_rows(x->tensor, a->n, &left);
        if (e)
            return e;
        e = expand_rows(y, b->n, &right);
        if (!e) {
            e = concat(left, right, &both);
            tensor_unref(right);
        }
        tensor_unref(left);
        if (e)
            return e;
        tensor_unref(x->tensor);
        x->tensor = both;
    }
    return KILN_OK;
}

static void *joined(void *a, size_t na, const void *b, size_t nb, size_t size)
{
    a = xrealloc(a, na + nb, size);
    memcpy((char *)a + na * size, b, nb * size);
    return a;
}

// ---- records ------------------------------------------------------------------------------------

static const char *value_in(const struct arg *a, const char *name)  // of "name=value", or NULL
{
    size_t n = name ? strlen(name) : 0;
    return n && a->word && !strncmp(a->word, name, n) && a->word[n] == '=' ? a->word + n + 1 : NULL;
}

static void add_args(struct text *t, const struct node *node, const char *name)  // all of that name
{
    for (size_t i = 0; i < node->n_args; i++) {
        const char *value = value_in(&node->arg[i], name);
        if (!value)
            continue;
        text_format(t, " %s=", name);
        text_word(t, value);
    }
}

// Of two nodes of a source, each for a document of its own: one for both, which has the paths of
// both, or makes as many documents as they do. Fails where they differ in anything else.
static int join_nodes(const struct node *a, const struct node *b, struct text *t)
{
    const struct node_def *def;
    const char *paths = NULL, *first = NULL, *docs = NULL;
    size_t k = 0;
    if (strcmp(a->name, b->name) || registry_find(a->name, &def))
        return KILN_ERR_ARG;
    for (uint32_t i = 0; i < def->node->n_params; i++) {
        const kiln_param *p = &def->node->params[i];
        paths = !paths && p->type == KILN_PATHS ? p->name : paths;
        first = p->type == KILN_INT && !strcmp(p->name, "first") ? p->name : first;
        docs = p->type == KILN_INT && !strcmp(p->name, "docs") ? p->name : docs;
    }
    text_add(t, a->name);
    for (size_t i = 0; i < a->n_args; i++) {
        const struct arg *x = &a->arg[i];
        if (value_in(x, paths)) {
            if (!i || !value_in(x - 1, paths)) {
                add_args(t, a, paths);
                add_args(t, b, paths);
            }
            continue;
        }
        while (k < b->n_args && value_in(&b->arg[k], paths))
            k++;
        if (!x->word || k == b->n_args || !b->arg[k].word)
            return KILN_ERR_ARG;
        const struct arg *y = &b->arg[k++];
        int64_t n, more;
        if (first && docs && value_in(x, docs) && value_in(y, docs) &&
            parse_int(value_in(x, docs), &n) && parse_int(value_in(y, docs), &more)) {
            text_format(t, " %s=%lld", docs, (long long)(n + more));
            continue;
        }
        if (strcmp(x->word, y->word) && !(docs && value_in(x, first) && value_in(y, first)))
            return KILN_ERR_ARG;
        const char *value = strchr(x->word, '=') + 1;  // canonical lines name every value
        text_format(t, " %.*s", (int)(value - x->word), x->word);
        text_word(t, value);
    }
    return KILN_OK;
}

// Sources record a line for each document, so that a recipe makes it alone; from now on it is one
// for the documents that were joined.
static void join_records(struct state *a, const struct state *b)
{
    struct chain *x, *y;
    struct text t = {0};
    if (!a->n_chain || !b->n_chain || !strcmp(a->chain[0], b->chain[0]) ||
        chain_parse_text(a->chain[0], &x))
        return;
    if (!chain_parse_text(b->chain[0], &y)) {
        if (x->n == 1 && y->n == 1 && !join_nodes(&x->node[0], &y->node[0], &t)) {
            free(a->chain[0]);
            a->chain[0] = text_take(&t);
        }
        chain_free(y);
    }
    chain_free(x);
    text_free(&t);
}

static int join(struct state *a, struct state *b)
{
    kiln_tensor *image;
    int e = state_to_range(b, a->lo, a->hi);
    for (int k = 1; k < 4 && !e; k++)
        if (a->image->shape[k] != b->image->shape[k])
            e = fail(KILN_ERR_SHAPE, "batch: an image of %s does not go with one of %s",
                     shape_text(3, b->image->shape + 1), shape_text(3, a->image->shape + 1));
    e = e ? e : join_inputs(a, b);
    e = e ? e : concat(a->image, b->image, &image);
    if (e)
        return e;
    state_set_image(a, image);
    origins_join(&a->inputs, &b->inputs);
    join_records(a, b);
    size_t na = (size_t)a->n, nb = (size_t)b->n;
    a->id = joined(a->id, na, b->id, nb, sizeof(*a->id));
    a->t = joined(a->t, na, b->t, nb, sizeof(*a->t));
    a->prompt = joined(a->prompt, na, b->prompt, nb, sizeof(*a->prompt));
    if (a->score && b->score) {
        a->score = joined(a->score, na, b->score, nb, sizeof(*a->score));
    } else {
        free(a->score);
        a->score = NULL;
    }
    a->n += b->n;
    return KILN_OK;
}

// ---- batch --------------------------------------------------------------------------------------

static const kiln_param batch_params[] = {
    {"n", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "documents to one; 0: all", 0, 1e9},
};

static int batch_next(struct stage *g, struct state **out)
{
    int64_t n = g->bound->value[0].i, have = 1;
    struct state *s, *more;
    int e = g->up->next(g->up, &s);
    if (e)
        return e;
    int64_t docs = s->docs;
    if (!s->image)
        e = fail(KILN_ERR_ARG, "batch: there is no image to work on");
    for (; !e && (!n || have < n); have++) {
        e = g->up->next(g->up, &more);
        if (e)
            break;
        e = more->image ? join(s, more) : fail(KILN_ERR_ARG, "batch: there is no image to work on");
        state_free(more);
    }
    if (e < 0) {
        state_free(s);
        return e;
    }
    s->doc = g->count++;
    s->docs = !n ? 1 : docs < 0 ? -1 : (docs + n - 1) / n;
    state_add_line(s, g->bound->line);
    *out = s;
    return KILN_OK;
}

static struct stage *batch_open(struct bound *b, struct stage *up)
{
    return stage_new(b, up, batch_next);
}

static const struct builtin batch_builtin = {.open = batch_open};
static const kiln_node batch = {
    .size = sizeof(batch),
    .name = "batch",
    .summary = "join documents to one",
    .example = "digits test images=0:4 ! split ! noise sigma=0,0.5,1 ! batch ! grid 3 ! show",
    .params = KILN_PARAMS(batch_params),
    .filter = &is_filter,
};
const struct node_def node_batch = {&batch, &batch_builtin, "kiln", KILN_VERSION, NULL};

// ---- split --------------------------------------------------------------------------------------

struct splitting {
    struct state *whole;
    int64_t at;
};

static int split_next(struct stage *g, struct state **out)
{
    struct splitting *p = g->priv;
    int e = KILN_OK;
    while (!p->whole || p->at >= p->whole->n) {
        state_free(p->whole);
        p->whole = NULL;
        p->at = 0;
        e = g->up->next(g->up, &p->whole);
        if (e)
            return e;
    }
    struct state *s = state_copy(p->whole);
    kiln_tensor *image;
    e = tensor_pick_rows(s->image, 1, &p->at, &image);
    e = e ? e : state_map_rows(s, 1, &p->at);
    if (e) {
        state_free(s);
        return e;
    }
    state_set_image(s, image);
    s->docs = p->whole->docs == 1 ? p->whole->n : -1;
    s->doc = g->count++;
    p->at++;
    state_add_line(s, g->bound->line);
    *out = s;
    return KILN_OK;
}

static void split_close(struct stage *g)
{
    struct splitting *p = g->priv;
    state_free(p->whole);
    free(p);
}

static struct stage *split_open(struct bound *b, struct stage *up)
{
    struct stage *g = stage_new(b, up, split_next);
    g->priv = xcalloc(1, sizeof(struct splitting));
    g->close = split_close;
    return g;
}

static const struct builtin split_builtin = {.open = split_open};
static const kiln_node split = {
    .size = sizeof(split),
    .name = "split",
    .summary = "a document for each image",
    .example = "digits test images=0:4 ! split ! save digit-%d.png",
    .filter = &is_filter,
};
const struct node_def node_split = {&split, &split_builtin, "kiln", KILN_VERSION, NULL};
