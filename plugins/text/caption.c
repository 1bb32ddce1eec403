// SPDX-License-Identifier: MIT
#include "caption.h"

#include <stdlib.h>
#include <string.h>

#include "markup.h"
#include "pattern.h"

char *caption_plain(const char *text)
{
    struct chars s = chars_of(text);
    chars_lower(&s);
    chars_strip(&s);
    char *out = chars_text(&s);
    chars_free(&s);
    return out;
}

// ---- rules --------------------------------------------------------------------------------------

struct rule {
    const char *pattern, *text;
};

#define DOMAINS "(com|co|ru|net|org|edu|gov|it)[\\w/\\-]*\\b/?(!@)"
#define IMAGES "(png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"

static const struct rule addresses[] = {
    {"<person>", "person"},
    {"\\b(https?:(/{1,3}|[a-zA-Z0-9%])|[a-zA-Z0-9.\\-]+[.]" DOMAINS ")", ""},
    {"\\b(www:(/{1,3}|[a-zA-Z0-9%])|[a-zA-Z0-9.\\-]+[.]" DOMAINS ")", ""},
};

static const struct rule signs[] = {
    {"@[\\w\\d]+\\b", ""},                 // names of users
    {"[\xe3\x87\x80-\xe3\x87\xaf]+", ""},  // CJK: strokes, U+31C0 to U+31EF
    {"[\xe3\x87\xb0-\xe3\x87\xbf]+", ""},  // phonetic extensions
    {"[\xe3\x88\x80-\xe3\x8b\xbf]+", ""},  // enclosed letters
    {"[\xe3\x8c\x80-\xe3\x8f\xbf]+", ""},  // compatibility
    {"[\xe3\x90\x80-\xe4\xb6\xbf]+", ""},  // extension A
    {"[\xe4\xb7\x80-\xe4\xb7\xbf]+", ""},  // hexagrams
    {"[\xe4\xb8\x80-\xe9\xbf\xbf]+", ""},  // ideographs, U+4E00 to U+9FFF
    {"[\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u301c\u3030\u30a0"
     "\ufe31\ufe32\ufe58\ufe63\uff0d]+",
     "-"},
    {"[`\u00b4\u00ab\u00bb\u201c\u201d\u00a8]", "\""},
    {"[\u2018\u2019]", "'"},
    {"&quot;?", ""},
    {"&amp", ""},
    {"\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}", " "},
    {"\\d:\\d\\d\\s+$", ""},
    {"\\\\n", " "},
    {"#\\d{1,3}\\b", ""},
    {"#\\d{5,}\\b", ""},
    {"\\b\\d{6,}\\b", ""},
    {"[\\S]+\\." IMAGES, ""},  // names of files
    {"[\"']{2,}", "\""},
    {"[.]{2,}", " "},
    {"[#\u00ae\u2022\u00a9\u2122&@\u00b7\u00ba\u00bd\u00be\u00bf\u00a1\u00a7~)(\\]\\[}{|\\\\/*]+",
     " "},
    {"\\s+\\.\\s+", " "},
};

static const struct rule words[] = {
    {"\\b[a-zA-Z]{1,3}\\d{3,15}\\b", ""},
    {"\\b[a-zA-Z]+\\d+[a-zA-Z]+\\b", ""},
    {"\\b\\d+[a-zA-Z]+\\d+\\b", ""},
    {"(worldwide\\s+)?(free\\s+)?shipping", ""},
    {"(free\\s)?download(\\sfree)?", ""},
    {"\\bclick\\b\\s(for|on)\\s\\w+", ""},
    {"\\b" IMAGES "(\\simage[s]?)?", ""},
    {"\\bpage\\s+\\d+\\b", ""},
    {"\\b\\d*[a-zA-Z]+\\d+[a-zA-Z]+\\d+[a-zA-Z\\d]*\\b", " "},
    {"\\b\\d+\\.?\\d*[x\u0445\u00d7]\\d+\\.?\\d*\\b", ""},
    {"\\b\\s+:\\s+", ": "},
    {"\\D[,./]\\b", "$0 "},
    {"\\s+", " "},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void apply(struct chars *s, const struct rule *rule, size_t n)
{
    for (size_t i = 0; i < n && !s->failed; i++)
        if (pattern_replace(s, rule[i].pattern, rule[i].text) < 0)
            s->failed = 1;
}

// ---- what is no pattern -------------------------------------------------------------------------

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *p = strchr(digits, c | 0x20);
    return c >= '0' && p && *p ? (int)(p - digits) : -1;
}

// As the query of a URL is decoded: %41 is a byte, '+' a blank.
static struct chars percent_decoded(const char *text)
{
    struct chars s = {0};
    char *bytes = malloc(strlen(text) + 1), *to = bytes;
    if (!bytes) {
        s.failed = 1;
        return s;
    }
    for (; *text; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : -1, low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0) {
            *to++ = (char)(*text == '+' ? ' ' : *text);
            continue;
        }
        if (high || low)  // a zero byte would be taken out later
            *to++ = (char)(16 * high + low);
        text += 2;
    }
    *to = 0;
    s = chars_of(bytes);
    free(bytes);
    return s;
}

// With more than three of '-' and '_' they stand between words.
static void part_words(struct chars *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->c[i] == '-' || s->c[i] == '_';
    for (size_t i = 0; i < s->n && n > 3; i++)
        if (s->c[i] == '-' || s->c[i] == '_')
            s->c[i] = ' ';
}

// Of what ftfy mends: quotes, full-width letters, ligatures, control characters. Not texts that
// were decoded wrongly, nor letters with their marks apart.
static void mend(struct chars *s)
{
    static const struct {
        uint32_t c;
        const char *text;
    } ligatures[] = {
        {0x132, "IJ"},      {0x133, "ij"},       {0x149, "\u02bcn"}, {0x1c4, "D\u017d"},
        {0x1c5, "D\u017e"}, {0x1c6, "d\u017e"},  {0x1c7, "LJ"},      {0x1c8, "Lj"},
        {0x1c9, "lj"},      {0x1ca, "NJ"},       {0x1cb, "Nj"},      {0x1cc, "nj"},
        {0xfb00, "ff"},     {0xfb01, "fi"},      {0xfb02, "fl"},     {0xfb03, "ffi"},
        {0xfb04, "ffl"},    {0xfb05, "\u017ft"}, {0xfb06, "st"}};
    struct chars out = {.failed = s->failed};
    for (size_t i = 0; i < s->n; i++) {
        uint32_t c = s->c[i];
        const char *text = NULL;
        for (size_t k = 0; k < COUNT(ligatures); k++)
            if (ligatures[k].c == c)
                text = ligatures[k].text;
        if (text) {
            struct chars more = chars_of(text);
            for (size_t k = 0; k < more.n; k++)
                chars_add(&out, more.c[k]);
            out.failed |= more.failed;
            chars_free(&more);
        } else if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b)) {
            chars_add(&out, '\'');
        } else if (c >= 0x201c && c <= 0x201f) {
            chars_add(&out, '"');
        } else if (c >= 0xff01 && c <= 0xff5e) {
            chars_add(&out, c - 0xff01 + '!');
        } else if (c == 0x3000) {
            chars_add(&out, ' ');
        } else if (!((c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7f ||
                     c == 0xfeff || (c >= 0x206a && c <= 0x206f) || (c >= 0xfff9 && c <= 0xfffc))) {
            chars_add(&out, c);
        }
    }
    chars_free(s);
    *s = out;
}

static int is_one_of(const char *set, uint32_t c)
{
    return c && c < 0x80 && strchr(set, (int)c);
}

static void cut(struct chars *s, size_t begin, size_t end)
{
    s->n -= begin + end;
    memmove(s->c, s->c + begin, s->n * sizeof(*s->c));
}

static void trim(struct chars *s)
{
    if (s->n > 2 && is_one_of("\"'", s->c[0]) && is_one_of("\"'", s->c[s->n - 1]))
        cut(s, 1, 1);
    if (s->n && is_one_of("'_,-:;", s->c[0]))
        cut(s, 1, 0);
    if (s->n && is_one_of("'_,-:+", s->c[s->n - 1]))
        cut(s, 0, 1);
    size_t k = 1;
    while (s->n && s->c[0] == '.' && k < s->n && !is_space(s->c[k]))
        k++;
    if (k > 1 && k == s->n)  // a word that begins with a dot, by itself
        s->n = 0;
    chars_strip(s);
}

static char *clean_once(const char *text)
{
    enum { MAX_CHARS = 4000 };  // many times what T5 looks at; the time is the square
    struct chars s = percent_decoded(text);
    if (s.n > MAX_CHARS)
        s.n = MAX_CHARS;
    chars_strip(&s);
    chars_lower(&s);
    apply(&s, addresses, COUNT(addresses));
    markup_text(&s);
    apply(&s, signs, COUNT(signs));
    part_words(&s);
    mend(&s);
    markup_unescape(&s);
    markup_unescape(&s);
    apply(&s, words, COUNT(words));
    trim(&s);
    char *out = chars_text(&s);
    chars_free(&s);
    return out;
}

char *caption_clean(const char *text)
{
    char *once = clean_once(text), *twice = once ? clean_once(once) : NULL;
    free(once);
    return twice;
}
