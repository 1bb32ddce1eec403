// Which tensor of a file is which tensor of the net: by name, or, where the names are unknown, by
// shape in the order of the file. Everything is checked before a weight is read.
// SPDX-License-Identifier: MIT
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "params.h"

struct checkpoint {
    char *name[MAX_LIST];  // in the file, of tensor i of the list
    int skip_first;
};

static void shape_text(char *out, size_t room, int32_t ndim, const int64_t *shape)
{
    size_t at = 0;
    snprintf(out, room, "a scalar");
    for (int32_t i = 0; i < ndim && at < room; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%lld", i ? "x" : "", (long long)shape[i]);
}

static int same_shape(const struct entry *e, int32_t ndim, const int64_t *shape)
{
    return e->ndim == ndim && !memcmp(e->shape, shape, (size_t)ndim * sizeof(*shape));
}

static int take(struct net *s, struct entry *e, int i)
{
    int64_t shape[4];
    char has[120], wants[120];
    int32_t ndim = list_shape(&s->config, i, shape);
    if (!same_shape(e, ndim, shape)) {
        shape_text(has, sizeof(has), e->ndim, e->shape);
        shape_text(wants, sizeof(wants), ndim, shape);
        return kiln_fail(&s->base, KILN_ERR_SHAPE, "tensor '%s' of the model is %s, not %s",
                         e->name, has, wants);
    }
    e->used = 1;
    s->checkpoint->name[i] = copy_text(e->name);
    return s->checkpoint->name[i] ? KILN_OK : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
}

// What stands before our stem in the file, "unet." say; 0: the file has no such tensor.
static int find_prefix(const struct entries *all, const char *stem, char *prefix, size_t room)
{
    char end[120];
    snprintf(end, sizeof(end), "%s.weight", stem);
    for (int i = 0; i < all->n; i++) {
        size_t n =
            strlen(all->entry[i].name) - (ends_with(all->entry[i].name, end) ? strlen(end) : 0);
        if (!ends_with(all->entry[i].name, end) || n >= room)
            continue;
        if (n && all->entry[i].name[n - 1] != '.')
            continue;
        memcpy(prefix, all->entry[i].name, n);
        prefix[n] = 0;
        return 1;
    }
    return 0;
}

// The kind of net whose names agree best: of two that call convolutions alike, the one that has
// names for the linear blocks, too.
static const struct scheme *find_scheme(const struct entries *all, int *arch, char *prefix,
                                        size_t room)
{
    const struct scheme *best = NULL;
    char p[80];
    *arch = -1;
    for (int k = 0; k < N_SCHEMES; k++) {
        const struct scheme *scheme = &schemes[k];
        int a = ARCH_PLAIN;
        if (!find_prefix(all, scheme->conv[IN_0].conv, p, sizeof(p)))
            continue;
        if (scheme->fc[TIME1][0] && entries_find(all, p, scheme->fc[TIME1][0], "weight"))
            a = ARCH_TIME;
        if (scheme->fc[CLASS1][0] && entries_find(all, p, scheme->fc[CLASS1][0], "weight"))
            a = ARCH_CLASS;
        if (a <= *arch)
            continue;
        best = scheme;
        *arch = a;
        snprintf(prefix, room, "%s", p);
    }
    return best;
}

static int match_names(struct net *s, const struct entries *all, const struct scheme *scheme,
                       const char *prefix)
{
    int n = list_count(&s->config), e = KILN_OK;
    s->checkpoint->skip_first = scheme->skip_first;
    for (int i = 0; i < n && !e; i++) {
        const char *leaf, *stem = list_name(scheme, s->config.arch, i, &leaf);
        struct entry *entry = stem ? entries_find(all, prefix, stem, leaf) : NULL;
        if (!entry)
            return kiln_fail(&s->base, KILN_ERR_IO, "tensor '%s%s.%s' is missing in the model",
                             prefix, stem ? stem : "?", stem ? leaf : "?");
        e = take(s, entry, i);
    }
    for (int i = 0; i < all->n && !e; i++)
        if (!all->entry[i].used && is_weight(all->entry[i].name))
            return kiln_fail(&s->base, KILN_ERR_IO, "tensor '%s' of the model is none of this net",
                             all->entry[i].name);
    return e;
}

// Unknown names: the convolutions stand in the order of the forward pass, the linear blocks after
// them are told apart by their shapes.
static int match_shapes(struct net *s, const struct entries *all)
{
    int i = 0, e = KILN_OK;
    s->config.arch = ARCH_PLAIN;
    for (int k = 0; k < all->n; k++) {  // the first layers of blocks say which there are
        const struct entry *entry = &all->entry[k];
        if (entry->ndim == 2 && entry->shape[1] == 1 && s->config.arch == ARCH_PLAIN)
            s->config.arch = ARCH_TIME;
        if (entry->ndim == 2 && entry->shape[1] == CLASSES && entry->shape[0] != CLASSES)
            s->config.arch = ARCH_CLASS;
    }
    for (int k = 0; k < all->n && !e; k++) {
        struct entry *entry = &all->entry[k];
        if (!is_weight(entry->name))
            continue;
        if (i < FC_LIST) {
            e = take(s, entry, i++);
            continue;
        }
        int64_t shape[4];
        int at = -1;
        for (int fc = 0; fc < N_FC && entry->ndim == 2 && at < 0; fc++) {
            at = fc_first(s->config.arch, fc);
            if (at >= 0 && (s->checkpoint->name[at] ||
                            !same_shape(entry, list_shape(&s->config, at, shape), shape)))
                at = -1;
        }
        if (at < 0 || k + 3 >= all->n)
            return kiln_fail(&s->base, KILN_ERR_IO,
                             "tensor '%s' of the model is none of this net: neither its name nor "
                             "its place is known",
                             entry->name);
        for (int j = 0; j < PER_FC && !e; j++)
            e = take(s, &all->entry[k + j], at + j);
        k += PER_FC - 1;
    }
    for (int k = 0; k < list_count(&s->config) && !e; k++)
        if (!s->checkpoint->name[k])
            return kiln_fail(&s->base, KILN_ERR_IO, "the model ends before tensor %d of %d", k + 1,
                             list_count(&s->config));
    return e;
}

// A schedule that lies beside the weights, beta_1 .. beta_T.
static int read_schedule(struct net *s, const kiln_file *f, const struct entries *all)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    struct config *c = &s->config;
    const struct entry *entry = NULL;
    kiln_tensor *beta = NULL;
    for (int i = 0; i < all->n; i++)
        if (ends_with(all->entry[i].name, "ddpm_schedule.betas"))
            entry = &all->entry[i];
    if (!entry)
        return KILN_OK;
    if (has_schedule_args(s))
        return kiln_fail(&s->base, KILN_ERR_ARG,
                         "the model has a schedule of its own: leave T and the betas out");
    if (entry->ndim != 1 || entry->shape[0] < 1 || entry->shape[0] > MAX_T)
        return kiln_fail(&s->base, KILN_ERR_SHAPE, "tensor '%s' of the model is no list of betas",
                         entry->name);
    c->T = entry->shape[0];
    int e = w->tensor(s->base.host, f, entry->name, NULL, KILN_F32, 1, entry->shape, &beta);
    if (!e && !(c->beta = calloc((size_t)c->T, sizeof(*c->beta))))
        e = kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < c->T && !e; i++)
        c->beta[i] = (double)kiln_f32(beta)[i];
    if (!e) {
        c->beta_start = c->beta[0];
        c->beta_end = c->beta[c->T - 1];
    }
    s->base.host->tensor_free(s->base.host, beta);
    return e;
}

// A file of other people's: what kind of net, and how wide.
static int recognise(struct net *s, const kiln_file *f, const struct entries *all,
                     const struct scheme *scheme)
{
    struct config *c = &s->config;
    c->hidden = 0;
    for (int i = 0; i < all->n && !c->hidden; i++) {
        const struct entry *e = &all->entry[i];
        if (e->ndim == 4 && e->shape[1] == 1 && e->shape[2] == 3 && e->shape[3] == 3 &&
            e->shape[0] >= 1 && e->shape[0] <= MAX_HIDDEN)
            c->hidden = e->shape[0];
    }
    if (!c->hidden)
        return kiln_fail(&s->base, KILN_ERR_IO,
                         "this is no model of mnist-unet: it has no first 3x3 convolution of one "
                         "channel");
    int e = scheme ? KILN_OK : match_shapes(s, all);
    c->objective = c->arch == ARCH_PLAIN ? OBJECTIVE_DENOISE : OBJECTIVE_EPS;
    return e ? e : read_schedule(s, f, all);
}

int checkpoint_match(struct net *s, const kiln_file *f, int ours)
{
    struct entries all = {0};
    char prefix[80] = "";
    s->checkpoint = calloc(1, sizeof(*s->checkpoint));
    int e = s->checkpoint ? entries_read(s, f, &all)
                          : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    if (!e && ours)
        e = match_names(s, &all, &schemes[0], prefix);
    if (!e && !ours) {
        int arch;
        const struct scheme *scheme = find_scheme(&all, &arch, prefix, sizeof(prefix));
        if (scheme)
            s->config.arch = arch;
        e = recognise(s, f, &all, scheme);
        if (!e && scheme)
            e = match_names(s, &all, scheme, prefix);
    }
    entries_free(&all);
    return e;
}

// Exchanges the two halves of axis 1 of data seen as [outer,2,half].
static void swap_halves(float *data, int64_t outer, int64_t half)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < half; i++) {
            float *a = data + o * 2 * half + i, *b = a + half, v = *a;
            *a = *b;
            *b = v;
        }
}

int checkpoint_tensor(struct net *s, const kiln_file *f, int i, kiln_tensor **out)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    const kiln_host *h = s->base.host;
    int64_t shape[4];
    int32_t ndim = list_shape(&s->config, i, shape);
    int conv = i < FC_LIST && i % PER_CONV == WEIGHT ? i / PER_CONV : -1;
    int swap = s->checkpoint->skip_first && (conv == UP1_0 || conv == UP2_0 || conv == OUT_0);
    if (!swap)
        return w->tensor(h, f, s->checkpoint->name[i], h->device, KILN_F32, ndim, shape, out);
    kiln_tensor *t;
    int e = w->tensor(h, f, s->checkpoint->name[i], NULL, KILN_F32, ndim, shape, &t);
    if (e)
        return e;
    int64_t k2 = shape[2] * shape[3];
    if (conv_specs[conv].conv.transposed)  // [ci,co,k,k]
        swap_halves(kiln_f32(t), 1, shape[0] / 2 * shape[1] * k2);
    else  // [co,ci,k,k]
        swap_halves(kiln_f32(t), shape[0], shape[1] / 2 * k2);
    e = h->tensor_new(h, h->device, KILN_F32, ndim, shape, out);
    e = e ? e : h->tensor_copy(h, *out, t);
    h->tensor_free(h, t);
    return e;
}

void checkpoint_free(struct checkpoint *c)
{
    for (int i = 0; c && i < MAX_LIST; i++)
        free(c->name[i]);
    free(c);
}
