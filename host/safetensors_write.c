// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "safetensors.h"
#include "safetensors_text.h"
#include "utf8.h"

// A growing text that remembers its first failure, so that callers check once.
struct header_text {
    char *p;
    size_t n, room;
    int error;
};

static void put(struct header_text *t, const char *s, size_t n)
{
    if (t->error)
        return;
    if (n > SAFETENSORS_MAX_HEADER + 8u - t->n) {
        t->error = fail(KILN_ERR_ARG, "a safetensors header larger than 16 MiB");
        return;
    }
    if (t->n + n > t->room) {
        size_t room = 2 * t->room + n + 256;
        char *p = realloc(t->p, room);
        if (!p) {
            t->error = fail(KILN_ERR_MEMORY, "out of memory");
            return;
        }
        t->p = p;
        t->room = room;
    }
    memcpy(t->p + t->n, s, n);
    t->n += n;
}

static void puts_text(struct header_text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_number(struct header_text *t, uint64_t v)
{
    char s[24];
    put(t, s, (size_t)snprintf(s, sizeof(s), "%llu", (unsigned long long)v));
}

static void put_string(struct header_text *t, const char *s)
{
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    put(t, "\"", 1);
    for (const char *p = s; *p;) {
        size_t n = utf8_length(p);
        unsigned char c = (unsigned char)*p;
        char escape[8];
        if (!n) {
            if (!t->error)
                t->error =
                    fail(KILN_ERR_ARG, "a name or text that is not UTF-8: '%.*s'", st_clip(s), s);
            return;
        }
        if (c == '"' || c == '\\')
            put(t, (char[]){'\\', *p}, 2);
        else if (c < 0x20 && short_form[c])
            put(t, (char[]){'\\', short_form[c]}, 2);
        else if (c < 0x20)
            put(t, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
        else
            put(t, p, n);
        p += n;
    }
    put(t, "\"", 1);
}

static int put_metadata(struct header_text *t, uint32_t m, const struct st_string *string)
{
    struct st_string *sorted = malloc((m + 1u) * sizeof(*sorted));
    if (!sorted)
        return fail(KILN_ERR_MEMORY, "out of memory");
    if (m)
        memcpy(sorted, string, m * sizeof(*sorted));
    qsort(sorted, m, sizeof(*sorted), st_by_key);
    if (m)
        puts_text(t, "\"" ST_METADATA "\":{");
    for (uint32_t i = 0; i < m; i++) {
        if (i && !strcmp(sorted[i - 1].key, sorted[i].key) && !t->error)
            t->error = fail(KILN_ERR_ARG, "two metadata texts are named '%.*s'",
                            st_clip(sorted[i].key), sorted[i].key);
        if (i)
            put(t, ",", 1);
        put_string(t, sorted[i].key);
        put(t, ":", 1);
        put_string(t, sorted[i].value);
    }
    if (m)
        put(t, "}", 1);
    free(sorted);
    return t->error;
}

static int put_tensor(struct header_text *t, const char *name, const kiln_tensor *tensor,
                      uint64_t *at)
{
    int dtype = tensor_dtype(tensor);
    if (!dtype)
        return t->error = fail(KILN_ERR_ARG, "tensor '%.*s' is of no type that can be written",
                               st_clip(name), name);
    put_string(t, name);
    puts_text(t, ":{\"dtype\":\"");
    puts_text(t, st_type_names[dtype]);
    puts_text(t, "\",\"shape\":[");
    for (int32_t i = 0; i < tensor->ndim; i++) {
        if (i)
            put(t, ",", 1);
        put_number(t, (uint64_t)tensor->shape[i]);
    }
    puts_text(t, "],\"data_offsets\":[");
    put_number(t, *at);
    put(t, ",", 1);
    put_number(t, *at += tensor_bytes(tensor));
    puts_text(t, "]}");
    return t->error;
}

static int put_tensors(struct header_text *t, uint32_t n, const char *const *name,
                       const kiln_tensor *const *tensor, uint32_t *order, int comma)
{
    struct st_pair *pair = malloc((n + 1u) * sizeof(*pair));
    if (!pair)
        return fail(KILN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        pair[i] = (struct st_pair){name[i], i};
    qsort(pair, n, sizeof(*pair), st_by_name);
    uint64_t at = 0;
    for (uint32_t i = 0; i < n && !t->error; i++) {
        const char *s = pair[i].name;
        if (!strcmp(s, ST_METADATA) || (i && !strcmp(s, pair[i - 1].name)))
            t->error = fail(KILN_ERR_ARG, "two tensors cannot be named '%.*s'", st_clip(s), s);
        if (i || comma)
            put(t, ",", 1);
        put_tensor(t, s, tensor[pair[i].index], &at);
        order[i] = pair[i].index;
    }
    free(pair);
    return t->error;
}

int st_header_write(uint32_t n, const char *const *name, const kiln_tensor *const *tensor,
                    uint32_t m, const struct st_string *string, uint32_t *order, void **out,
                    size_t *bytes)
{
    struct header_text t = {0};
    *out = NULL;
    *bytes = 0;
    put(&t, "\0\0\0\0\0\0\0\0{", 9);
    int e = put_metadata(&t, m, string);
    if (!e)
        e = put_tensors(&t, n, name, tensor, order, m > 0);
    put(&t, "}", 1);
    while (t.n % 64 && !t.error)
        put(&t, " ", 1);
    if (e || t.error) {
        free(t.p);
        return e ? e : t.error;
    }
    for (int i = 0; i < 8; i++)
        t.p[i] = (char)((t.n - 8) >> 8 * i);
    *out = t.p;
    *bytes = t.n;
    return KILN_OK;
}
