// SPDX-License-Identifier: MIT
#include "nearest.h"

#include <string.h>

enum { MAX_BYTES = 200 };  // of longer texts the beginning is compared

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// How many bytes must be put in, taken out or changed to make b of a (Levenshtein).
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_BYTES + 1], n = least(strlen(a), MAX_BYTES), m = least(strlen(b), MAX_BYTES);
    for (size_t k = 0; k <= m; k++)
        row[k] = k;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];  // of the row before, one to the left
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t change = corner + (lower(a[i - 1]) != lower(b[k - 1]));
            corner = row[k];
            row[k] = least(change, least(row[k], row[k - 1]) + 1);
        }
    }
    return row[m];
}

void nearest_add(struct nearest *out, const char *wanted, const char *text)
{
    size_t d = distance(wanted, text), at = out->n;
    out->seen++;
    while (at > 0 && out->distance[at - 1] > d)
        at--;
    if (at == NEAREST_MAX)
        return;
    if (out->n < NEAREST_MAX)
        out->n++;
    for (size_t i = out->n - 1; i > at; i--) {
        out->text[i] = out->text[i - 1];
        out->distance[i] = out->distance[i - 1];
    }
    out->text[at] = text;
    out->distance[at] = d;
}
