// kiln.state/1, kiln.weights/1, kiln.paths/1.
// SPDX-License-Identifier: MIT
#include "ext.h"

#include <kiln/ext/paths.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "error.h"
#include "instance.h"
#include "ops_check.h"
#include "paths.h"
#include "stack.h"
#include "weights_file.h"

// ---- kiln.state/1 -------------------------------------------------------------------------------

static int state_of(const kiln_host *h, struct state **out)
{
    struct context *c = host_instance(h) ? host_instance(h)->context : NULL;
    *out = c ? c->state : NULL;
    return *out ? KILN_OK : fail(KILN_ERR_UNSUPPORTED, "there is no State in this call");
}

static int array_tensor(int dtype, int64_t n, const void *data, struct state *s, const char *name,
                        const kiln_tensor **out)
{
    kiln_tensor *t;
    int e = tensor_new(dtype, 1, &n, &t);
    if (e)
        return e;
    memcpy(tensor_data(t), data, tensor_bytes(t));
    char *key = xformat(".%s", name);  // lent by the State; its names never begin with a dot
    state_put_tensor(s, key, t);
    free(key);
    *out = t;
    return KILN_OK;
}

static int get(const kiln_host *h, const char *name, const kiln_tensor **out)
{
    struct state *s;
    int e = state_of(h, &s);
    if (e)
        return e;
    kiln_tensor *side;
    *out = state_tensor(s, name);
    if (*out) {
        e = instance_side(host_instance(h), *out, TENSOR_READ, &side);
        *out = e ? NULL : side;
        return e;
    }
    if (!strcmp(name, "score") && s->score)
        return array_tensor(KILN_F64, s->n, s->score, s, name, out);
    if (s->net && s->net->net.n_t && (!strcmp(name, "alpha") || !strcmp(name, "sigma")))
        return array_tensor(KILN_F64, s->net->net.n_t,
                            *name == 'a' ? s->net->net.alpha : s->net->net.sigma, s, name, out);
    return KILN_OK;
}

// Names that a plugin may write: "score", "keep.…", those with its own id before them, and a
// schedule where no net has brought its own.
static int check_name(const kiln_host *h, const struct state *s, const char *name)
{
    if (!s->net &&
        (!strcmp(name, "alpha") || !strcmp(name, "sigma") || !strcmp(name, "kiln.t_first")))
        return KILN_OK;
    const char *id = host_instance(h)->bound->def->id;
    size_t n = strlen(id);
    if (!strcmp(name, "score") || !strncmp(name, "keep.", 5) ||
        (!strncmp(name, id, n) && name[n] == '.'))
        return KILN_OK;
    return fail(KILN_ERR_ARG,
                "'%s' is no name that this plugin may write: score, keep.NAME, %s.NAME", name, id);
}

static int put_score(struct state *s, kiln_tensor *t)
{
    double *score = NULL;
    if (t) {
        if (t->ndim != 1 || t->shape[0] != s->n)
            return fail(KILN_ERR_SHAPE, "a score of %s for %lld images",
                        shape_text(t->ndim, t->shape), (long long)s->n);
        kiln_tensor *wide;
        int e = tensor_new(KILN_F64, t->ndim, t->shape, &wide);
        if (e)
            return e;
        e = tensor_copy_raw(wide, t);
        if (e) {
            tensor_unref(wide);
            return e;
        }
        score = xmemdup(tensor_data(wide), tensor_bytes(wide));
        tensor_unref(wide);
        tensor_unref(t);
    }
    free(s->score);
    s->score = score;
    return KILN_OK;
}

static int put(const kiln_host *h, const char *name, kiln_tensor *t)
{
    struct state *s;
    int e = state_of(h, &s);
    e = e ? e : check_name(h, s, name);
    if (e)
        return e;
    if (!strcmp(name, "score"))
        return put_score(s, t);
    state_put_tensor(s, name, tensor_taken(t));
    return KILN_OK;
}

static int append(const kiln_host *h, const char *name, const kiln_tensor *t)
{
    struct state *s;
    kiln_tensor *both;
    int e = state_of(h, &s);
    e = e ? e : check_name(h, s, name);
    if (e)
        return e;
    const kiln_tensor *old = state_tensor(s, name);
    if (!old) {
        e = tensor_new(tensor_dtype(t), t->ndim, t->shape, &both);
        e = e ? e : tensor_copy_raw(both, t);
        if (!e)
            state_put_tensor(s, name, both);
        return e;
    }
    int64_t shape[TENSOR_MAX_DIM] = {0};
    int same = old->ndim == t->ndim && t->ndim > 0 && tensor_dtype(old) == tensor_dtype(t);
    for (int32_t k = 0; k < t->ndim && same; k++) {
        same = k == 0 || old->shape[k] == t->shape[k];
        shape[k] = t->shape[k] + (k ? 0 : old->shape[0]);
    }
    if (!same)
        return fail(KILN_ERR_SHAPE, "%s of %s cannot be appended to one of %s", name,
                    shape_text(t->ndim, t->shape), shape_text(old->ndim, old->shape));
    e = tensor_new(tensor_dtype(t), t->ndim, shape, &both);
    if (e)
        return e;
    kiln_tensor rest = *both;
    rest.shape = t->shape;
    rest.byte_offset = tensor_bytes(old);
    e = tensor_copy_rows(both, 0, old, 0, old->shape[0]);
    e = e ? e : tensor_copy_raw(&rest, t);
    if (e)
        tensor_unref(both);
    else
        state_put_tensor(s, name, both);
    return e;
}

static int get_text(const kiln_host *h, const char *key, const char **out)
{
    static _Thread_local char number[32];
    struct state *s;
    int e = state_of(h, &s);
    if (e)
        return e;
    *out = state_text(s, key);
    if (!*out && !strcmp(key, "kiln.t_first") && s->net) {
        snprintf(number, sizeof(number), "%lld", (long long)s->net->net.t_first);
        *out = number;
    }
    return KILN_OK;
}

static int put_text(const kiln_host *h, const char *key, const char *text)
{
    struct state *s;
    int e = state_of(h, &s);
    e = e ? e : check_name(h, s, key);
    if (!e)
        state_put_text(s, key, text);
    return e;
}

static int encode(const kiln_host *h, const char *const *text, uint32_t n)
{
    struct state *s;
    int e = state_of(h, &s);
    return e ? e : embed_all(s, text, n, instance_node(host_instance(h))->name);
}

const kiln_state ext_state = {
    .size = sizeof(ext_state),
    .get = get,
    .put = put,
    .append = append,
    .get_text = get_text,
    .put_text = put_text,
    .encode = encode,
};

// ---- kiln.weights/1: a kiln_file is a struct weights_file --------------------------------------

static const struct weights_file *file_of(const kiln_file *f)
{
    return (const struct weights_file *)(const void *)f;
}

static int open_model(const char *path, int (*open)(const char *, struct weights_file **),
                      kiln_file **out)
{
    char *found;
    struct weights_file *f;
    int e = path_model(path, &found);
    if (e)
        return e;
    e = open(found, &f);
    free(found);
    if (!e)
        *out = (kiln_file *)(void *)f;
    return e;
}

static int weights_ext_open(const kiln_host *h, const char *path, kiln_file **out)
{
    (void)h;
    return open_model(path, weights_open, out);
}

static int weights_ext_open_half(const kiln_host *h, const char *path, kiln_file **out)
{
    (void)h;
    return open_model(path, weights_open_half, out);
}

static void weights_ext_close(const kiln_host *h, kiln_file *f)
{
    (void)h;
    weights_close((struct weights_file *)(void *)f);
}

static int weights_ext_entry(const kiln_file *f, uint64_t i, const char **name, int *dtype,
                             int32_t *ndim, int64_t *shape)
{
    const struct weights_entry *x = weights_entry(file_of(f), i);
    if (!x)
        return KILN_END;
    *name = x->name;
    *dtype = x->dtype;
    *ndim = x->ndim;
    memcpy(shape, x->shape, (size_t)x->ndim * sizeof(*shape));
    return KILN_OK;
}

// The place of an entry among all by where its data lie; entries whose elements are not in order in
// the file have none, and then the order is that of the names.
static int weights_ext_stored(const kiln_file *f, uint64_t i, const char **name, int *dtype,
                              int32_t *ndim, int64_t *shape)
{
    const struct weights_entry *x, *y;
    uint64_t found = i;
    int all = 1;
    for (uint64_t k = 0; all && (x = weights_entry(file_of(f), k)); k++)
        all = x->data != NULL;
    for (uint64_t k = 0; all && (x = weights_entry(file_of(f), k)); k++) {
        uint64_t before = 0;
        for (uint64_t m = 0; (y = weights_entry(file_of(f), m)); m++)
            before += (uintptr_t)y->data < (uintptr_t)x->data;
        if (before == i)
            found = k;
    }
    return weights_ext_entry(f, found, name, dtype, ndim, shape);
}

// Of a model that does not fit: how much it needs.
static int too_much(const struct weights_file *f, int dtype)
{
    double bytes = 0;
    const struct weights_entry *x;
    for (uint64_t i = 0; (x = weights_entry(f, i)); i++) {
        double n = (double)dtype_size(dtype ? dtype : x->dtype);
        for (int32_t k = 0; k < x->ndim; k++)
            n *= (double)x->shape[k];
        bytes += n;
    }
    char *why = xstrdup(fail_text());
    int e = fail(KILN_ERR_MEMORY, "%s; the weights need %.1f MB in all", why, bytes / 1e6);
    free(why);
    return e;
}

// here, taken over, on the device of near as dtype.
static int to_device(const kiln_file *f, kiln_tensor *here, const kiln_tensor *near, int dtype,
                     kiln_tensor **out)
{
    int e = tensor_new_on(near->device.type, dtype ? dtype : tensor_dtype(here), here->ndim,
                          here->shape, out);
    if (!e && (e = tensor_copy_raw(*out, here))) {
        tensor_unref(*out);
        *out = NULL;
    }
    tensor_unref(here);
    return e == KILN_ERR_MEMORY ? too_much(file_of(f), dtype) : e;
}

static int is_here(const kiln_tensor *near)
{
    return !near || near->device.type == KILN_DEVICE_CPU;
}

// To a device goes what is stored: that is less to copy.
static int weights_ext_tensor(const kiln_host *h, const kiln_file *f, const char *name,
                              const kiln_tensor *near, int dtype, int32_t ndim,
                              const int64_t *shape, kiln_tensor **out)
{
    kiln_tensor *here;
    (void)h;
    if (is_here(near))
        return weights_tensor(file_of(f), name, dtype, ndim, shape, out);
    int e = weights_tensor(file_of(f), name, 0, ndim, shape, &here);
    return e ? e : to_device(f, here, near, dtype, out);
}

static int weights_ext_rows(const kiln_host *h, const kiln_file *f, const char *name,
                            const kiln_tensor *near, int dtype, uint64_t n, const int32_t *row,
                            kiln_tensor **out)
{
    kiln_tensor *here;
    (void)h;
    if (is_here(near))
        return weights_rows(file_of(f), name, dtype, n, row, out);
    int e = weights_rows(file_of(f), name, 0, n, row, &here);
    return e ? e : to_device(f, here, near, dtype, out);
}

static const char *weights_ext_meta(const kiln_file *f, const char *key)
{
    return weights_meta(file_of(f), key);
}

static int weights_ext_json(const kiln_file *f, const char *document, const char *pointer,
                            double *number, const char **text)
{
    return weights_json(file_of(f), document, pointer, number, text);
}

static int weights_ext_write(const kiln_host *h, const char *path, uint32_t n,
                             const char *const *name, const kiln_tensor *const *tensor,
                             const char *const *meta)
{
    const kiln_tensor **here = xcalloc(n, sizeof(*here));
    int e = KILN_OK;
    (void)h;
    for (uint32_t i = 0; i < n && !e; i++) {
        kiln_tensor *copy;
        here[i] = tensor[i];
        if (tensor[i]->device.type == KILN_DEVICE_CPU)
            continue;
        e = tensor_new(tensor_dtype(tensor[i]), tensor[i]->ndim, tensor[i]->shape, &copy);
        here[i] = e ? NULL : copy;
        e = e ? e : tensor_copy_raw(copy, tensor[i]);
    }
    e = e ? e : weights_write(path, n, name, here, meta);
    for (uint32_t i = 0; i < n; i++)
        if (here[i] != tensor[i])
            tensor_unref(here[i]);
    free(here);
    return e;
}

const kiln_weights ext_weights = {
    .size = sizeof(ext_weights),
    .open = weights_ext_open,
    .close = weights_ext_close,
    .entry = weights_ext_entry,
    .tensor = weights_ext_tensor,
    .meta = weights_ext_meta,
    .json = weights_ext_json,
    .write = weights_ext_write,
    .stored = weights_ext_stored,
    .open_half = weights_ext_open_half,
    .rows = weights_ext_rows,
};

// ---- kiln.paths/1 -------------------------------------------------------------------------------

static const char *find(const kiln_host *h, const char *kind, const char *name)
{
    static char *model;
    (void)h;
    if (!strcmp(kind, "data"))
        return path_data(name);
    if (strcmp(kind, "models"))
        return NULL;
    free(model);
    model = NULL;
    return path_model(name, &model) ? NULL : model;
}

static const kiln_paths ext_paths = {.size = sizeof(ext_paths), .find = find};

const void *extension_find(const char *id)
{
    if (!strcmp(id, "kiln.ops/1"))
        return ops_checked();
    if (!strcmp(id, "kiln.state/1"))
        return &ext_state;
    if (!strcmp(id, "kiln.weights/1"))
        return &ext_weights;
    if (!strcmp(id, "kiln.paths/1"))
        return &ext_paths;
    if (!strcmp(id, "kiln.cuda/1"))
        return ext_cuda();
    return NULL;
}
