// SPDX-License-Identifier: MIT
#include "draw.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "error.h"
#include "ops_host.h"
#include "pool.h"
#include "random.h"
#include "random_torch.h"
#include "runtime.h"
#include "twin.h"
#include "weights_file.h"

struct drawing {
    struct random_key key;
    enum draw_kind kind;
    const int64_t *id;
    const double *t;
    float *out;
    int64_t row;
};

static int draw_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct drawing *d = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i++) {
        struct random_key key = d->key;
        key.id = d->id ? d->id[i] : i;
        key.t = d->t ? d->t[i] : 0;
        if (d->kind == DRAW_NORMAL)
            random_normal(&key, 0, d->out + i * d->row, (size_t)d->row);
        else
            random_uniform(&key, 0, d->out + i * d->row, (size_t)d->row);
    }
    return KILN_OK;
}

// ---- --rng torch --------------------------------------------------------------------------------

// The stream of one seed, at the place that a State says: what other documents or branches drew
// does not matter.
static int draw_torch(struct state *s, enum draw_kind kind, kiln_tensor *out)
{
    struct torch_random g;
    int e = torch_random_restore(&g, s->seed, (uint64_t)s->taken, (uint64_t)s->waiting);
    if (e)
        return fail(KILN_ERR_IO, "the State tells of no place in torch's random numbers");
    float *p = kiln_f32(out);
    size_t n = (size_t)kiln_numel(out);
    if (kind == DRAW_NORMAL)
        torch_random_normal(&g, p, n);
    else
        torch_random_uniform(&g, p, n);
    s->taken = (int64_t)g.drawn;
    s->waiting = (int64_t)g.waiting;
    return KILN_OK;
}

// ---- --rng FILE ---------------------------------------------------------------------------------

static struct weights_file *open_file(const char *path)
{
    static struct weights_file *file;
    static char *name;
    if (file && !strcmp(name, path))
        return file;
    weights_close(file);
    free(name);
    file = NULL;
    name = xstrdup(path);
    return weights_open(path, &file) ? NULL : file;
}

static int draw_file(struct state *s, kiln_tensor *out)
{
    char name[32];
    struct weights_file *f = open_file(s->rng);
    if (!f)
        return fail_in(KILN_ERR_IO, "--rng");
    snprintf(name, sizeof(name), "draw.%06lld", (long long)s->taken);
    const struct weights_entry *x = weights_find(f, name);
    if (!x)
        return fail(KILN_ERR_IO, "--rng: %s has no tensor '%s' (%s was asked for)", s->rng, name,
                    shape_text(out->ndim, out->shape));
    int same = x->ndim == out->ndim;
    for (int32_t k = 0; k < out->ndim && same; k++)
        same = x->shape[k] == out->shape[k];
    if (!same)
        return fail(KILN_ERR_SHAPE, "--rng: '%s' is of %s, %s was asked for", name,
                    shape_text(x->ndim, x->shape), shape_text(out->ndim, out->shape));
    kiln_tensor *t;
    int e = weights_tensor(f, name, KILN_F32, 0, NULL, &t);
    e = e ? e : tensor_copy_into(out, t);
    if (!e) {
        tensor_unref(t);
        s->taken++;
    }
    return e;
}

int draw_file_tensor(const struct state *s, const char *name, const kiln_tensor **out)
{
    *out = NULL;
    if (!strcmp(s->rng, "kiln") || !strcmp(s->rng, "torch"))
        return KILN_OK;
    struct weights_file *f = open_file(s->rng);
    if (!f)
        return fail_in(KILN_ERR_IO, "--rng");
    if (!weights_find(f, name))
        return KILN_OK;
    kiln_tensor *t;
    int e = weights_tensor(f, name, 0, 0, NULL, &t);
    *out = e ? NULL : t;
    return e;
}

// ---- on a device --------------------------------------------------------------------------------

static struct random_key key_of(const struct context *context, const char *node, uint32_t use)
{
    const struct state *s = context ? context->state : NULL;
    return (struct random_key){.seed = s ? s->seed : runtime.seed,
                               .node = random_node(node, (uint64_t)(context ? context->use : 0)),
                               .use = use};
}

// Keyed numbers are made there; others here, and copied.
static int draw_there(struct context *context, const char *node, enum draw_kind kind, uint32_t use,
                      const int64_t *id, const double *t, kiln_tensor *out)
{
    const struct cuda_backend *b = device_backend();
    const struct state *s = context ? context->state : NULL;
    int64_t n = out->shape[0];
    if (!b || (s && strcmp(s->rng, "kiln"))) {
        kiln_tensor *here;
        int e = tensor_new(KILN_F32, out->ndim, out->shape, &here);
        e = e ? e : draw(context, node, kind, use, id, t, here);
        e = e ? e : tensor_copy_raw(out, here);
        tensor_unref(here);
        return e;
    }
    struct cuda_random_row *row = xcalloc((size_t)n, sizeof(*row));
    struct random_key key = key_of(context, node, use);
    for (int64_t i = 0; i < n; i++) {
        key.id = id ? id[i] : i;
        key.t = t ? t[i] : 0;
        struct random_row r =
            random_row(&key, kind == DRAW_NORMAL ? RANDOM_NORMAL : RANDOM_UNIFORM);
        row[i] = (struct cuda_random_row){{r.key[0], r.key[1]}, {r.place[0], r.place[1]}};
    }
    int e =
        kind == DRAW_NORMAL ? b->normal(&plain_host, row, out) : b->uniform(&plain_host, row, out);
    free(row);
    return e;
}

// ---- any ----------------------------------------------------------------------------------------

int draw(struct context *context, const char *node, enum draw_kind kind, uint32_t use,
         const int64_t *id, const double *t, kiln_tensor *out)
{
    struct state *s = context ? context->state : NULL;
    if (!out || tensor_dtype(out) != KILN_F32 || out->ndim < 1)
        return fail(KILN_ERR_ARG,
                    "asks for random numbers in a tensor that is not float32 [n,...]");
    int e = twin_may_not("random numbers are asked for");
    if (e)
        return e;
    if (context)
        context->drew = 1;
    if (out->device.type == KILN_DEVICE_CUDA)
        return draw_there(context, node, kind, use, id, t, out);
    if (s && !strcmp(s->rng, "torch"))
        return draw_torch(s, kind, out);
    if (s && strcmp(s->rng, "kiln"))
        return draw_file(s, out);
    int64_t n = out->shape[0], row = n ? kiln_numel(out) / n : 0;
    struct drawing d = {.kind = kind, .id = id, .t = t, .out = kiln_f32(out), .row = row};
    d.key = key_of(context, node, use);
    int64_t grain = row < 16384 ? 16384 / (row ? row : 1) + 1 : 1;
    return pool_for(n, grain, draw_rows, &d);
}
