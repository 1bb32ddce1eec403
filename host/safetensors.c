// SPDX-License-Identifier: MIT
#include "safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "safetensors_text.h"

enum { TYPES = sizeof(st_type_names) / sizeof(st_type_names[0]) };

struct parsed {
    json_t *root;       // owns the texts
    uint32_t *by_name;  // indices into tensor, sorted by name
};

static int bad(const char *name, const char *why)
{
    return fail(KILN_ERR_IO, "safetensors header: tensor '%.*s': %s", st_clip(name), name, why);
}

static int parse_type(const char *s)
{
    for (int k = 1; k < TYPES; k++)
        if (!strcmp(s, st_type_names[k]))
            return k;
    return 0;
}

static int parse_shape(const json_t *shape, struct st_tensor *t, uint64_t *bytes)
{
    size_t n = json_array_size(shape);
    if (n > TENSOR_MAX_DIM)
        return bad(t->name, "more than 8 dimensions");
    t->ndim = (int32_t)n;
    *bytes = dtype_size(t->dtype);
    int empty = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(shape, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return bad(t->name, "a size that is not a whole number >= 0");
        t->shape[i] = (int64_t)json_integer_value(v);
        if (!t->shape[i])
            empty = 1;
        else if (__builtin_mul_overflow(*bytes, (uint64_t)t->shape[i], bytes) || *bytes > INT64_MAX)
            return bad(t->name, "its size overflows");
    }
    if (empty)
        *bytes = 0;
    return KILN_OK;
}

static int parse_tensor(const char *name, json_t *entry, struct st_tensor *t)
{
    t->name = name;
    if (!json_is_object(entry))
        return bad(name, "not an object");
    const json_t *type = NULL, *shape = NULL, *offsets = NULL, *value;
    const char *key;
    for (void *it = json_object_iter(entry); it; it = json_object_iter_next(entry, it)) {
        key = json_object_iter_key(it);
        value = json_object_iter_value(it);
        if (!strcmp(key, "dtype") && json_is_string(value))
            type = value;
        else if (!strcmp(key, "shape") && json_is_array(value))
            shape = value;
        else if (!strcmp(key, "data_offsets") && json_is_array(value))
            offsets = value;
        else
            return fail(KILN_ERR_IO,
                        "safetensors header: tensor '%.*s': field '%.*s' is unknown or of a wrong "
                        "type",
                        st_clip(name), name, st_clip(key), key);
    }
    if (!type || !shape || !offsets)
        return bad(name, !type    ? "'dtype' is missing"
                         : !shape ? "'shape' is missing"
                                  : "'data_offsets' is missing");
    const char *type_name = json_string_value(type);
    t->dtype = parse_type(type_name);
    if (!t->dtype)
        return fail(KILN_ERR_IO, "safetensors header: tensor '%.*s': unknown type '%.*s'",
                    st_clip(name), name, st_clip(type_name), type_name);
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return bad(name, "'data_offsets' are not two whole numbers, 0 <= begin <= end");
    t->begin = (uint64_t)json_integer_value(begin);
    t->end = (uint64_t)json_integer_value(end);
    uint64_t bytes = 0;
    int e = parse_shape(shape, t, &bytes);
    if (e)
        return e;
    if (t->end - t->begin != bytes)
        return fail(KILN_ERR_IO,
                    "safetensors header: tensor '%.*s': %s of type %s is %llu bytes, but its "
                    "offsets hold %llu",
                    st_clip(name), name, shape_text(t->ndim, t->shape), st_type_names[t->dtype],
                    (unsigned long long)bytes, (unsigned long long)(t->end - t->begin));
    return KILN_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int parse_metadata(json_t *object, struct st_header *h)
{
    if (!json_is_object(object))
        return fail(KILN_ERR_IO, "safetensors header: '" ST_METADATA "' is not an object");
    h->string = calloc(json_object_size(object) + 1, sizeof(*h->string));
    if (!h->string)
        return fail(KILN_ERR_MEMORY, "out of memory");
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *value = json_object_iter_value(it);
        if (!json_is_string(value))
            return fail(KILN_ERR_IO, "safetensors header: metadata '%.*s' is not a string",
                        st_clip(key), key);
        h->string[h->n_strings++] = (struct st_string){key, json_string_value(value)};
    }
    qsort(h->string, h->n_strings, sizeof(*h->string), st_by_key);
    return KILN_OK;
}

static int check_layout(struct st_header *h)
{
    qsort(h->tensor, h->n_tensors, sizeof(*h->tensor), by_place);
    uint64_t at = 0;
    for (uint32_t i = 0; i < h->n_tensors; i++) {
        const struct st_tensor *t = &h->tensor[i];
        if (t->begin < at)
            return bad(t->name, "its data overlaps another tensor's");
        if (t->begin > at)
            return bad(t->name, "a gap before its data");
        at = t->end;
    }
    h->data_bytes = at;
    return KILN_OK;
}

static int index_names(struct st_header *h)
{
    struct parsed *p = h->priv;
    struct st_pair *pair = malloc((h->n_tensors + 1u) * sizeof(*pair));
    p->by_name = malloc((h->n_tensors + 1u) * sizeof(*p->by_name));
    if (!pair || !p->by_name) {
        free(pair);
        return fail(KILN_ERR_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < h->n_tensors; i++)
        pair[i] = (struct st_pair){h->tensor[i].name, i};
    qsort(pair, h->n_tensors, sizeof(*pair), st_by_name);
    for (uint32_t i = 0; i < h->n_tensors; i++)
        p->by_name[i] = pair[i].index;
    free(pair);
    return KILN_OK;
}

static int parse_root(json_t *root, struct st_header *h)
{
    size_t n = json_object_size(root);
    h->tensor = calloc(n + 1, sizeof(*h->tensor));
    if (!h->tensor)
        return fail(KILN_ERR_MEMORY, "out of memory");
    for (void *it = json_object_iter(root); it; it = json_object_iter_next(root, it)) {
        const char *key = json_object_iter_key(it);
        json_t *value = json_object_iter_value(it);
        int e = strcmp(key, ST_METADATA) ? parse_tensor(key, value, &h->tensor[h->n_tensors++])
                                         : parse_metadata(value, h);
        if (e)
            return e;
    }
    int e = check_layout(h);
    return e ? e : index_names(h);
}

int st_parse(const char *json, size_t n, struct st_header *out)
{
    memset(out, 0, sizeof(*out));
    if (n > SAFETENSORS_MAX_HEADER)
        return fail(KILN_ERR_IO, "safetensors header: %zu bytes, more than the limit of 16 MiB", n);
    if (!n || json[0] != '{')
        return fail(KILN_ERR_IO, "safetensors header: does not begin with '{'");
    struct parsed *p = calloc(1, sizeof(*p));
    if (!p)
        return fail(KILN_ERR_MEMORY, "out of memory");
    out->priv = p;
    json_error_t why;
    p->root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &why);
    int e = p->root
                ? parse_root(p->root, out)
                : fail(KILN_ERR_IO, "safetensors header: %s at byte %d", why.text, why.position);
    if (e)
        st_free(out);
    return e;
}

void st_free(struct st_header *h)
{
    struct parsed *p = h->priv;
    if (p) {
        json_decref(p->root);
        free(p->by_name);
        free(p);
    }
    free(h->tensor);
    free(h->string);
    memset(h, 0, sizeof(*h));
}

const struct st_tensor *st_find(const struct st_header *h, const char *name)
{
    const struct parsed *p = h->priv;
    uint32_t low = 0, high = h->n_tensors;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct st_tensor *t = &h->tensor[p->by_name[mid]];
        int order = strcmp(name, t->name);
        if (!order)
            return t;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const char *st_string(const struct st_header *h, const char *key)
{
    struct st_string wanted = {key, NULL};
    if (!h->n_strings)
        return NULL;
    const struct st_string *s =
        bsearch(&wanted, h->string, h->n_strings, sizeof(wanted), st_by_key);
    return s ? s->value : NULL;
}
