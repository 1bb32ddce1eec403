// JSON files and JSON in metadata, by pointer.
// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "file.h"
#include "util.h"
#include "weights_part.h"

enum { MAX_DOCUMENT_BYTES = 64 << 20 };

struct document {
    char *name;
    json_t *root;  // NULL: there is no such document
};

// Parsed once, and kept, as texts of them were handed out.
struct weights_documents {
    pthread_mutex_t lock;
    struct document *document;
    uint32_t n;
};

struct weights_documents *weights_documents_new(void)
{
    struct weights_documents *d = xcalloc(1, sizeof(*d));
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void weights_documents_free(struct weights_documents *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        free(d->document[i].name);
        json_decref(d->document[i].root);
    }
    free(d->document);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

// A relative path that stays in the folder.
static int is_inside(const char *name)
{
    if (!*name || *name == '/')
        return 0;
    for (const char *p = name; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
            return 0;
    }
    return 1;
}

// Python's json writes numbers that JSON has not: they become texts.
static char *quote_constants(const char *text, size_t n, size_t *out_n)
{
    static const char *const constants[] = {"-Infinity", "Infinity", "NaN"};
    struct text t = {0};
    int in_text = 0;
    for (size_t i = 0, len; i < n; i += len) {
        const char *constant = NULL;
        for (size_t k = 0; k < 3 && !in_text && !constant; k++) {
            len = strlen(constants[k]);
            if (len <= n - i && !memcmp(text + i, constants[k], len))
                constant = constants[k];
        }
        if (constant) {
            text_format(&t, "\"%s\"", constant);
            continue;
        }
        len = in_text && text[i] == '\\' && i + 1 < n ? 2 : 1;
        if (text[i] == '"')
            in_text = !in_text;
        text_add_n(&t, text + i, len);
    }
    *out_n = t.n;
    return text_take(&t);
}

static int parse(const char *name, const char *text, size_t n, json_t **root)
{
    json_error_t why;
    char *json = quote_constants(text, n, &n);
    *root = json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    free(json);
    if (!*root)
        return fail(KILN_ERR_IO, "%s: %s in line %d", name, why.text, why.line);
    return KILN_OK;
}

static int load(const struct weights_file *f, const char *name, json_t **root)
{
    struct stat s;
    *root = NULL;
    if (f->folder && is_inside(name)) {
        char *path = xformat("%s/%s", f->path, name);
        void *bytes = NULL;
        size_t n;
        int there = !stat(path, &s);
        int e = there ? file_read(path, MAX_DOCUMENT_BYTES, &bytes, &n) : KILN_OK;
        if (there && !e)
            e = parse(path, bytes, n, root);
        free(bytes);
        free(path);
        if (there)
            return e;
    }
    const char *meta = weights_meta(f, name);
    return meta ? parse(name, meta, strlen(meta), root) : KILN_OK;
}

// Under the lock.
static int document(const struct weights_file *f, const char *name, json_t **root)
{
    struct weights_documents *d = f->documents;
    for (uint32_t i = 0; i < d->n; i++)
        if (!strcmp(d->document[i].name, name)) {
            *root = d->document[i].root;
            return KILN_OK;
        }
    int e = load(f, name, root);
    if (e)
        return e;
    GROW(d->document, d->n);
    d->document[d->n++] = (struct document){xstrdup(name), *root};
    return KILN_OK;
}

// One step of a pointer, unescaped ("~1" is '/', "~0" is '~'); *at moves on behind it.
static char *token(const char **at)
{
    size_t n = strcspn(*at, "/"), k = 0;
    char *s = xstrndup(*at, n);
    *at += n;
    for (size_t i = 0; i < n; i++, k++) {
        s[k] = s[i];
        if (s[i] == '~' && (s[i + 1] == '0' || s[i + 1] == '1'))
            s[k] = s[++i] == '0' ? '~' : '/';
    }
    s[k] = 0;
    return s;
}

static const json_t *follow(const json_t *v, const char *pointer)
{
    while (v && *pointer == '/') {
        pointer++;
        char *s = token(&pointer);
        int64_t i;
        if (json_is_array(v))
            v = parse_int(s, &i) && i >= 0 && (s[0] != '0' || !s[1]) ? json_array_get(v, (size_t)i)
                                                                     : NULL;
        else
            v = json_object_get(v, s);
        free(s);
    }
    return *pointer ? NULL : v;
}

int weights_json(const struct weights_file *f, const char *name, const char *pointer,
                 double *number, const char **text)
{
    json_t *root;
    *text = NULL;
    *number = 0;
    pthread_mutex_lock(&f->documents->lock);
    int e = document(f, name, &root);
    pthread_mutex_unlock(&f->documents->lock);
    if (e)
        return e;
    const json_t *v = follow(root, pointer);
    if (!v || json_is_null(v))
        return KILN_END;
    if (json_is_string(v))
        *text = json_string_value(v);
    else if (json_is_number(v))
        *number = json_number_value(v);
    else if (json_is_boolean(v))
        *number = json_is_true(v);
    else
        return fail(KILN_ERR_IO, "%s: '%s' is neither a number nor a text", name, pointer);
    return KILN_OK;
}
