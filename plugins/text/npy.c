// SPDX-License-Identifier: MIT
#include "npy.h"

#include <string.h>

#include <kiln/kiln.h>

static const unsigned char magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

int npy_is_file(const unsigned char *p, size_t n)
{
    return n >= sizeof(magic) && !memcmp(p, magic, sizeof(magic));
}

// The header is a Python dictionary, written as text. Of Python it takes no more than what NumPy
// writes: {'descr': '<f2', 'fortran_order': False, 'shape': (77, 4096), }
struct reader {
    const char *s, *end;
};

static void blanks(struct reader *r)
{
    while (r->s < r->end && (*r->s == ' ' || *r->s == '\n'))
        r->s++;
}

static int take(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    blanks(r);
    if ((size_t)(r->end - r->s) < n || memcmp(r->s, word, n))
        return 0;
    r->s += n;
    return 1;
}

// A quoted text without escapes into word [size].
static int text(struct reader *r, char *word, size_t size)
{
    size_t n = 0;
    blanks(r);
    if (r->s == r->end || (*r->s != '\'' && *r->s != '"'))
        return 0;
    char quote = *r->s++;
    for (; r->s < r->end && *r->s != quote; r->s++) {
        if (n + 1 >= size || *r->s == '\\' || (unsigned char)*r->s < ' ')
            return 0;
        word[n++] = *r->s;
    }
    word[n] = 0;
    return r->s < r->end && *r->s++ == quote;
}

static int integer(struct reader *r, int64_t *out)
{
    int digits = 0;
    *out = 0;
    blanks(r);
    for (; r->s < r->end && *r->s >= '0' && *r->s <= '9'; r->s++, digits++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *r->s - '0', out))
            return 0;
    return digits > 0;
}

static const char *shape(struct reader *r, struct npy *out)
{
    if (!take(r, "("))
        return "its shape is no list of sizes";
    while (!take(r, ")")) {
        if (out->ndim == NPY_MAX_DIM)
            return "it has more than 8 dimensions";
        if (!integer(r, &out->shape[out->ndim++]))
            return "its shape is no list of sizes";
        if (!take(r, ",") && !(out->ndim > 1 && r->s < r->end && *r->s == ')'))
            return "its shape is no list of sizes";
    }
    return NULL;
}

static const char *type(const char *name, struct npy *out)
{
    static const struct {
        const char *name;
        int dtype;
    } types[] = {{"<f2", KILN_F16}, {"<f4", KILN_F32}, {"<f8", KILN_F64}};
    for (size_t i = 0; i < KILN_COUNT(types); i++)
        if (!strcmp(name, types[i].name)) {
            out->dtype = types[i].dtype;
            return NULL;
        }
    return *name == '>' ? "it was written in the byte order of another machine"
                        : "it holds no floats (<f2, <f4 or <f8)";
}

static const char *header(struct reader *r, struct npy *out)
{
    enum { DESCR = 1, FORTRAN = 2, SHAPE = 4, ALL = 7 };
    int seen = 0, key;
    char word[32];
    const char *why = NULL;
    if (!take(r, "{"))
        return "its header is no dictionary";
    while (!why && !take(r, "}")) {
        if (!text(r, word, sizeof(word)) || !take(r, ":"))
            return "its header is no dictionary";
        key = !strcmp(word, "descr")           ? DESCR
              : !strcmp(word, "fortran_order") ? FORTRAN
              : !strcmp(word, "shape")         ? SHAPE
                                               : 0;
        if (!key || (seen & key))
            return "its header has an entry that is unknown, or twice there";
        seen |= key;
        if (key == DESCR)
            why = text(r, word, sizeof(word)) ? type(word, out) : "it is no array of numbers";
        else if (key == SHAPE)
            why = shape(r, out);
        else if (take(r, "True"))
            out->fortran = 1;
        else if (!take(r, "False"))
            why = "'fortran_order' is neither True nor False";
        if (!why && !take(r, ",")) {
            blanks(r);
            if (r->s == r->end || *r->s != '}')
                why = "its header is no dictionary";
        }
    }
    blanks(r);
    if (!why && r->s < r->end)
        why = "something follows its header's dictionary";
    return why ? why : seen == ALL ? NULL : "its header lacks one of descr, fortran_order, shape";
}

const char *npy_parse(const unsigned char *p, size_t n, struct npy *out)
{
    *out = (struct npy){0};
    if (!npy_is_file(p, n) || n < 10)
        return "it is no file of NumPy's, or cut off";
    int wide = p[6] >= 2;
    if (p[6] < 1 || p[6] > 3 || p[7])
        return "it is of a version of the format that is not known (1.0, 2.0 and 3.0 are)";
    size_t begin = wide ? 12 : 10, length = p[8] | (size_t)p[9] << 8;
    if (n < begin)
        return "it is cut off in its header";
    if (wide)
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (length > n - begin)
        return "it is cut off in its header";
    const char *text_begin = (const char *)p + begin;
    struct reader r = {text_begin, text_begin + length};
    const char *why = header(&r, out);
    if (why)
        return why;
    uint64_t left = n - begin - length, size = out->dtype == KILN_F16   ? 2
                                               : out->dtype == KILN_F32 ? 4
                                                                        : 8;
    out->numel = 1;
    for (int32_t i = 0; i < out->ndim; i++)
        if (!out->shape[i] ||
            __builtin_mul_overflow(out->numel, (uint64_t)out->shape[i], &out->numel))
            return "a size in its shape is 0, or they are beyond all measure";
    if (out->numel > left / size)
        return "it is cut off: its shape says that there is more data";
    if (out->numel * size != left)
        return "something follows its data";
    out->data = p + begin + length;
    return NULL;
}
