// SPDX-License-Identifier: MIT
#include "embed.h"

#include <stdlib.h>
#include <string.h>

#include "embed_kept.h"
#include "error.h"
#include "finite.h"
#include "tensor.h"
#include "util.h"

static kiln_tensor *given(const struct state *s, int64_t prompt)
{
    for (size_t i = 0; i < s->n_cond; i++)
        if (s->cond[i].prompt == prompt)
            return s->cond[i].tensor;
    return NULL;
}

static int is_among(int64_t p, const int64_t *prompt, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (prompt[i] == p)
            return 1;
    return 0;
}

static int no_encoder(const struct state *s, int64_t prompt, const char *who)
{
    return s->n_cond ? fail(KILN_ERR_ARG,
                            "the prompt \"%s\" was not encoded: give it to "
                            "'encode', or put an encoder before %s",
                            prompt_text(prompt), who)
                     : fail(KILN_ERR_ARG,
                            "%s needs text embeddings: put 't5 DIR' or 'embeddings FILE' "
                            "before it",
                            who);
}

// Takes the reference over.
static int add(struct state *s, const struct bound *encoder, int64_t prompt, kiln_tensor *t)
{
    int e = KILN_OK;
    if (s->n_cond && !tensor_same_shape(t, s->cond[0].tensor))
        e = fail(KILN_ERR_SHAPE, "the embedding of \"%.80s\" is %s, but that of \"%.80s\" is %s",
                 prompt_text(prompt), shape_text(t->ndim, t->shape), prompt_text(s->cond[0].prompt),
                 shape_text(s->cond[0].tensor->ndim, s->cond[0].tensor->shape));
    if (e) {
        tensor_unref(t);
        return node_fail(encoder, e);
    }
    GROW(s->cond, s->n_cond);
    s->cond[s->n_cond++] = (struct cond){prompt, t};
    return KILN_OK;
}

// What an encoder has made: takes the tensor over.
static int add_new(struct state *s, const struct bound *encoder, int64_t prompt, kiln_tensor *t)
{
    int e = !t || tensor_dtype(t) != KILN_F32
                ? fail(KILN_ERR_INTERNAL, "an embedding must be an F32 tensor")
                : finite_check(t, encoder, NULL);
    t = tensor_taken(t);
    if (e) {
        tensor_unref(t);
        return node_fail(encoder, e);
    }
    embed_keep(encoder, prompt, t);
    return add(s, encoder, prompt, t);
}

static int encode_together(struct state *s, struct instance *x, struct context *context, size_t n,
                           const int64_t *prompt)
{
    const char **text = xcalloc(n, sizeof(*text));
    kiln_tensor **out = xcalloc(n, sizeof(kiln_tensor *));
    for (size_t i = 0; i < n; i++)
        text[i] = prompt_text(prompt[i]);
    instance_enter(x, context);
    int e =
        instance_leave(x, instance_node(x)->encoder->encode_all(x->self, (uint32_t)n, text, out));
    for (size_t i = 0; i < n; i++) {
        if (!e)
            e = add_new(s, x->bound, prompt[i], out[i]);
        else
            tensor_unref(out[i]);
    }
    free(text);
    free(out);
    return e;
}

static int encode_one(struct state *s, struct instance *x, struct context *context, int64_t prompt,
                      int maybe)
{
    kiln_tensor *t = NULL;
    instance_enter(x, context);
    int e = instance_node(x)->encoder->encode(x->self, prompt_text(prompt), &t);
    e = instance_leave(x, e == KILN_END && !maybe ? KILN_ERR_ARG : e);
    if (e == KILN_END)
        return KILN_OK;
    return e ? e : add_new(s, x->bound, prompt, t);
}

int embed_prompts(struct state *s, size_t n, const int64_t *prompt, int64_t maybe, const char *who)
{
    int64_t *wanted = xcalloc(n, sizeof(*wanted));
    struct pending *p = state_find_pending(s, KIND_ENCODER);
    struct instance *x;
    size_t k = 0;
    int e = KILN_OK;
    for (size_t i = 0; i < n && !e; i++) {
        kiln_tensor *t;
        if (given(s, prompt[i]) || is_among(prompt[i], wanted, k))
            continue;
        if (p && (t = embed_kept(p->bound, prompt[i])))
            e = add(s, p->bound, prompt[i], t);
        else
            wanted[k++] = prompt[i];
    }
    if (!e && k)
        e = p ? instance_get(p->bound, 1, &x) : no_encoder(s, wanted[0], who);
    if (!e && k) {
        const kiln_encoder_ops *ops = instance_node(x)->encoder;
        struct context context = {.state = s, .use = p->use};
        if (k > 1 && KILN_HAS(ops, kiln_encoder_ops, encode_all) && ops->encode_all)
            e = encode_together(s, x, &context, k, wanted);
        else
            for (size_t i = 0; i < k && !e; i++)
                e = encode_one(s, x, &context, wanted[i], wanted[i] == maybe);
    }
    free(wanted);
    return e;
}

int embed_all(struct state *s, const char *const *text, size_t n, const char *who)
{
    int64_t *prompt = xcalloc((size_t)s->n + n + 1, sizeof(*prompt));
    int64_t maybe = prompt_handle("");
    size_t k = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (s->prompt[i] >= 0)
            prompt[k++] = s->prompt[i];
    for (size_t i = 0; i < n; i++)
        prompt[k++] = prompt_handle(text[i]);
    for (size_t i = 0; i < k; i++)
        if (prompt[i] == maybe)  // asked for
            maybe = -1;
    prompt[k++] = prompt_handle("");
    int e = embed_prompts(s, k, prompt, maybe, who);
    free(prompt);
    return e;
}

// ---- nets ---------------------------------------------------------------------------------------

static int wants_text(const struct instance *net)
{
    return (net->net->net.flags & KILN_NET_TEXT) != 0;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)  // FNV-1a
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

// Where an embedding comes from: what a net made of a prompt by way of another is of no use.
static uint64_t origin(struct state *s, int64_t prompt)
{
    const uint64_t start = UINT64_C(0xcbf29ce484222325);
    const kiln_tensor *t = given(s, prompt);
    if (t && !tensor_home(t))
        return mix(start, tensor_data(t), tensor_bytes(t));
    const struct pending *p = state_find_pending(s, KIND_ENCODER);
    return p ? mix(start, p->bound->line, strlen(p->bound->line)) : 0;
}

static struct cond_entry *entry(const struct instance *net, int64_t prompt)
{
    for (size_t i = 0; i < net->n_cond; i++)
        if (net->cond[i].prompt == prompt)
            return &net->cond[i];
    return NULL;
}

static int is_known(const struct instance *net, int64_t prompt, uint64_t from)
{
    const struct cond_entry *c = entry(net, prompt);
    return c && c->from == from;
}

static void drop(struct cond_entry *c, uint32_t n)
{
    for (uint32_t k = 0; c->tensor && k < n; k++)
        tensor_unref(c->tensor[k]);
    free(c->tensor);
    c->tensor = NULL;
}

// Rows of several prompts are stacked, so what a net makes of each must be alike.
static int check_shapes(const struct instance *net, int64_t prompt, kiln_tensor *const *cond)
{
    const struct cond_entry *other = NULL;
    for (size_t i = 0; i < net->n_cond && !other; i++)
        if (net->cond[i].prompt != prompt)
            other = &net->cond[i];
    for (uint32_t k = 0; k < net->net->net.n_cond; k++) {
        if (!cond[k])
            return fail(KILN_ERR_INTERNAL, "gives no condition %u for a prompt", k);
        if (other && (!tensor_same_shape(cond[k], other->tensor[k]) ||
                      tensor_dtype(cond[k]) != tensor_dtype(other->tensor[k])))
            return fail(KILN_ERR_SHAPE, "makes %s of \"%.80s\", but %s of \"%.80s\"",
                        shape_text(cond[k]->ndim, cond[k]->shape), prompt_text(prompt),
                        shape_text(other->tensor[k]->ndim, other->tensor[k]->shape),
                        prompt_text(other->prompt));
    }
    return KILN_OK;
}

static int condition(struct state *s, struct instance *net, int64_t prompt, uint64_t from)
{
    const kiln_node *node = instance_node(net);
    uint32_t n = net->net->net.n_cond;
    if (!n || is_known(net, prompt, from))
        return KILN_OK;
    struct cond_entry made = {prompt, xcalloc(n, sizeof(kiln_tensor *)), from};
    struct context context = {.state = s};
    kiln_tensor *emb = NULL;
    instance_enter(net, &context);
    int e = instance_side(net, wants_text(net) ? given(s, prompt) : NULL, TENSOR_READ, &emb);
    e = e ? e : node->predictor->encode(net->self, prompt_text(prompt), emb, made.tensor);
    e = instance_leave(net, e);
    for (uint32_t k = 0; k < n; k++)
        made.tensor[k] = tensor_taken(made.tensor[k]);
    if (!e && (e = check_shapes(net, prompt, made.tensor)))
        e = node_fail(net->bound, e);
    if (e) {
        drop(&made, n);
        return e;
    }
    struct cond_entry *old = entry(net, prompt);
    if (old) {
        drop(old, n);
        *old = made;
    } else {
        GROW(net->cond, net->n_cond);
        net->cond[net->n_cond++] = made;
    }
    return KILN_OK;
}

int embed_plain(struct state *s, struct instance *net, int64_t prompt)
{
    if (!wants_text(net))
        return condition(s, net, prompt, 0);
    uint64_t from = origin(s, prompt);
    size_t before = s->n_cond;
    int e = is_known(net, prompt, from)
                ? KILN_OK
                : embed_prompts(s, 1, &prompt, -1, instance_node(net)->name);
    e = e ? e : condition(s, net, prompt, from);
    while (s->n_cond > before)
        tensor_unref(s->cond[--s->n_cond].tensor);
    return e;
}

// A net of many layers makes tens of megabytes of each prompt, and a long stream may have any
// number of them: the oldest go, but for the n that are wanted now.
static void forget(struct instance *net, const int64_t *prompt, size_t n)
{
    const size_t most = (size_t)256 << 20;
    size_t total = 0, kept = 0;
    uint32_t n_cond = net->net->net.n_cond;
    for (size_t i = 0; i < net->n_cond; i++)
        for (uint32_t k = 0; k < n_cond; k++)
            total += tensor_bytes(net->cond[i].tensor[k]);
    for (size_t i = 0; i < net->n_cond; i++) {
        struct cond_entry *c = &net->cond[i];
        if (total <= most || is_among(c->prompt, prompt, n)) {
            net->cond[kept++] = *c;
            continue;
        }
        for (uint32_t k = 0; k < n_cond; k++)
            total -= tensor_bytes(c->tensor[k]);
        drop(c, n_cond);
    }
    net->n_cond = kept;
}

int embed_nets(struct state *s, struct instance *const *net, size_t n_nets, const int64_t *prompt,
               size_t n, int (*load)(struct state *s, struct instance *net))
{
    uint64_t *from = xcalloc(n, sizeof(*from));
    int64_t *wanted = xcalloc(n, sizeof(*wanted));
    const size_t before = s->n_cond;
    size_t k = 0;
    int e = KILN_OK;
    const char *who = NULL;
    for (size_t p = 0; p < n; p++) {
        int want = 0;
        from[p] = origin(s, prompt[p]);
        for (size_t i = 0; i < n_nets; i++)
            if (wants_text(net[i]) && !is_known(net[i], prompt[p], from[p])) {
                want = 1;
                who = who ? who : instance_node(net[i])->name;
            }
        if (want)
            wanted[k++] = prompt[p];
    }
    // Text to embeddings first: the encoder's memory is then free for the nets.
    if (k)
        e = embed_prompts(s, k, wanted, -1, who);
    const struct pending *encoder = state_find_pending(s, KIND_ENCODER);
    struct instance *x = encoder && k ? instance_find(encoder->bound) : NULL;
    if (!e && x) {
        instance_drop(x);
        tensor_trim();
    }
    for (size_t i = 0; i < n_nets && !e; i++) {
        e = load(s, net[i]);
        forget(net[i], prompt, n);
        for (size_t p = 0; p < n && !e; p++)
            e = condition(s, net[i], prompt[p], wants_text(net[i]) ? from[p] : 0);
    }
    // What was encoded here is the instances' now; only 'encode' makes it part of the State.
    while (s->n_cond > before)
        tensor_unref(s->cond[--s->n_cond].tensor);
    free(from);
    free(wanted);
    return e;
}
