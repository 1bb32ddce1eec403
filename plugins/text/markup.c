// SPDX-License-Identifier: MIT
#include "markup.h"

#include <string.h>

static int is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_decimal(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static int hex_of(uint32_t c)
{
    return is_decimal(c)          ? (int)(c - '0')
           : c >= 'a' && c <= 'f' ? (int)(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? (int)(c - 'A' + 10)
                                  : -1;
}

static uint32_t at(const struct chars *s, size_t i)
{
    return i < s->n ? s->c[i] : 0;
}

static int starts(const struct chars *s, size_t i, const char *word)
{
    for (; *word; word++, i++)
        if (at(s, i) != (unsigned char)*word)
            return 0;
    return 1;
}

// The place of word from i on; s->n: nowhere.
static size_t find(const struct chars *s, size_t i, const char *word)
{
    while (i < s->n && !starts(s, i, word))
        i++;
    return i;
}

// "&#123;" or "&#x1f;" at i: its end, with the semicolon where there is one; 0: it is none.
static size_t number(const struct chars *s, size_t i, uint32_t *code)
{
    int hex = at(s, i + 2) == 'x' || at(s, i + 2) == 'X';
    size_t first = i + 2 + (size_t)hex, k = first;
    *code = 0;
    for (; hex ? hex_of(at(s, k)) >= 0 : is_decimal(at(s, k)); k++)
        if (*code <= 0x10ffff)
            *code = *code * (hex ? 16 : 10) + (uint32_t)hex_of(at(s, k));
    return k == first ? 0 : k + (at(s, k) == ';');
}

// What browsers make of a number: those of Windows' own characters are taken for these.
static uint32_t character(uint32_t code)
{
    static const uint16_t windows[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    if (code >= 0x80 && code < 0xa0)
        return windows[code - 0x80];
    return !code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0xfffd : code;
}

// The name of length n at i, in ASCII; 0: unknown.
static uint32_t named(const struct chars *s, size_t i, size_t n)
{
    char name[16];
    if (!n || n >= sizeof(name))
        return 0;
    for (size_t k = 0; k < n; k++)
        name[k] = (char)s->c[i + k];
    return n == 4 && !memcmp(name, "apos", 4) ? '\'' : entity_code(name, n);
}

// ---- text of a page -----------------------------------------------------------------------------

// The end of the tag, comment or declaration at i; i: there is none.
static size_t tag_end(const struct chars *s, size_t i)
{
    uint32_t c = at(s, i + 1);
    size_t end;
    if (starts(s, i, "<!--")) {
        end = find(s, i + 4, "-->");
        return end < s->n ? end + 3 : i;
    }
    if (c == '!' || c == '?' || (c == '/' && !is_letter(at(s, i + 2)))) {
        end = find(s, i + 2, ">");
        return end < s->n ? end + 1 : i;
    }
    if (!is_letter(c) && c != '/')
        return i;
    uint32_t quote = 0;
    for (end = i + 1; end < s->n; end++) {  // a quoted value may hold '>'
        uint32_t q = s->c[end];
        if (quote ? q == quote : q == '>' || ((q == '"' || q == '\'') && at(s, end - 1) == '=')) {
            if (!quote && q == '>')
                return end + 1;
            quote = quote ? 0 : q;
        }
    }
    return i;
}

// Of a script or a style nothing is seen: where what follows the tag at i (with end end) goes on.
static size_t skip_content(const struct chars *s, size_t i, size_t end)
{
    static const char *const unseen[] = {"script", "style"};
    static const char *const closing[] = {"</script", "</style"};
    for (int k = 0; k < 2; k++)
        if (starts(s, i + 1, unseen[k]) && !is_letter(at(s, i + 1 + strlen(unseen[k]))))
            return find(s, end, closing[k]);
    return end;
}

// An entity at i: adds what it is, returns its end; i: none that is whole.
static size_t page_entity(const struct chars *s, size_t i, struct chars *out)
{
    uint32_t code;
    size_t end = at(s, i + 1) == '#' ? number(s, i, &code) : 0;
    if (end && end <= s->n && (s->c[end - 1] == ';' || end < s->n)) {
        chars_add(out, character(code));
        return end;
    }
    if (!is_letter(at(s, i + 1)))
        return i;
    for (end = i + 1;
         is_letter(at(s, end)) || is_decimal(at(s, end)) || at(s, end) == '-' || at(s, end) == '.';)
        end++;
    if (end == s->n) {  // something must follow: the last '-' or '.' does
        while (end > i + 1 && s->c[end - 1] != '-' && s->c[end - 1] != '.')
            end--;
        if (end <= i + 2)
            return i;
        end--;
    }
    code = named(s, i + 1, end - i - 1);
    if (code)
        chars_add(out, code);
    for (size_t k = i; !code && k < end; k++)
        chars_add(out, s->c[k]);
    return end + (at(s, end) == ';');
}

void markup_text(struct chars *s)
{
    struct chars out = {.failed = s->failed};
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        if (s->c[i] == '<' && (end = tag_end(s, i)) > i)
            end = skip_content(s, i, end);
        else if (s->c[i] == '&')
            end = page_entity(s, i, &out);
        // An unfinished one of a single character loses its '&'.
        if (end == i &&
            !(s->c[i] == '&' && i + 2 == s->n && (is_letter(s->c[i + 1]) || s->c[i + 1] == '#')))
            chars_add(&out, s->c[i]);
        i = end > i ? end : i + 1;
    }
    chars_free(s);
    *s = out;
}

// ---- entities -----------------------------------------------------------------------------------

void markup_unescape(struct chars *s)
{
    struct chars out = {.failed = s->failed};
    for (size_t i = 0; i < s->n;) {
        uint32_t code = 0;
        size_t end = 0, n = 0;
        if (s->c[i] == '&' && at(s, i + 1) == '#') {
            end = number(s, i, &code);
            code = character(code);
        } else if (s->c[i] == '&') {
            while (is_letter(at(s, i + 1 + n)) || is_decimal(at(s, i + 1 + n)))
                n++;
            if (at(s, i + 1 + n) == ';' && (code = named(s, i + 1, n)))
                end = i + n + 2;
            for (; !end && n > 1; n--)  // the oldest ones need no semicolon
                if ((code = named(s, i + 1, n)) && code < 0x100 && code != '\'')
                    end = i + 1 + n;
        }
        chars_add(&out, end ? code : s->c[i]);
        i = end ? end : i + 1;
    }
    chars_free(s);
    *s = out;
}
