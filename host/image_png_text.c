// The text chunk "kiln" of a PNG. Walked by hand: libpng would keep every text of the file, and the
// pixels need not be decoded for it.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "error.h"
#include "image_codec.h"

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static char *copy(const uint8_t *p, size_t n)
{
    char *s = malloc(n + 1);
    if (s) {
        memcpy(s, p, n);
        s[n] = 0;
    }
    return s;
}

// NULL with *bad set: not a whole zlib stream of at most IMAGE_TEXT_MAX bytes.
static char *inflated(const uint8_t *p, size_t n, int *bad)
{
    z_stream z = {0};
    struct image_buffer b = {0};
    uint8_t part[16384];
    if (inflateInit(&z) != Z_OK)
        return NULL;
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    int status = Z_OK;
    while (status == Z_OK) {
        z.next_out = part;
        z.avail_out = sizeof(part);
        status = inflate(&z, Z_NO_FLUSH);
        size_t got = sizeof(part) - z.avail_out;
        *bad = (status != Z_OK && status != Z_STREAM_END) || b.n + got > IMAGE_TEXT_MAX;
        if (*bad || image_buffer_add(&b, part, got))
            break;
    }
    inflateEnd(&z);
    char *text = status == Z_STREAM_END && !*bad ? copy(b.data, b.n) : NULL;
    free(b.data);
    return text;
}

// The value of an iTXt chunk with the keyword "kiln": keyword, 0, compressed?, method, language, 0,
// translated keyword, 0, text. KILN_OK with *text NULL for anything else.
static int value_of(const uint8_t *p, size_t n, char **text)
{
    if (n < 9 || memcmp(p, "kiln", 5) || p[5] > 1 || p[6])
        return KILN_OK;
    int compressed = p[5], bad = 0;
    const uint8_t *end = p + n;
    p += 7;
    for (int skip = 0; skip < 2; skip++) {
        p = memchr(p, 0, (size_t)(end - p));
        if (!p)
            return KILN_OK;
        p++;
    }
    n = (size_t)(end - p);
    if (!compressed && (n > IMAGE_TEXT_MAX || memchr(p, 0, n)))
        return KILN_OK;
    *text = compressed ? inflated(p, n, &bad) : copy(p, n);
    return *text || bad ? KILN_OK : fail(KILN_ERR_MEMORY, "out of memory");
}

int image_png_text(const uint8_t *bytes, size_t n, char **text)
{
    size_t at = 8;
    *text = NULL;
    while (!*text && n - at >= 12) {
        uint32_t length = big32(bytes + at);
        if (length > n - at - 12)
            break;
        const uint8_t *chunk = bytes + at + 4;  // type and data, which the checksum covers
        if (!memcmp(chunk, "iTXt", 4) && crc32(0, chunk, length + 4) == big32(chunk + 4 + length)) {
            int e = value_of(chunk + 4, length, text);
            if (e)
                return e;
        }
        at += (size_t)length + 12;
    }
    return KILN_OK;
}
