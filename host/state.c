// SPDX-License-Identifier: MIT
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pool.h"

struct state *state_new(void)
{
    struct state *s = xcalloc(1, sizeof(*s));
    s->lo = -1;
    s->hi = 1;
    s->docs = -1;
    s->rng = xstrdup("kiln");
    return s;
}

// ---- nets ---------------------------------------------------------------------------------------

struct net *net_new(const kiln_net *from)
{
    struct net *n = xcalloc(1, sizeof(*n));
    n->refs = 1;
    n->net = *from;
    size_t bytes = (size_t)from->n_t * sizeof(double);
    n->net.alpha = from->n_t ? xmemdup(from->alpha, bytes) : NULL;
    n->net.sigma = from->n_t ? xmemdup(from->sigma, bytes) : NULL;
    return n;
}

struct net *net_ref(struct net *net)
{
    if (net)
        net->refs++;
    return net;
}

void net_unref(struct net *net)
{
    if (!net || --net->refs)
        return;
    free((void *)(uintptr_t)net->net.alpha);
    free((void *)(uintptr_t)net->net.sigma);
    free(net);
}

// ---- pending lines ------------------------------------------------------------------------------

void branch_clear(struct branch *b)
{
    for (size_t i = 0; i < b->n; i++)
        pending_clear(&b->line[i]);
    free(b->line);
    free(b->prompt);
    *b = (struct branch){0};
}

void pending_clear(struct pending *p)
{
    for (size_t i = 0; i < p->n_branches; i++)
        branch_clear(&p->branch[i]);
    free(p->branch);
    bound_free(p->bound);
    *p = (struct pending){0};
}

void pending_copy(struct pending *to, const struct pending *from)
{
    *to = *from;
    to->bound = bound_ref(from->bound);
    to->branch = from->n_branches ? xcalloc(from->n_branches, sizeof(*to->branch)) : NULL;
    for (size_t i = 0; i < from->n_branches; i++) {
        const struct branch *b = &from->branch[i];
        struct branch *c = &to->branch[i];
        c->n_prompts = b->n_prompts;
        c->prompt = xmemdup(b->prompt, b->n_prompts * sizeof(*b->prompt));
        c->n = b->n;
        c->line = xcalloc(b->n, sizeof(*c->line));
        for (size_t k = 0; k < b->n; k++)
            pending_copy(&c->line[k], &b->line[k]);
    }
}

void state_push_pending(struct state *s, struct pending *p)
{
    GROW(s->pending, s->n_pending);
    s->pending[s->n_pending++] = *p;
    *p = (struct pending){0};
}

static void drop_inputs(struct state *s, const struct pending *p)
{
    char *prefix = xformat("in.%lld.", (long long)p->no);
    for (size_t i = s->n_tensors; i-- > 0;)
        if (!strncmp(s->tensor[i].name, prefix, strlen(prefix)))
            state_put_tensor(s, s->tensor[i].name, NULL);
    free(prefix);
    for (size_t i = 0; i < p->n_branches; i++)
        for (size_t k = 0; k < p->branch[i].n; k++)
            drop_inputs(s, &p->branch[i].line[k]);
}

void state_drop_pending(struct state *s, size_t i)
{
    drop_inputs(s, &s->pending[i]);
    pending_clear(&s->pending[i]);
    memmove(&s->pending[i], &s->pending[i + 1], (--s->n_pending - i) * sizeof(*s->pending));
}

struct pending *state_find_pending(const struct state *s, enum kind kind)
{
    for (size_t i = s->n_pending; i-- > 0;)
        if (s->pending[i].kind == kind)
            return &s->pending[i];
    return NULL;
}

// ---- copies -------------------------------------------------------------------------------------

struct state *state_copy(const struct state *s)
{
    struct state *c = xcalloc(1, sizeof(*c));
    *c = *s;
    c->image = tensor_ref(s->image);
    c->net = net_ref(s->net);
    size_t n = (size_t)s->n;
    c->id = xmemdup(s->id, n * sizeof(*s->id));
    c->t = xmemdup(s->t, n * sizeof(*s->t));
    c->prompt = xmemdup(s->prompt, n * sizeof(*s->prompt));
    c->score = s->score ? xmemdup(s->score, n * sizeof(*s->score)) : NULL;
    c->tensor = xcalloc(s->n_tensors ? 2 * s->n_tensors : 1, sizeof(*c->tensor));
    for (size_t i = 0; i < s->n_tensors; i++)
        c->tensor[i] =
            (struct named_tensor){xstrdup(s->tensor[i].name), tensor_ref(s->tensor[i].tensor)};
    c->text = xcalloc(s->n_texts ? 2 * s->n_texts : 1, sizeof(*c->text));
    for (size_t i = 0; i < s->n_texts; i++)
        c->text[i] = (struct named_text){xstrdup(s->text[i].key), xstrdup(s->text[i].value)};
    c->pending = xcalloc(s->n_pending ? 2 * s->n_pending : 1, sizeof(*c->pending));
    for (size_t i = 0; i < s->n_pending; i++)
        pending_copy(&c->pending[i], &s->pending[i]);
    c->cond = xcalloc(s->n_cond ? 2 * s->n_cond : 1, sizeof(*c->cond));
    for (size_t i = 0; i < s->n_cond; i++)
        c->cond[i] = (struct cond){s->cond[i].prompt, tensor_ref(s->cond[i].tensor)};
    c->draws = xcalloc(s->n_draws ? 2 * s->n_draws : 1, sizeof(*c->draws));
    for (size_t i = 0; i < s->n_draws; i++)
        c->draws[i] = (struct named_count){xstrdup(s->draws[i].name), s->draws[i].count};
    c->chain = xcalloc(s->n_chain ? 2 * s->n_chain : 1, sizeof(*c->chain));
    for (size_t i = 0; i < s->n_chain; i++)
        c->chain[i] = xstrdup(s->chain[i]);
    c->inputs = (struct origins){0};
    origins_join(&c->inputs, &s->inputs);
    c->name = s->name ? xstrdup(s->name) : NULL;
    c->rng = xstrdup(s->rng);
    return c;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    tensor_unref(s->image);
    net_unref(s->net);
    for (size_t i = 0; i < s->n_tensors; i++) {
        free(s->tensor[i].name);
        tensor_unref(s->tensor[i].tensor);
    }
    for (size_t i = 0; i < s->n_texts; i++) {
        free(s->text[i].key);
        free(s->text[i].value);
    }
    for (size_t i = 0; i < s->n_pending; i++)
        pending_clear(&s->pending[i]);
    for (size_t i = 0; i < s->n_cond; i++)
        tensor_unref(s->cond[i].tensor);
    for (size_t i = 0; i < s->n_draws; i++)
        free(s->draws[i].name);
    for (size_t i = 0; i < s->n_chain; i++)
        free(s->chain[i]);
    origins_free(&s->inputs);
    free(s->id);
    free(s->t);
    free(s->prompt);
    free(s->score);
    free(s->tensor);
    free(s->text);
    free(s->pending);
    free(s->cond);
    free(s->draws);
    free(s->chain);
    free(s->name);
    free(s->rng);
    free(s);
}

// ---- rows ---------------------------------------------------------------------------------------

void state_set_image(struct state *s, kiln_tensor *image)
{
    tensor_unref(s->image);
    s->image = image;
}

int tensor_pick_rows(const kiln_tensor *t, int64_t n, const int64_t *from, kiln_tensor **out)
{
    int64_t shape[TENSOR_MAX_DIM] = {n};
    for (int32_t k = 1; k < t->ndim; k++)
        shape[k] = t->shape[k];
    int e = tensor_new_on(tensor_place(t), tensor_dtype(t), t->ndim, shape, out);
    if (e)
        return e;
    *out = tensor_taken(*out);
    for (int64_t i = 0, run; i < n && !e; i += run) {
        for (run = 1; i + run < n && from[i + run] == from[i] + run;)
            run++;
        e = tensor_copy_rows(*out, i, t, from[i], run);
    }
    if (e) {
        tensor_unref(*out);
        *out = NULL;
    }
    return e;
}

int state_map_rows(struct state *s, int64_t n, const int64_t *from)
{
    int64_t old = s->n, *map = xcalloc((size_t)n, sizeof(*map));
    int same = n == old, e = KILN_OK;
    for (int64_t i = 0; i < n; i++) {
        map[i] = !old ? i : from ? from[i] : i % old;
        same = same && map[i] == i;
    }
    if (same && old) {
        free(map);
        return KILN_OK;
    }
    int64_t *id = xcalloc((size_t)n, sizeof(*id)), *prompt = xcalloc((size_t)n, sizeof(*prompt));
    double *t = xcalloc((size_t)n, sizeof(*t)),
           *score = s->score ? xcalloc((size_t)n, sizeof(*score)) : NULL;
    for (int64_t i = 0; i < n; i++) {
        id[i] = old ? s->id[map[i]] : i;
        t[i] = old ? s->t[map[i]] : KILN_CLEAN;
        prompt[i] = old ? s->prompt[map[i]] : -1;
        if (score)
            score[i] = s->score[map[i]];
    }
    for (size_t k = 0; k < s->n_tensors && !e && old > 1; k++) {
        struct named_tensor *x = &s->tensor[k];
        kiln_tensor *picked;
        if (strncmp(x->name, "in.", 3) || x->tensor->ndim != 4 || x->tensor->shape[0] != old)
            continue;
        e = tensor_pick_rows(x->tensor, n, map, &picked);
        if (!e) {
            tensor_unref(x->tensor);
            x->tensor = picked;
        }
    }
    free(map);
    free(s->id);
    free(s->t);
    free(s->prompt);
    free(s->score);
    s->id = id;
    s->t = t;
    s->prompt = prompt;
    s->score = score;
    s->n = n;
    return e;
}

// ---- names --------------------------------------------------------------------------------------

const kiln_tensor *state_tensor(const struct state *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (!strcmp(s->tensor[i].name, name))
            return s->tensor[i].tensor;
    return NULL;
}

void state_put_tensor(struct state *s, const char *name, kiln_tensor *t)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        if (strcmp(s->tensor[i].name, name))
            continue;
        tensor_unref(s->tensor[i].tensor);
        s->tensor[i].tensor = t;
        if (!t) {
            free(s->tensor[i].name);
            s->tensor[i] = s->tensor[--s->n_tensors];
        }
        return;
    }
    if (!t)
        return;
    GROW(s->tensor, s->n_tensors);
    s->tensor[s->n_tensors++] = (struct named_tensor){xstrdup(name), t};
}

const char *state_text(const struct state *s, const char *key)
{
    for (size_t i = 0; i < s->n_texts; i++)
        if (!strcmp(s->text[i].key, key))
            return s->text[i].value;
    return NULL;
}

void state_put_text(struct state *s, const char *key, const char *value)
{
    for (size_t i = 0; i < s->n_texts; i++) {
        if (strcmp(s->text[i].key, key))
            continue;
        free(s->text[i].value);
        if (value) {
            s->text[i].value = xstrdup(value);
        } else {
            free(s->text[i].key);
            s->text[i] = s->text[--s->n_texts];
        }
        return;
    }
    if (!value)
        return;
    GROW(s->text, s->n_texts);
    s->text[s->n_texts++] = (struct named_text){xstrdup(key), xstrdup(value)};
}

int64_t state_draws(const struct state *s, const char *name)
{
    for (size_t i = 0; i < s->n_draws; i++)
        if (!strcmp(s->draws[i].name, name))
            return s->draws[i].count;
    return 0;
}

void state_count_draw(struct state *s, const char *name)
{
    for (size_t i = 0; i < s->n_draws; i++)
        if (!strcmp(s->draws[i].name, name)) {
            s->draws[i].count++;
            return;
        }
    GROW(s->draws, s->n_draws);
    size_t at = s->n_draws++;  // kept in order of names, as they are written
    for (; at > 0 && strcmp(s->draws[at - 1].name, name) > 0; at--)
        s->draws[at] = s->draws[at - 1];
    s->draws[at] = (struct named_count){xstrdup(name), 1};
}

void state_add_node(struct state *s, const struct bound *b)
{
    state_add_line(s, b->line);
    origins_add(&s->inputs, b);
}

void state_add_line(struct state *s, const char *line)
{
    GROW(s->chain, s->n_chain);
    s->chain[s->n_chain++] = xstrdup(line);
}

// ---- ranges -------------------------------------------------------------------------------------

struct range_job {
    const float *x;
    float *y;
    double lo, scale, to_lo;
};

enum { SIDE_BY_SIDE = 16 };  // a constant, so that compilers take vectors

static inline void range_block(const struct range_job *j, const float *x, float *y)
{
    const double lo = j->lo, scale = j->scale, to_lo = j->to_lo;
    for (int k = 0; k < SIDE_BY_SIDE; k++)
        y[k] = (float)(to_lo + ((double)x[k] - lo) * scale);
}

static int range_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct range_job *j = ctx;
    float rest[SIDE_BY_SIDE] = {0}, v[SIDE_BY_SIDE];
    (void)chunk;
    for (; begin + SIDE_BY_SIDE <= end; begin += SIDE_BY_SIDE) {
        range_block(j, j->x + begin, v);
        memcpy(j->y + begin, v, sizeof(v));
    }
    memcpy(rest, j->x + begin, (size_t)(end - begin) * sizeof(float));
    range_block(j, rest, v);
    memcpy(j->y + begin, v, (size_t)(end - begin) * sizeof(float));
    return KILN_OK;
}

// out may be t.
static int to_range(const kiln_tensor *t, double lo, double hi, double to_lo, double to_hi,
                    kiln_tensor *out)
{
    int e = tensor_home(t);
    e = e ? e : tensor_home_own(out);
    if (e)
        return e;
    struct range_job job = {kiln_f32(t), kiln_f32(out), lo, (to_hi - to_lo) / (hi - lo), to_lo};
    return pool_for(kiln_numel(t), 1 << 18, range_chunk, &job);
}

int image_to_range(const kiln_tensor *t, double lo, double hi, double to_lo, double to_hi,
                   kiln_tensor **out)
{
    if ((lo == to_lo && hi == to_hi) || !(hi > lo)) {
        *out = tensor_ref(t);
        return KILN_OK;
    }
    int e = tensor_new(KILN_F32, t->ndim, t->shape, out);
    return e ? e : to_range(t, lo, hi, to_lo, to_hi, *out);
}

int state_to_range(struct state *s, double lo, double hi)
{
    if (s->image) {
        int same = (s->lo == lo && s->hi == hi) || !(s->hi > s->lo);
        if (!same && tensor_ours(s->image)) {
            int e = to_range(s->image, s->lo, s->hi, lo, hi, s->image);
            if (e)
                return e;
        } else {
            kiln_tensor *image;
            int e = image_to_range(s->image, s->lo, s->hi, lo, hi, &image);
            if (e)
                return e;
            state_set_image(s, image);
        }
    }
    s->lo = lo;
    s->hi = hi;
    return KILN_OK;
}
