// The layers of the net in the order of the forward pass, with names and shapes of their tensors;
// and whether the file has these and no others.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "unet.h"

static struct module *add(struct unet *s, enum kind kind, int once, const char *block,
                          const char *name, const int64_t *shape)
{
    if (s->n_modules == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        struct module *more = realloc(s->module, (size_t)s->room * sizeof(*more));
        if (!more)
            return NULL;
        s->module = more;
    }
    struct module *m = &s->module[s->n_modules++];
    *m = (struct module){.kind = kind, .once = once};
    snprintf(m->name, sizeof(m->name), "%s%s%s", block, *block ? "." : "", name);
    for (int i = 0; i < 4; i++)
        m->shape[i] = i < 2 || kind == CONV ? shape[i] : 1;
    return m;
}

static int add_linear(struct unet *s, int once, const char *block, const char *name, int64_t out,
                      int64_t in)
{
    return add(s, LINEAR, once, block, name, (int64_t[]){out, in, 1, 1}) != NULL;
}

static int add_norm(struct unet *s, int once, const char *block, const char *name, int64_t c)
{
    return add(s, NORM, once, block, name, (int64_t[]){c, 1, 1, 1}) != NULL;
}

static int add_conv(struct unet *s, const char *block, const char *name, int64_t out, int64_t in)
{
    return add(s, CONV, 0, block, name, (int64_t[]){out, in, 3, 3}) != NULL;
}

static int add_none(struct unet *s)
{
    return add(s, NONE, 0, "", "", (int64_t[]){1, 1, 1, 1}) != NULL;
}

// In the order of enum CONV_IN ...
static int add_fixed(struct unet *s)
{
    const struct config *c = &s->config;
    int64_t T = c->time, E = c->embed, C = c->width[0];
    const char *class = "class_embedding", *pool = "add_embedding.pool";
    return add_conv(s, "", "conv_in", C, c->in) &&
           add_linear(s, 0, "time_embedding", "linear_1", T, C) &&
           add_linear(s, 0, "time_embedding", "linear_2", T, T) &&
           (c->class_embedding ? add_linear(s, 1, class, "linear_1", T, C) &&
                                     add_linear(s, 1, class, "linear_2", T, T)
                               : add_none(s) && add_none(s)) &&
           add_linear(s, 1, "", "encoder_hid_proj", c->context, E) &&
           add_norm(s, 1, "add_embedding", "norm1", E) &&
           add(s, POSITIONS, 1, pool, "positional_embedding", (int64_t[]){1, E, 1, 1}) &&
           add_linear(s, 1, pool, "q_proj", E, E) && add_linear(s, 1, pool, "k_proj", E, E) &&
           add_linear(s, 1, pool, "v_proj", E, E) &&
           add_linear(s, 1, "add_embedding", "proj", T, E) &&
           add_norm(s, 1, "add_embedding", "norm2", T) && add_norm(s, 0, "", "conv_norm_out", C) &&
           add_conv(s, "", "conv_out", c->out, C);
}

static int add_resnet(struct unet *s, const char *name, struct resnet r)
{
    r.first = s->n_modules;
    s->resnet[s->n_resnets++] = r;
    if (!add_norm(s, 0, name, "norm1", r.in) || !add_conv(s, name, "conv1", r.out, r.in) ||
        !add_linear(s, 0, name, "time_emb_proj", 2 * r.out, s->config.time) ||
        !add_norm(s, 0, name, "norm2", r.out) || !add_conv(s, name, "conv2", r.out, r.out))
        return 0;
    if (r.in == r.out)
        return add_none(s);
    return add(s, SHORTCUT, 0, name, "conv_shortcut", (int64_t[]){r.out, r.in, 1, 1}) != NULL;
}

static int add_attention(struct unet *s, const char *name, int64_t c, int64_t head)
{
    int64_t X = s->config.context;
    s->attention[s->n_attentions++] =
        (struct attention){.first = s->n_modules, .heads = (int)(c / head), .width = c};
    return add_norm(s, 0, name, "group_norm", c) && add_linear(s, 0, name, "to_q", c, c) &&
           add_linear(s, 0, name, "to_k", c, c) && add_linear(s, 0, name, "to_v", c, c) &&
           add_linear(s, 0, name, "to_out.0", c, c) && add_norm(s, 1, name, "norm_cross", X) &&
           add_linear(s, 1, name, "add_k_proj", c, X) && add_linear(s, 1, name, "add_v_proj", c, X);
}

// A layer of a block: resnet, and attention where the level has it.
static int add_layer(struct unet *s, const char *way, int64_t block, int64_t layer, int64_t level,
                     struct resnet r)
{
    char name[80];
    snprintf(name, sizeof(name), "%s_blocks.%lld.resnets.%lld", way, (long long)block,
             (long long)layer);
    if (!add_resnet(s, name, r))
        return 0;
    if (!s->config.attention[level])
        return 1;
    snprintf(name, sizeof(name), "%s_blocks.%lld.attentions.%lld", way, (long long)block,
             (long long)layer);
    return add_attention(s, name, r.out, s->config.head[level]);
}

static int add_sampler(struct unet *s, const char *way, int64_t block, int64_t c, int sample)
{
    char name[80];
    snprintf(name, sizeof(name), "%s_blocks.%lld.%ssamplers.0", way, (long long)block, way);
    return add_resnet(s, name, (struct resnet){.in = c, .out = c, .sample = sample});
}

static int add_down(struct unet *s, int64_t *skip, int *n_skips)
{
    const struct config *c = &s->config;
    int64_t x = c->width[0];
    skip[(*n_skips)++] = x;
    for (int64_t b = 0; b < c->levels; b++) {
        for (int64_t l = 0; l < c->layers[b]; l++) {
            if (!add_layer(s, "down", b, l, b, (struct resnet){.in = x, .out = c->width[b]}))
                return 0;
            skip[(*n_skips)++] = x = c->width[b];
        }
        if (b == c->levels - 1)
            break;
        if (!add_sampler(s, "down", b, x, -1))
            return 0;
        skip[(*n_skips)++] = x;
    }
    return 1;
}

static int add_middle(struct unet *s)
{
    const struct config *c = &s->config;
    int64_t x = c->width[c->levels - 1];
    struct resnet r = {.in = x, .out = x, .middle = 1};
    return add_resnet(s, "mid_block.resnets.0", r) &&
           add_attention(s, "mid_block.attentions.0", x, c->head[c->levels - 1]) &&
           add_resnet(s, "mid_block.resnets.1", r);
}

static int add_up(struct unet *s, const int64_t *skip, int *n_skips)
{
    const struct config *c = &s->config;
    int64_t x = c->width[c->levels - 1];
    for (int64_t u = 0; u < c->levels; u++) {
        int64_t level = c->levels - 1 - u, out = c->width[level];
        for (int64_t l = 0; l <= c->layers[level]; l++, x = out) {
            int64_t k = skip[--*n_skips];
            struct resnet r = {.in = x + k, .out = out};
            if (!add_layer(s, "up", u, l, level, r))
                return 0;
        }
        if (level && !add_sampler(s, "up", u, x, 1))
            return 0;
    }
    return 1;
}

int layout_build(struct unet *s)
{
    int64_t skip[MAX_RESNETS];
    int n_skips = 0;
    if (add_fixed(s) && add_down(s, skip, &n_skips) && add_middle(s) && add_up(s, skip, &n_skips))
        return KILN_OK;
    return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
}

// ---- the file -----------------------------------------------------------------------------------

int32_t module_ndim(const struct module *m)
{
    return m->kind == CONV || m->kind == SHORTCUT ? 4 : m->kind == NORM ? 1 : 2;
}

// A tensor that the net has.
struct wanted {
    const struct module *module;
    int bias;
};

static const char *wanted_name(const struct wanted *w, char *name, size_t room)
{
    snprintf(name, room, "%s%s", w->module->name,
             w->module->kind == POSITIONS ? ""
             : w->bias                    ? ".bias"
                                          : ".weight");
    return name;
}

static int by_name(const void *a, const void *b)
{
    char x[96], y[96];
    return strcmp(wanted_name(a, x, sizeof(x)), wanted_name(b, y, sizeof(y)));
}

static const char *shape_string(char *to, size_t room, int32_t ndim, const int64_t *shape)
{
    size_t n = 0;
    snprintf(to, room, "[]");
    for (int32_t i = 0; i < ndim && n < room; i++)
        n += (size_t)snprintf(to + n, room - n, "%s%lld%s", i ? "," : "[", (long long)shape[i],
                              i == ndim - 1 ? "]" : "");
    return to;
}

static int check_tensor(struct unet *s, const struct wanted *w, const char *name, int dtype,
                        int32_t ndim, const int64_t *shape)
{
    if (dtype != KILN_F32 && dtype != KILN_F16 && dtype != KILN_BF16)
        return unet_bad(s, "tensor '%.200s' is neither F32 nor F16 nor BF16", name);
    int32_t want = w->bias ? 1 : module_ndim(w->module);
    int same = ndim == want;
    for (int32_t i = 0; i < ndim && same; i++)
        same = shape[i] == w->module->shape[i];
    if (same)
        return KILN_OK;
    char have[180], must[100];
    return unet_bad(s, "tensor '%.200s' is %s, but config.json says %s", name,
                    shape_string(have, sizeof(have), ndim, shape),
                    shape_string(must, sizeof(must), want, w->module->shape));
}

static int compare(struct unet *s, const struct wanted *list, size_t n)
{
    const kiln_weights *weights = kiln_get_weights(&s->base);
    const char *name;
    int dtype, e = KILN_OK;
    int32_t ndim;
    int64_t shape[8];
    size_t k = 0;
    char want[96];
    // Both are in the order of names.
    for (uint64_t i = 0; !e; i++) {
        int end = weights->entry(s->file, i, &name, &dtype, &ndim, shape);
        if (end < 0)
            return end;
        int order = k == n ? 1 : end ? -1 : strcmp(wanted_name(&list[k], want, sizeof(want)), name);
        if (end && k == n)
            return KILN_OK;
        if (end && !i)
            return unet_bad(
                s, "no weights are beside config.json: diffusion_pytorch_model.safetensors "
                   "or .fp16.safetensors, or its shards with their index");
        if (order < 0)
            return unet_bad(s, "tensor '%s' is missing", wanted_name(&list[k], want, sizeof(want)));
        if (order > 0)
            return unet_bad(s, "tensor '%.200s' is none of the net that config.json describes",
                            name);
        e = check_tensor(s, &list[k++], name, dtype, ndim, shape);
    }
    return e;
}

int layout_check(struct unet *s)
{
    struct wanted *list = calloc(2 * (size_t)s->n_modules, sizeof(*list));
    size_t n = 0;
    if (!list)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (int i = 0; i < s->n_modules; i++)
        for (int bias = 0; bias < 2; bias++) {
            const struct module *m = &s->module[i];
            if (m->kind != NONE && !(bias && m->kind == POSITIONS))
                list[n++] = (struct wanted){m, bias};
        }
    qsort(list, n, sizeof(*list), by_name);
    int e = compare(s, list, n);
    free(list);
    return e;
}
