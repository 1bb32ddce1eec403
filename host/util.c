// SPDX-License-Identifier: MIT
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (!p) {
        fputs("kiln: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    return must(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return must(NULL);
    return must(realloc(p, n && size ? n * size : 1));
}

void *xmemdup(const void *p, size_t size)
{
    void *q = xcalloc(1, size);
    if (size)
        memcpy(q, p, size);
    return q;
}

char *xstrdup(const char *s)
{
    return must(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
    return must(strndup(s, n));
}

char *xformat(const char *format, ...)
{
    char *s;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&s, format, ap);
    va_end(ap);
    return must(n < 0 ? NULL : s);
}

void text_add_n(struct text *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->room) {
        t->room = 2 * (t->n + n + 1);
        t->s = xrealloc(t->s, t->room, 1);
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void text_add(struct text *t, const char *s)
{
    text_add_n(t, s, strlen(s));
}

void text_format(struct text *t, const char *format, ...)
{
    char *s;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&s, format, ap);
    va_end(ap);
    must(n < 0 ? NULL : s);
    text_add_n(t, s, (size_t)n);
    free(s);
}

char *text_take(struct text *t)
{
    char *s = t->s ? t->s : xstrdup("");
    *t = (struct text){0};
    return s;
}

void text_free(struct text *t)
{
    free(t->s);
    *t = (struct text){0};
}

void text_json(struct text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_format(t, "\\%c", c);
        else if (c == '\n')
            text_add(t, "\\n");
        else if (c == '\t')
            text_add(t, "\\t");
        else if (c < ' ' || c == 0x7f)
            text_format(t, "\\u%04x", c);
        else
            text_add_n(t, s, 1);
    }
    text_add(t, "\"");
}

static locale_t c_locale(void)
{
    static locale_t loc;
    if (!loc)
        loc = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return loc;
}

void text_double(struct text *t, double v)
{
    char s[40];
    if (isnan(v)) {
        text_add(t, "nan");
        return;
    }
    if (isinf(v)) {
        text_add(t, v < 0 ? "-inf" : "inf");
        return;
    }
    if (v == floor(v) && fabs(v) < 1e15) {  // whole numbers without an exponent
        text_format(t, "%.0f", v);
        return;
    }
    locale_t old = uselocale(c_locale());
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof(s), "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    uselocale(old);
    text_add(t, s);
}

int parse_double(const char *s, double *out)
{
    char *end;
    if (!*s || strchr(" \t\n\v\f\r", *s))
        return 0;
    *out = strtod_l(s, &end, c_locale());
    return !*end;
}

int parse_int(const char *s, int64_t *out)
{
    char *end;
    if (!*s || strchr(" \t\n\v\f\r", *s))
        return 0;
    errno = 0;
    *out = strtoimax(s, &end, 10);
    return !*end && !errno;
}

static int edit_distance(const char *a, const char *b)
{
    enum { MAX = 48 };
    size_t na = strlen(a), nb = strlen(b);
    int d[MAX + 1][MAX + 1];
    if (na > MAX || nb > MAX)
        return MAX;
    for (size_t i = 0; i <= na; i++)
        for (size_t j = 0; j <= nb; j++) {
            if (!i || !j) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[na][nb];
}

void nearer(const char *typed, const char *name, const char **best)
{
    size_t n = strlen(typed);
    int d = edit_distance(typed, name), near = n < 4 ? 1 : n < 8 ? 2 : 3;
    if (d <= near && (!*best || d < edit_distance(typed, *best)))
        *best = name;
}
