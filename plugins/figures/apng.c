// Animated PNG: a PNG with further frames in chunks that plain viewers skip.
// SPDX-License-Identifier: MIT
#include "animate.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void put32(uint8_t *p, size_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

// head [n_head] and data [n] make the content.
static int chunk(FILE *file, const char *type, const uint8_t *head, size_t n_head,
                 const uint8_t *data, size_t n)
{
    uint8_t word[4];
    uLong crc = crc32(0, (const Bytef *)type, 4);
    crc = crc32(crc, head, (uInt)n_head);
    if (n)  // crc32 of NULL starts anew
        crc = crc32(crc, data, (uInt)n);
    put32(word, n_head + n);
    int ok = fwrite(word, 1, 4, file) == 4 && fwrite(type, 1, 4, file) == 4 &&
             fwrite(head, 1, n_head, file) == n_head && fwrite(data ? data : head, 1, n, file) == n;
    put32(word, crc);
    return ok && fwrite(word, 1, 4, file) == 4;
}

// Each line behind the number of its filter: 2, the difference from the line above.
static void filter_up(const struct frames *f, const uint8_t *pixel, uint8_t *out)
{
    size_t line = f->width * f->channels;
    for (size_t y = 0; y < f->height; y++) {
        *out++ = 2;
        for (size_t i = 0; i < line; i++) {
            uint8_t above = y ? pixel[(y - 1) * line + i] : 0;
            *out++ = (uint8_t)(pixel[y * line + i] - above);
        }
    }
}

static int write_frames(const struct frames *f, FILE *file, uint8_t *raw, uint8_t *packed)
{
    size_t frame = f->height * f->width * f->channels, n_raw = frame + f->height;
    uint8_t control[26] = {0}, number[4];
    unsigned sequence = 0;
    for (size_t i = 0; i < f->n; i++) {
        uLongf n = compressBound(n_raw);
        filter_up(f, f->pixel + i * frame, raw);
        if (compress2(packed, &n, raw, n_raw, 9) != Z_OK)
            return 0;
        put32(control, sequence++);
        put32(control + 4, f->width);
        put32(control + 8, f->height);
        put16(control + 20, f->ms);
        put16(control + 22, 1000);
        int ok = chunk(file, "fcTL", control, sizeof(control), NULL, 0);
        put32(number, sequence);
        if (!i) {
            ok = ok && chunk(file, "IDAT", packed, n, NULL, 0);
        } else {
            ok = ok && chunk(file, "fdAT", number, sizeof(number), packed, n);
            sequence++;
        }
        if (!ok)
            return 0;
    }
    return 1;
}

int animate_apng(const struct frames *f, FILE *file, const char **why)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    size_t n_raw = f->height * (f->width * f->channels + 1);
    uint8_t header[13] = {0}, control[8], nothing[1] = {0};
    if (n_raw > UINT32_MAX / 2) {
        *why = "the images are too large for a PNG";
        return 0;
    }
    uint8_t *raw = malloc(n_raw), *packed = malloc(compressBound(n_raw));
    put32(header, f->width);
    put32(header + 4, f->height);
    header[8] = 8;
    header[9] = f->channels == 3 ? 2 : 0;
    put32(control, f->n);
    put32(control + 4, f->loop ? 0 : 1);
    int ok = raw && packed && fwrite(signature, 1, 8, file) == 8 &&
             chunk(file, "IHDR", header, sizeof(header), NULL, 0) &&
             chunk(file, "acTL", control, sizeof(control), NULL, 0) &&
             write_frames(f, file, raw, packed) && chunk(file, "IEND", nothing, 0, NULL, 0);
    if (!raw || !packed)
        *why = "out of memory";
    free(raw);
    free(packed);
    return ok;
}
