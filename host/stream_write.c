// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "file.h"
#include "safetensors.h"
#include "stream.h"
#include "utf8.h"

// What goes into a document: borrowed tensors and owned texts.
struct writing {
    const char **name;
    const kiln_tensor **tensor;
    struct st_string *string;
    kiln_tensor **own;  // made for this document
    char **text;        // likewise
    size_t n, n_strings, n_own, n_texts;
};

static void add_tensor(struct writing *w, const char *name, const kiln_tensor *t)
{
    w->name = xrealloc((void *)(uintptr_t)w->name, w->n + 1, sizeof(*w->name));
    w->tensor = xrealloc((void *)(uintptr_t)w->tensor, w->n + 1, sizeof(*w->tensor));
    w->name[w->n] = name;
    w->tensor[w->n++] = t;
}

static int add_array(struct writing *w, const char *name, int dtype, int64_t n, const void *data)
{
    kiln_tensor *t;
    int e = tensor_new(dtype, 1, &n, &t);
    if (e)
        return e;
    memcpy(tensor_data(t), data, tensor_bytes(t));
    GROW(w->own, w->n_own);
    w->own[w->n_own++] = t;
    add_tensor(w, name, t);
    return KILN_OK;
}

static char *keep_text(struct writing *w, char *s)
{
    GROW(w->text, w->n_texts);
    return w->text[w->n_texts++] = s;
}

static void add_string(struct writing *w, const char *key, const char *value)
{
    GROW(w->string, w->n_strings);
    w->string[w->n_strings++] = (struct st_string){key, value};
}

static void add_text(struct writing *w, const char *key, struct text *t)
{
    add_string(w, key, keep_text(w, text_take(t)));
}

static void writing_free(struct writing *w)
{
    for (size_t i = 0; i < w->n_own; i++)
        tensor_unref(w->own[i]);
    for (size_t i = 0; i < w->n_texts; i++)
        free(w->text[i]);
    free(w->own);
    free(w->text);
    free((void *)(uintptr_t)w->name);
    free((void *)(uintptr_t)w->tensor);
    free(w->string);
}

static void json_list(struct text *t, char *const *s, size_t n)
{
    text_add(t, "[");
    for (size_t i = 0; i < n; i++) {
        text_add(t, i ? "," : "");
        text_json(t, s[i]);
    }
    text_add(t, "]");
}

static void json_pending(struct text *t, const struct pending *p, size_t n)
{
    text_add(t, "[");
    for (size_t i = 0; i < n; i++, p++) {
        text_format(t, "%s{\"kind\":\"%s\",\"line\":", i ? "," : "", kind_name(p->kind));
        text_json(t, p->bound->line);
        text_format(t, ",\"no\":%lld,\"use\":%lld", (long long)p->no, (long long)p->use);
        for (size_t k = 0; k < p->n_branches; k++) {
            const struct branch *b = &p->branch[k];
            text_add(t, k ? ",{\"prompts\":[" : ",\"branches\":[{\"prompts\":[");
            for (size_t j = 0; j < b->n_prompts; j++) {
                text_add(t, j ? "," : "");
                text_json(t, prompt_text(b->prompt[j]));
            }
            text_add(t, "],\"lines\":");
            json_pending(t, b->line, b->n);
            text_add(t, "}");
        }
        text_add(t, p->n_branches ? "]}" : "}");
    }
    text_add(t, "]");
}

static void json_net(struct text *t, const kiln_net *n)
{
    text_format(t, "{\"channels\":%lld,\"height\":%lld,\"width\":%lld,\"multiple\":%lld,",
                (long long)n->chw[0], (long long)n->chw[1], (long long)n->chw[2],
                (long long)n->multiple);
    text_format(t,
                "\"aux\":%lld,\"cond\":%u,\"flags\":%u,\"pred\":%u,\"variance\":%u,\"steps\":%u,",
                (long long)n->aux, n->n_cond, n->flags, n->pred, n->variance, n->steps);
    text_add(t, "\"lo\":");
    text_double(t, n->lo);
    text_add(t, ",\"hi\":");
    text_double(t, n->hi);
    text_add(t, ",\"threshold\":");
    text_double(t, n->threshold);
    if (n->spacing || n->offset)
        text_format(t, ",\"spacing\":%u,\"offset\":%u", n->spacing, n->offset);
    if (n->quantile > 0) {
        text_add(t, ",\"quantile\":");
        text_double(t, n->quantile);
    }
    if (n->lambda_min < 0) {
        text_add(t, ",\"lambda_min\":");
        text_double(t, n->lambda_min);
    }
    text_add(t, "}");
}

// The prompts of rows and conds as a list; row i gets its place in it.
static int add_prompts(struct writing *w, const struct state *s)
{
    int64_t *handle = xcalloc((size_t)s->n + s->n_cond, sizeof(*handle));
    int32_t *row = xcalloc((size_t)s->n, sizeof(*row));
    size_t n = 0;
    struct text t = {0};
    for (size_t i = 0; i < s->n_cond; i++) {
        handle[n++] = s->cond[i].prompt;  // cond.i belongs to prompt i
        add_tensor(w, keep_text(w, xformat("cond.%zu", i)), s->cond[i].tensor);
    }
    for (int64_t i = 0; i < s->n; i++) {
        size_t k = 0;
        while (k < n && handle[k] != s->prompt[i])
            k++;
        row[i] = s->prompt[i] < 0 ? -1 : (int32_t)k;
        if (s->prompt[i] >= 0 && k == n)
            handle[n++] = s->prompt[i];
    }
    text_add(&t, "[");
    for (size_t i = 0; i < n; i++) {
        text_add(&t, i ? "," : "");
        text_json(&t, prompt_text(handle[i]));
    }
    text_add(&t, "]");
    if (n)
        add_text(w, "kiln.prompts", &t);
    text_free(&t);
    int e = s->n && n ? add_array(w, "prompt", KILN_I32, s->n, row) : KILN_OK;
    free(handle);
    free(row);
    return e;
}

static int add_rows(struct writing *w, const struct state *s)
{
    int e = KILN_OK;
    if (s->image)
        add_tensor(w, "image", s->image);
    if (s->n) {
        e = add_array(w, "id", KILN_I64, s->n, s->id);
        e = e ? e : add_array(w, "t", KILN_F64, s->n, s->t);
        if (!e && s->score)
            e = add_array(w, "score", KILN_F64, s->n, s->score);
    }
    if (!e && s->net && s->net->net.n_t) {
        e = add_array(w, "alpha", KILN_F64, s->net->net.n_t, s->net->net.alpha);
        e = e ? e : add_array(w, "sigma", KILN_F64, s->net->net.n_t, s->net->net.sigma);
    }
    for (size_t i = 0; i < s->n_tensors; i++)
        if (*s->tensor[i].name != '.')  // lent to a plugin, no part of the State
            add_tensor(w, s->tensor[i].name, s->tensor[i].tensor);
    return e ? e : add_prompts(w, s);
}

static void add_strings(struct writing *w, const struct state *s)
{
    struct text t = {0};
    add_string(w, "kiln.stream", "1");
    add_string(w, "kiln.doc", keep_text(w, xformat("%lld", (long long)s->doc)));
    if (s->docs >= 0)
        add_string(w, "kiln.docs", keep_text(w, xformat("%lld", (long long)s->docs)));
    add_string(w, "kiln.seed", keep_text(w, xformat("%llu", (unsigned long long)s->seed)));
    add_string(w, "kiln.rng", s->rng);
    if (s->taken)
        add_string(w, "kiln.taken", keep_text(w, xformat("%lld", (long long)s->taken)));
    if (s->waiting)
        add_string(w, "kiln.waiting", keep_text(w, xformat("%lld", (long long)s->waiting)));
    text_double(&t, s->lo);
    text_add(&t, ",");
    text_double(&t, s->hi);
    add_text(w, "kiln.range", &t);
    if (s->net) {
        json_net(&t, &s->net->net);
        add_text(w, "kiln.net", &t);
        add_string(w, "kiln.t_first",
                   keep_text(w, xformat("%lld", (long long)s->net->net.t_first)));
    }
    if (s->name)
        add_string(w, "kiln.name", s->name);
    if (s->n_pending) {
        json_pending(&t, s->pending, s->n_pending);
        add_text(w, "kiln.pending", &t);
    }
    if (s->next_no)
        add_string(w, "kiln.lines", keep_text(w, xformat("%lld", (long long)s->next_no)));
    json_list(&t, s->chain, s->n_chain);
    add_text(w, "kiln.chain", &t);
    if (s->inputs.n) {
        origins_write(&t, &s->inputs, 0);
        add_text(w, "kiln.inputs", &t);
    }
    if (s->n_draws) {
        text_add(&t, "{");
        for (size_t i = 0; i < s->n_draws; i++) {
            text_add(&t, i ? "," : "");
            text_json(&t, s->draws[i].name);
            text_format(&t, ":%lld", (long long)s->draws[i].count);
        }
        text_add(&t, "}");
        add_text(w, "kiln.draws", &t);
    }
    for (size_t i = 0; i < s->n_texts; i++)
        add_string(w, s->text[i].key, s->text[i].value);
    text_free(&t);
}

static int write_document(int fd, struct writing *w)
{
    uint32_t *order = xcalloc(w->n, sizeof(*order));
    void *head = NULL;
    size_t bytes;
    int e = st_header_write((uint32_t)w->n, w->name, w->tensor, (uint32_t)w->n_strings, w->string,
                            order, &head, &bytes);
    e = e ? e : fd_write(fd, "standard output", head, bytes);
    for (size_t i = 0; i < w->n && !e; i++) {
        const kiln_tensor *t = w->tensor[order[i]];
        e = tensor_home(t);
        if (!e && tensor_bytes(t))
            e = fd_write(fd, "standard output", tensor_data(t), tensor_bytes(t));
    }
    free(head);
    free(order);
    return e;
}

int stream_write(int fd, const struct state *s)
{
    struct writing w = {0};
    int e = add_rows(&w, s);
    if (!e) {
        add_strings(&w, s);
        e = write_document(fd, &w);
    }
    writing_free(&w);
    return e;
}

int stream_write_end(int fd, int64_t docs)
{
    struct writing w = {0};
    add_string(&w, "kiln.stream", "1");
    add_string(&w, "kiln.end", keep_text(&w, xformat("%lld", (long long)docs)));
    int e = write_document(fd, &w);
    writing_free(&w);
    return e;
}

static int write_message(int fd, const char *key, int64_t doc, int64_t docs, int code,
                         const char *message)
{
    struct writing w = {0};
    struct text t = {0};
    char *text = xstrdup(message);
    for (char *c = text; *c; c++) {  // names of files in it are any bytes
        size_t n = utf8_length(c);
        if (n)
            c += n - 1;
        else
            *c = '?';
    }
    text_format(&t, "{\"code\":%d,\"message\":", code);
    text_json(&t, text);
    free(text);
    text_add(&t, "}");
    add_string(&w, "kiln.stream", "1");
    add_string(&w, "kiln.doc", keep_text(&w, xformat("%lld", (long long)doc)));
    if (docs >= 0)
        add_string(&w, "kiln.docs", keep_text(&w, xformat("%lld", (long long)docs)));
    add_text(&w, key, &t);
    int e = write_document(fd, &w);
    writing_free(&w);
    return e;
}

int stream_write_error(int fd, int64_t doc, int code, const char *message)
{
    return write_message(fd, "kiln.error", doc, -1, code, message);
}

int stream_write_note(int fd, int64_t doc, int64_t docs, int code, const char *message)
{
    return write_message(fd, "kiln.note", doc, docs, code, message);
}
