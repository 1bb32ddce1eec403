// The orientation in a JPEG's EXIF block. Every offset is checked: it comes from the file.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "image_codec.h"

int image_jpeg_segment(const uint8_t *bytes, size_t n, size_t *at, int *marker,
                       const uint8_t **body, size_t *length)
{
    size_t p = *at ? *at : 2;  // past the start marker
    while (p + 4 <= n && bytes[p] == 0xff) {
        int m = bytes[p + 1];
        if (m == 0xff) {  // filling
            p++;
            continue;
        }
        if (m == 0x01 || (m >= 0xd0 && m <= 0xd7)) {  // alone, without length
            p += 2;
            continue;
        }
        size_t l = (size_t)bytes[p + 2] << 8 | bytes[p + 3];
        if (m == 0xda || m == 0xd9 || m == 0 || l < 2 || l > n - p - 2)
            return 0;
        *marker = m;
        *body = bytes + p + 4;
        *length = l - 2;
        *at = p + 2 + l;
        return 1;
    }
    return 0;
}

struct tiff {
    const uint8_t *p;
    size_t n;
    int big;  // byte order
};

static unsigned u16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->p + at;
    return t->big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t u32(const struct tiff *t, size_t at)
{
    uint32_t a = u16(t, at), b = u16(t, at + 2);
    return t->big ? a << 16 | b : b << 16 | a;
}

static int orientation_of(const struct tiff *t)
{
    if (t->n < 8 || u16(t, 2) != 42)
        return 1;
    size_t at = u32(t, 4);  // the first directory
    if (at < 8 || at > t->n - 2)
        return 1;
    unsigned count = u16(t, at);
    at += 2;
    for (unsigned i = 0; i < count && t->n - at >= 12; i++, at += 12) {
        if (u16(t, at) != 0x0112)
            continue;
        unsigned value = u16(t, at + 8);
        int is_short = u16(t, at + 2) == 3 && u32(t, at + 4) == 1;
        return is_short && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int image_exif_orientation(const uint8_t *bytes, size_t n)
{
    size_t at = 0, length;
    int marker;
    const uint8_t *body;
    while (image_jpeg_segment(bytes, n, &at, &marker, &body, &length)) {
        if (marker != 0xe1 || length < 14 || memcmp(body, "Exif\0", 6) != 0)
            continue;
        struct tiff t = {body + 6, length - 6, body[6] == 'M'};
        if (memcmp(t.p, t.big ? "MM" : "II", 2) != 0)
            return 1;
        return orientation_of(&t);
    }
    return 1;
}
