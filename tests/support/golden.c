// SPDX-License-Identifier: MIT
#include "tests/support/golden.h"

#include <stdlib.h>
#include <string.h>

struct golden {
    char *header;  // JSON, ended by a NUL
    unsigned char *data;
};

static void stop(const char *why, const char *what)
{
    fprintf(stderr, "golden: %s '%s'\n", why, what);
    abort();
}

golden *golden_open(const char *name)
{
    char path[4096];
    const char *root = getenv("top_srcdir");
    if (!root)
        root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/%s", root ? root : ".", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        stop("cannot open", path);
    golden *g = calloc(1, sizeof(*g));
    unsigned char length[8];
    size_t n = 0, room = 16u << 20;
    if (!g || fread(length, 1, 8, f) != 8)
        stop("cannot read", path);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | length[i];
    g->header = calloc(1, n + 1);
    g->data = malloc(room);
    if (!g->header || !g->data || fread(g->header, 1, n, f) != n ||
        fread(g->data, 1, room, f) == room)
        stop("cannot read", path);
    fclose(f);
    return g;
}

void golden_close(golden *g)
{
    free(g->header);
    free(g->data);
    free(g);
}

// Behind `"tensor":{` of the header; NULL: there is none.
static const char *entry(const golden *g, const char *tensor)
{
    char key[256];
    snprintf(key, sizeof(key), "\"%s\":{", tensor);
    const char *p = strstr(g->header, key);
    return p ? p + strlen(key) : NULL;
}

int golden_has(const golden *g, const char *tensor)
{
    return entry(g, tensor) != NULL;
}

// The value of a field of an entry.
static const char *field(const char *p, const char *name)
{
    const char *at = strstr(p, name);
    if (!at)
        stop("no field", name);
    return at + strlen(name);
}

kiln_tensor *golden_tensor(const golden *g, const kiln_host *h, const char *tensor)
{
    static const struct {
        const char *name;
        int dtype;
    } types[] = {{"\"F32\"", KILN_F32}, {"\"F64\"", KILN_F64},   {"\"F16\"", KILN_F16},
                 {"\"I32\"", KILN_I32}, {"\"BF16\"", KILN_BF16}, {"\"I64\"", KILN_I64},
                 {"\"U8\"", KILN_U8}};
    const char *p = entry(g, tensor);
    if (!p)
        stop("there is no", tensor);
    int dtype = 0;
    int32_t ndim = 0;
    int64_t shape[8];
    const char *type = field(p, "\"dtype\":");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (!strncmp(type, types[i].name, strlen(types[i].name)))
            dtype = types[i].dtype;
    for (const char *s = field(p, "\"shape\":["); *s != ']' && ndim < 8; s += *s == ',') {
        char *end;
        shape[ndim++] = strtoll(s, &end, 10);
        s = end;
    }
    char *end;
    size_t begin = strtoull(field(p, "\"data_offsets\":["), &end, 10);
    size_t bytes = strtoull(end + 1, NULL, 10) - begin;
    kiln_tensor *t = NULL;
    if (!dtype || h->tensor_new(h, NULL, dtype, ndim, shape, &t))
        stop("cannot make", tensor);
    memcpy(t->data, g->data + begin, bytes);
    return t;
}
