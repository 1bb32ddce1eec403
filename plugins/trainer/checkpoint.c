// Files that a training writes: the weights of an epoch, and a checkpoint with all that a run needs
// to go on to the same bits.
// SPDX-License-Identifier: MIT
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { N_SETTINGS = 13, VALUE = 64 };

// What decides the weights that come out, as texts; equal ones give the same bits.
struct settings {
    const char *key[N_SETTINGS], *what[N_SETTINGS];
    char value[N_SETTINGS][VALUE];
    int n;
};

const char *objective_name(const struct train *s)
{
    static const char *const names[] = {"eps", "denoise", "flow"};
    return names[s->base.args[P_OBJECTIVE].i];
}

static void add(struct settings *all, const char *key, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void add(struct settings *all, const char *key, const char *what, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(all->value[all->n], VALUE, format, ap);
    va_end(ap);
    all->key[all->n] = key;
    all->what[all->n++] = what;
}

static void settings(const struct train *s, struct settings *all)
{
    const kiln_value *a = s->base.args;
    *all = (struct settings){0};
    add(all, "train.objective", "objective", "%s", objective_name(s));
    add(all, "train.epochs", "epochs", "%lld", (long long)a[P_EPOCHS].i);
    add(all, "train.batch", "batch", "%lld", (long long)a[P_BATCH].i);
    add(all, "train.lr", "lr", "%.17g", a[P_LR].f);
    add(all, "train.lr_end", "lr_end", "%.17g", a[P_LR_END].f);
    add(all, "train.sigma", "sigma", "%.17g", a[P_SIGMA].f);
    add(all, "train.p_uncond", "p_uncond", "%.17g", a[P_UNCOND].f);
    add(all, "train.images", "the number of images", "%lld", (long long)s->data.n);
    add(all, "train.data", "the images and prompts", "%08lx", (unsigned long)s->data.digest);
    add(all, "train.start", "the weights to start from", "%08lx", (unsigned long)s->start_digest);
    add(all, "train.random", "the random numbers (seed)", "%08lx", (unsigned long)s->draws_digest);
}

static char *join(const char *a, const char *b, const char *c)
{
    size_t room = strlen(a) + strlen(b) + strlen(c) + 1;
    char *out = malloc(room);
    if (out)
        snprintf(out, room, "%s%s%s", a, b, c);
    return out;
}

int write_weights(struct train *s, const char *path)
{
    uint32_t n = s->job->n_weights;
    const char **name = calloc(n, sizeof(*name));
    const kiln_tensor **tensor = calloc(n, sizeof(*tensor));
    const char *const meta[] = {"kiln.net", s->job->config, "kiln.objective", objective_name(s),
                                NULL};
    int e = name && tensor ? KILN_OK : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n && !e; i++) {
        name[i] = s->job->weight[i].name;
        tensor[i] = s->job->weight[i].value;
    }
    e = e ? e : s->weights->write(s->base.host, path, n, name, tensor, meta);
    free(name);
    free(tensor);
    return e;
}

int keep_epoch(struct train *s, int64_t epoch)
{
    const char *out = s->base.args[P_OUT].s, *end = ".safetensors";
    size_t n = strlen(out), k = strlen(end);
    char number[32];
    int whole = n > k && !strcmp(out + n - k, end);
    snprintf(number, sizeof(number), ".e%lld", (long long)epoch);
    char *stem = join(out, "", "");
    if (stem && whole)
        stem[n - k] = 0;
    char *path = stem ? join(stem, number, whole ? end : "") : NULL;
    int e = path ? write_weights(s, path) : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    free(stem);
    free(path);
    return e;
}

// The tensors of a checkpoint; names are ours to free.
struct parts {
    uint32_t n;
    char **name;
    kiln_tensor **tensor;
};

static void parts_free(struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        free(p->name[i]);
    free(p->name);
    free(p->tensor);
}

static int part(struct train *s, struct parts *p, const char *prefix, const char *name,
                kiln_tensor *t)
{
    p->name[p->n] = join(prefix, name, "");
    if (!p->name[p->n])
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    p->tensor[p->n++] = t;
    return KILN_OK;
}

static int parts_list(struct train *s, struct parts *p)
{
    uint32_t n = s->job->n_weights;
    p->name = calloc(3 * (size_t)n + 1, sizeof(*p->name));
    p->tensor = calloc(3 * (size_t)n + 1, sizeof(*p->tensor));
    int e = p->name && p->tensor ? KILN_OK : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n && !e; i++) {
        const kiln_weight *w = &s->job->weight[i];
        e = part(s, p, "weight.", w->name, w->value);
        if (!e && s->m[i])
            e = part(s, p, "adam.m.", w->name, s->m[i]);
        if (!e && s->m[i])
            e = part(s, p, "adam.v.", w->name, s->v[i]);
    }
    return e;
}

int checkpoint_write(struct train *s)
{
    const kiln_host *h = s->base.host;
    struct settings all;
    struct parts p = {0};
    kiln_tensor *log = NULL;
    char step[32], rows[32];
    settings(s, &all);
    snprintf(step, sizeof(step), "%lld", (long long)s->step);
    snprintf(rows, sizeof(rows), "%zu", s->n_records);
    const char *meta[2 * N_SETTINGS + 11] = {
        "kiln.net",   s->job->config, "kiln.objective", objective_name(s),
        "train.step", step,           "train.rows",     rows};
    for (int i = 0; i < all.n; i++) {
        meta[8 + 2 * i] = all.key[i];
        meta[9 + 2 * i] = all.value[i];
    }
    int e = parts_list(s, &p);
    if (!e && s->n_records) {
        const int64_t shape[] = {(int64_t)s->n_records, RECORD_COLUMNS};
        e = h->tensor_new(h, NULL, KILN_F64, 2, shape, &log);
        if (!e)
            memcpy(log->data, s->record, s->n_records * sizeof(*s->record));
        e = e ? e : part(s, &p, "log", "", log);
    }
    e = e ? e
          : s->weights->write(h, s->checkpoint, p.n, (const char *const *)p.name,
                              (const kiln_tensor *const *)p.tensor, meta);
    h->tensor_free(h, log);
    parts_free(&p);
    if (!e) {
        s->saved_step = s->step;
        s->saved_at = seconds();
    }
    return e;
}

// Every setting that differs is named, with both values.
static int compare(struct train *s, const kiln_file *f)
{
    struct settings all;
    char why[400] = "";
    size_t at = 0;
    const char *net = s->weights->meta(f, "kiln.net");
    settings(s, &all);
    if (!net || strcmp(net, s->job->config))
        at += (size_t)snprintf(why, sizeof(why), "; the net differs");
    for (int i = 0; i < all.n; i++) {
        const char *had = s->weights->meta(f, all.key[i]);
        if (had && !strcmp(had, all.value[i]))
            continue;
        // Where the rate does not hang on their number, there may be more epochs.
        if (had && !strcmp(all.key[i], "train.epochs") && s->base.args[P_LR_END].f <= 0 &&
            strtoll(had, NULL, 10) < s->base.args[P_EPOCHS].i)
            continue;
        if (at < sizeof(why))
            at += (size_t)snprintf(why + at, sizeof(why) - at, "; %s was %s, is %s", all.what[i],
                                   had ? had : "not said", all.value[i]);
    }
    if (*why)
        return kiln_fail(&s->base, KILN_ERR_ARG, "'%s' is of another training: %s", s->checkpoint,
                         why + 2);
    return KILN_OK;
}

static int read_into(struct train *s, const kiln_file *f, const char *prefix, const char *name,
                     kiln_tensor *to)
{
    const kiln_host *h = s->base.host;
    char *full = join(prefix, name, "");
    kiln_tensor *t = NULL;
    if (!full)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    int e = s->weights->tensor(h, f, full, h->device, KILN_F32, to->ndim, to->shape, &t);
    e = e ? e : h->tensor_copy(h, to, t);
    h->tensor_free(h, t);
    free(full);
    return e;
}

static int read_records(struct train *s, const kiln_file *f)
{
    const kiln_host *h = s->base.host;
    const char *rows = s->weights->meta(f, "train.rows");
    const int64_t shape[] = {rows ? strtoll(rows, NULL, 10) : 0, RECORD_COLUMNS};
    kiln_tensor *t = NULL;
    if (shape[0] < 1)
        return KILN_OK;
    int e = s->weights->tensor(h, f, "log", NULL, KILN_F64, 2, shape, &t);
    for (int64_t i = 0; i < shape[0] && !e; i++) {
        struct record row;
        memcpy(&row, (const char *)t->data + t->byte_offset + (size_t)i * sizeof(row), sizeof(row));
        e = record_add(s, &row);
    }
    h->tensor_free(h, t);
    return e;
}

static int read_checkpoint(struct train *s)
{
    kiln_file *f;
    int e = s->weights->open(s->base.host, s->checkpoint, &f);
    if (e)
        return e;
    e = compare(s, f);
    const char *step = s->weights->meta(f, "train.step");
    int64_t at = step ? strtoll(step, NULL, 10) : -1;
    if (!e && (at < 0 || at > s->steps))
        e = kiln_fail(&s->base, KILN_ERR_IO, "'%s' is no checkpoint of this training",
                      s->checkpoint);
    for (uint32_t i = 0; i < s->job->n_weights && !e; i++) {
        const kiln_weight *w = &s->job->weight[i];
        e = read_into(s, f, "weight.", w->name, w->value);
        if (!e && s->m[i])
            e = read_into(s, f, "adam.m.", w->name, s->m[i]);
        if (!e && s->m[i])
            e = read_into(s, f, "adam.v.", w->name, s->v[i]);
    }
    e = e ? e : read_records(s, f);
    s->weights->close(s->base.host, f);
    s->step = s->saved_step = at;
    s->saved_at = seconds();
    return e;
}

static int digest_start(struct train *s)
{
    const kiln_host *h = s->base.host;
    int e = KILN_OK;
    for (uint32_t i = 0; i < s->job->n_weights && !e; i++) {
        const kiln_tensor *value = s->job->weight[i].value;
        kiln_tensor *t = NULL;
        e = h->tensor_new(h, NULL, KILN_F32, value->ndim, value->shape, &t);
        e = e ? e : h->tensor_copy(h, t, value);
        if (!e)
            s->start_digest = (uint32_t)crc32_z(s->start_digest, (const void *)kiln_f32(t),
                                                (size_t)kiln_numel(t) * sizeof(float));
        h->tensor_free(h, t);
    }
    return e;
}

int checkpoint_begin(struct train *s)
{
    const char *out = s->base.args[P_OUT].s;
    s->saved_step = -1;
    int e = digest_start(s);
    if (e)
        return e;
    s->checkpoint = join(out, ".ckpt", "");
    if (!s->checkpoint)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    int started = !access(s->checkpoint, F_OK), finished = !access(out, F_OK);
    if (started && s->base.args[P_RESUME].i)
        return read_checkpoint(s);
    if (started)
        return kiln_fail(&s->base, KILN_ERR_ARG,
                         "'%s' holds a training: go on with it by resume=yes, or remove it",
                         s->checkpoint);
    if (finished)
        return kiln_fail(&s->base, KILN_ERR_ARG,
                         "'%s' is there already%s: remove it, or name another", out,
                         s->base.args[P_RESUME].i ? ", without a checkpoint to go on from" : "");
    // Written before the first step: a place that cannot be written to shows now.
    return checkpoint_write(s);
}
