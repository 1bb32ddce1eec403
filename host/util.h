// Small memory and text helpers of the host. Running out of memory for small things ends the
// process with one line and status 1; tensors go through tensor_new, which fails properly.
// SPDX-License-Identifier: MIT
#ifndef HOST_UTIL_H
#define HOST_UTIL_H

#include <stddef.h>
#include <stdint.h>

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
void *xmemdup(const void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xformat(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Grows array (a pointer variable) to hold count + 1 elements, by doubling at powers of two.
#define GROW(array, count)                                                                         \
    ((array) = ((count) & ((count)-1))                                                             \
                   ? (array)                                                                       \
                   : xrealloc((array), (count) ? 2 * (size_t)(count) : 1, sizeof(*(array))))

struct text {  // a growing string; .s is NUL-terminated once anything was added, zeroed is empty
    char *s;
    size_t n, room;
};
void text_add(struct text *t, const char *s);
void text_add_n(struct text *t, const char *s, size_t n);
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *text_take(struct text *t);  // the string, "" at least; t is empty again
void text_free(struct text *t);

// A JSON string with quotes: control characters, quote and backslash escaped, UTF-8 as it is.
void text_json(struct text *t, const char *s);
// The shortest decimal that reads back to the same double; inf, -inf, nan by name.
void text_double(struct text *t, double v);
// The whole of s as a number, by the C locale; 0: it is none.
int parse_double(const char *s, double *out);
int parse_int(const char *s, int64_t *out);
// "Did you mean": name becomes *best where it is nearer to typed than *best (NULL: none so far),
// and near enough to be offered.
void nearer(const char *typed, const char *name, const char **best);

#endif
