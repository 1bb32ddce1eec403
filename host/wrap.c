// SPDX-License-Identifier: MIT
#include "wrap.h"

#include <stdlib.h>
#include <string.h>

size_t text_columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void blanks(struct text *t, size_t n)
{
    while (n--)
        text_add_n(t, " ", 1);
}

void wrap(struct text *t, size_t column, size_t indent, const char *s)
{
    int fresh = 1;  // nothing of s in this line yet
    while (*s) {
        if (*s == '\n' || *s == ' ') {
            if (*s++ == '\n') {
                text_add(t, "\n");
                blanks(t, indent);
                column = indent;
                fresh = 1;
            }
            continue;
        }
        size_t n = strcspn(s, " \n");
        char *word = xstrndup(s, n);
        size_t wide = text_columns(word);
        if (!fresh && column + 1 + wide > WRAP_WIDTH) {
            text_add(t, "\n");
            blanks(t, indent);
            column = indent;
            fresh = 1;
        }
        text_add(t, fresh ? "" : " ");
        text_add(t, word);
        column += wide + !fresh;
        fresh = 0;
        free(word);
        s += n;
    }
    text_add(t, "\n");
}

void text_pad(struct text *t, const char *s, size_t width)
{
    size_t n = text_columns(s);
    text_add(t, s);
    blanks(t, n < width ? width - n : 1);
}
