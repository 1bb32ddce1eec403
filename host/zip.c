// SPDX-License-Identifier: MIT
#include "zip.h"

#include <kiln/base.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "error.h"
#include "utf8.h"
#include "util.h"

enum {
    END_BYTES = 22,        // end of central directory record
    END64_BYTES = 56,      // the same of zip64
    LOCATOR_BYTES = 20,    // where the latter is
    CENTRAL_BYTES = 46,    // an entry of the central directory, before its name
    LOCAL_BYTES = 30,      // a local header, before its name
    EXTRA_ZIP64 = 1,       // id of the extra field with 64-bit sizes
    FLAG_ENCRYPTED = 0x1,  // general purpose bits
    FLAG_PATCHED = 0x20,
    FLAG_STRONG = 0x40,
    FLAG_MASKED = 0x2000,
};

static uint32_t get(const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static uint64_t get64(const unsigned char *p)
{
    return get(p, 4) | (uint64_t)get(p + 4, 4) << 32;
}

static int damaged(const char *what)
{
    return fail(KILN_ERR_IO, "damaged zip file: %s", what);
}

struct directory {
    uint64_t at, bytes, n;
};

// The record at the end, and that of zip64 where it says so.
static int find_directory(const unsigned char *p, size_t n, struct directory *d)
{
    if (n < END_BYTES)
        return damaged("it is too short");
    size_t end = n - END_BYTES, least = end > 0xffff ? end - 0xffff : 0;
    // The comment that may follow must reach to the end of the file: anything else is a trick or a
    // file that was cut or glued.
    while (get(p + end, 4) != 0x06054b50 || get(p + end + 20, 2) != n - end - END_BYTES)
        if (end-- == least)
            return damaged("its end is missing");
    const unsigned char *e = p + end;
    if (get(e + 4, 2) || get(e + 6, 2) || get(e + 8, 2) != get(e + 10, 2))
        return damaged("it is one of several parts");
    *d = (struct directory){get(e + 16, 4), get(e + 12, 4), get(e + 10, 2)};
    uint64_t limit = end;
    if (end >= LOCATOR_BYTES && get(e - LOCATOR_BYTES, 4) == 0x07064b50) {
        uint64_t at = get64(e - LOCATOR_BYTES + 8);
        if (end - LOCATOR_BYTES < END64_BYTES || at > end - LOCATOR_BYTES - END64_BYTES ||
            get(p + at, 4) != 0x06064b50)
            return damaged("its zip64 record is not where it should be");
        const unsigned char *e64 = p + at;
        if (get(e64 + 16, 4) || get(e64 + 20, 4) || get64(e64 + 24) != get64(e64 + 32))
            return damaged("it is one of several parts");
        struct directory wide = {get64(e64 + 48), get64(e64 + 40), get64(e64 + 32)};
        // Where the narrow fields hold something they must say the same.
        if ((d->at != UINT32_MAX && d->at != wide.at) ||
            (d->bytes != UINT32_MAX && d->bytes != wide.bytes) ||
            (d->n != UINT16_MAX && d->n != wide.n))
            return damaged("its two tables of contents differ");
        *d = wide;
        limit = at;
    }
    if (d->at > limit || d->bytes > limit - d->at || d->n > d->bytes / CENTRAL_BYTES)
        return damaged("its table of contents does not fit in");
    return KILN_OK;
}

// Fields that hold only ones stand, in this order, in the zip64 extra field.
static int widen(const unsigned char *extra, size_t n, uint64_t *bytes, uint64_t *packed,
                 uint64_t *header)
{
    uint64_t *field[] = {bytes, packed, header};
    while (n >= 4) {
        size_t length = get(extra + 2, 2);
        if (length > n - 4)
            return damaged("an extra field is too long");
        if (get(extra, 2) == EXTRA_ZIP64) {
            const unsigned char *p = extra + 4;
            for (int i = 0; i < 3; i++)
                if (*field[i] == UINT32_MAX) {
                    if (length < 8)
                        return damaged("a zip64 size is missing");
                    *field[i] = get64(p);
                    p += 8;
                    length -= 8;
                }
            return KILN_OK;
        }
        extra += 4 + length;
        n -= 4 + length;
    }
    return KILN_OK;
}

// The entry at c, of which left bytes of the directory remain; limit: where the directory begins.
static int read_entry(const unsigned char *p, uint64_t limit, const unsigned char *c, uint64_t left,
                      struct zip_entry *out, size_t *length)
{
    if (left < CENTRAL_BYTES || get(c, 4) != 0x02014b50)
        return damaged("an entry of its table of contents is not one");
    size_t name = get(c + 28, 2), extra = get(c + 30, 2), comment = get(c + 32, 2);
    *length = CENTRAL_BYTES + name + extra + comment;
    if (*length > left)
        return damaged("an entry of its table of contents is too long");
    out->name = xstrndup((const char *)c + CENTRAL_BYTES, name);
    if (strlen(out->name) != name || !utf8_valid(out->name))
        return damaged("the name of an entry is no text");
    uint64_t packed = get(c + 20, 4);
    out->bytes = get(c + 24, 4);
    out->header = get(c + 42, 4);
    out->crc = get(c + 16, 4);
    int e = widen(c + CENTRAL_BYTES + name, extra, &out->bytes, &packed, &out->header);
    if (e)
        return e;
    uint32_t flags = get(c + 8, 2);
    if (flags & (FLAG_ENCRYPTED | FLAG_PATCHED | FLAG_STRONG | FLAG_MASKED))
        return fail(KILN_ERR_IO, "zip file: '%.80s' is encrypted", out->name);
    out->compressed = get(c + 10, 2) != 0;
    if (out->compressed)
        out->bytes = packed;
    else if (packed != out->bytes)
        return damaged("an entry has two sizes");
    const unsigned char *local = p + out->header;
    if (out->header > limit || limit - out->header < LOCAL_BYTES || get(local, 4) != 0x04034b50)
        return damaged("an entry is not where it should be");
    uint64_t begin = out->header + LOCAL_BYTES + get(local + 26, 2) + get(local + 28, 2);
    if (begin > limit || out->bytes > limit - begin)
        return damaged("an entry reaches beyond the end of the data");
    if (get(local + 26, 2) != name || memcmp(local + LOCAL_BYTES, out->name, name))
        return damaged("an entry has two names");
    out->data = p + begin;
    return KILN_OK;
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct zip_entry *)a)->header, y = ((const struct zip_entry *)b)->header;
    return x < y ? -1 : x > y;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

static int read_all(const unsigned char *p, const struct directory *d, struct zip *out)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < d->n; i++) {
        size_t length = 0;
        GROW(out->entry, out->n);
        struct zip_entry *e = &out->entry[out->n++];
        *e = (struct zip_entry){0};
        int error = read_entry(p, d->at, p + d->at + at, d->bytes - at, e, &length);
        if (error)
            return error;
        at += length;
    }
    if (at != d->bytes)
        return damaged("its table of contents has another length");
    if (!out->n)
        return damaged("it is empty");
    qsort(out->entry, out->n, sizeof(*out->entry), by_place);
    for (uint32_t i = 1; i < out->n; i++)
        if (p + out->entry[i].header < out->entry[i - 1].data + out->entry[i - 1].bytes)
            return damaged("its entries overlap");
    qsort(out->entry, out->n, sizeof(*out->entry), by_name);
    for (uint32_t i = 1; i < out->n; i++)
        if (!strcmp(out->entry[i].name, out->entry[i - 1].name))
            return damaged("two entries have one name");
    return KILN_OK;
}

int zip_open(const unsigned char *p, size_t n, struct zip *out)
{
    struct directory d = {0};
    *out = (struct zip){0};
    int e = find_directory(p, n, &d);
    if (!e)
        e = read_all(p, &d, out);
    if (e)
        zip_close(out);
    return e;
}

void zip_close(struct zip *z)
{
    for (uint32_t i = 0; i < z->n; i++)
        free(z->entry[i].name);
    free(z->entry);
    *z = (struct zip){0};
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    uint32_t low = 0, high = z->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(name, z->entry[mid].name);
        if (!order)
            return &z->entry[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

int zip_check(const struct zip_entry *e)
{
    if (e->compressed)
        return fail(KILN_ERR_IO, "zip file: '%.80s' is compressed, torch.save stores plainly",
                    e->name);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return KILN_OK;  // no fuzzer would get past a checksum
#endif
    uLong crc = crc32_z(crc32_z(0, NULL, 0), e->data, (z_size_t)e->bytes);
    if (crc != e->crc)
        return fail(KILN_ERR_IO, "damaged zip file: the checksum of '%.80s' is wrong", e->name);
    return KILN_OK;
}
