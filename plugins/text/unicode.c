// SPDX-License-Identifier: MIT
#include "unicode.h"

#include <stdlib.h>
#include <string.h>

#include "unicode_table.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int in_ranges(const struct range *r, size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c < r[mid].first)
            high = mid;
        else if (c > r[mid].last)
            low = mid + 1;
        else
            return 1;
    }
    return 0;
}

int is_word(uint32_t c)
{
    return in_ranges(word_ranges, COUNT(word_ranges), c);
}

int is_digit(uint32_t c)
{
    return in_ranges(digit_ranges, COUNT(digit_ranges), c);
}

int is_space(uint32_t c)
{
    return in_ranges(space_ranges, COUNT(space_ranges), c);
}

uint32_t entity_code(const char *name, size_t n)
{
    for (size_t i = 0; i < COUNT(entities); i++)
        if (!strncmp(entities[i].name, name, n) && !entities[i].name[n])
            return entities[i].code;
    return 0;
}

void chars_add(struct chars *s, uint32_t c)
{
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        uint32_t *more = realloc(s->c, room * sizeof(*more));
        if (!more) {
            s->failed = 1;
            return;
        }
        s->c = more;
        s->room = room;
    }
    s->c[s->n++] = c;
}

// The character at s, and how many bytes it takes.
static uint32_t decode(const unsigned char *s, size_t *n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *s < 0x80   ? 1
                    : *s < 0xc0 ? 0
                    : *s < 0xe0 ? 2
                    : *s < 0xf0 ? 3
                    : *s < 0xf8 ? 4
                                : 0;
    *n = 1;
    if (length < 2)
        return length ? *s : 0xfffd;
    uint32_t c = *s & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {  // a zero byte ends it at the latest
        if ((s[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0xfffd;
    *n = length;
    return c;
}

struct chars chars_of(const char *text)
{
    struct chars s = {0};
    const unsigned char *p = (const unsigned char *)text;
    for (size_t n; *p; p += n)
        chars_add(&s, decode(p, &n));
    return s;
}

char *chars_text(const struct chars *s)
{
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    char *out = s->failed ? NULL : malloc(4 * s->n + 1), *p = out;
    for (size_t i = 0; out && i < s->n; i++) {
        uint32_t c = s->c[i];
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        *p++ = (char)(lead[more] | c >> 6 * more);
        while (more-- > 0)
            *p++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    }
    if (out)
        *p = 0;
    return out;
}

void chars_free(struct chars *s)
{
    free(s->c);
    *s = (struct chars){0};
}

static uint32_t lower(uint32_t c)
{
    size_t low = 0, high = COUNT(lower_ranges);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct lower *r = &lower_ranges[mid];
        if (c < r->first)
            high = mid;
        else if (c > r->last)
            low = mid + 1;
        else
            return (c - r->first) % (uint32_t)r->stride ? c : (uint32_t)((int32_t)c + r->distance);
    }
    return c;
}

void chars_lower(struct chars *s)
{
    enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2, DOTTED_I = 0x130, DOT_ABOVE = 0x307 };
    struct chars out = {.failed = s->failed};
    for (size_t i = 0; i < s->n; i++) {
        uint32_t c = s->c[i];
        int within = i && is_word(s->c[i - 1]) && !is_digit(s->c[i - 1]);
        int ends = i + 1 == s->n || !is_word(s->c[i + 1]) || is_digit(s->c[i + 1]);
        chars_add(&out, c == SIGMA && within && ends ? FINAL_SIGMA
                        : c == DOTTED_I              ? 'i'
                                                     : lower(c));
        if (c == DOTTED_I)
            chars_add(&out, DOT_ABOVE);
    }
    chars_free(s);
    *s = out;
}

void chars_strip(struct chars *s)
{
    size_t begin = 0;
    while (s->n && is_space(s->c[s->n - 1]))
        s->n--;
    while (begin < s->n && is_space(s->c[begin]))
        begin++;
    s->n -= begin;
    if (begin)
        memmove(s->c, s->c + begin, s->n * sizeof(*s->c));
}
