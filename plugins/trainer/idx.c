// SPDX-License-Identifier: MIT
#include "idx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MAX_SIDE = 4096, MAX_BYTES = 1 << 30, PIECE = 1 << 24 };

static int bad(const kiln_self *self, const char *path, const char *why)
{
    return kiln_fail(self, KILN_ERR_IO, "'%s': %s", path, why);
}

// Exactly n bytes.
static int get(const kiln_self *self, gzFile f, const char *path, unsigned char *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        int got = gzread(f, to + at, (unsigned)(n - at < PIECE ? n - at : PIECE));
        if (got < 0)
            return bad(self, path, "the compressed data is damaged");
        if (!got)
            return bad(self, path, "cut short");
        at += (size_t)got;
    }
    return KILN_OK;
}

static int64_t big_endian(const unsigned char *p)
{
    return (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static int read_open(const kiln_self *self, gzFile f, const char *path, int ndim, struct idx *out)
{
    unsigned char head[16] = {0}, more;
    int e = get(self, f, path, head, 4);
    if (!e && (head[0] || head[1] || head[2] != 8 || head[3] != ndim))
        return bad(self, path, ndim == 3 ? "no IDX file of images" : "no IDX file of labels");
    e = e ? e : get(self, f, path, head + 4, (size_t)ndim * 4);
    if (e)
        return e;
    out->n = big_endian(head + 4);
    out->rows = ndim == 3 ? big_endian(head + 8) : 1;
    out->cols = ndim == 3 ? big_endian(head + 12) : 1;
    if (out->n < 1 || out->rows < 1 || out->cols < 1 || out->rows > MAX_SIDE ||
        out->cols > MAX_SIDE || out->n > MAX_BYTES / (out->rows * out->cols))
        return kiln_fail(self, KILN_ERR_IO, "'%s': sizes of %lld x %lld x %lld are out of range",
                         path, (long long)out->n, (long long)out->rows, (long long)out->cols);
    size_t bytes = (size_t)(out->n * out->rows * out->cols);
    out->data = malloc(bytes);
    if (!out->data)
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory for '%s'", path);
    e = get(self, f, path, out->data, bytes);
    if (e)
        return e;
    int rest = gzread(f, &more, 1);
    if (rest < 0)
        return bad(self, path, "the compressed data is damaged");
    return rest ? bad(self, path, "longer than its sizes say") : KILN_OK;
}

// The names of the set as it was published, and as some unpack it.
static int find(const char *folder, const char *stem, int ndim, char *path, size_t room)
{
    for (int i = 0; i < 4; i++) {
        const char *dot = i < 2 ? "-" : ".";
        snprintf(path, room, "%s/%s%sidx%d-ubyte%s", folder, stem, dot, ndim, i % 2 ? "" : ".gz");
        if (!access(path, F_OK))
            return 1;
    }
    return 0;
}

int idx_read(const kiln_self *self, const char *folder, const char *stem, int ndim, struct idx *out)
{
    char path[4096];
    *out = (struct idx){0};
    if (!find(folder, stem, ndim, path, sizeof(path)))
        return kiln_fail(self, KILN_ERR_IO, "'%s' has no file '%s-idx%d-ubyte' (plain or .gz)",
                         folder, stem, ndim);
    gzFile f = gzopen(path, "rb");
    if (!f)
        return kiln_fail(self, KILN_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    int e = read_open(self, f, path, ndim, out);
    if (gzclose_r(f) != Z_OK && !e)
        e = bad(self, path, "the compressed data is damaged");
    if (e)
        idx_free(out);
    return e;
}

void idx_free(struct idx *x)
{
    free(x->data);
    x->data = NULL;
}
